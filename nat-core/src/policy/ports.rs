//! Which external port a new mapping gets (RFC 6056, RFC 4787 section 4.2).

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::state::Ports;

/// Draws external ports. Servers see the sequence, so it comes from a keyed function: who does not
/// know the key cannot tell the next port from all that went before.
#[derive(Clone)]
pub(crate) struct PortPicker {
    key: [u8; 16],
    drawn: u64,
}

/// Random draws before the search goes through the range from end to end.
const DRAWS: u32 = 8;

impl PortPicker {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { key, drawn: 0 }
    }

    /// A random one of `ports` that is `free`; `None` if none is. With as many `tries` as there are
    /// ports, and those of a few random draws more, it finds the last one that is.
    pub(crate) fn pick(
        &mut self,
        ports: Ports,
        tries: usize,
        mut free: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        let count = ports.count() as u32;
        if count == 0 {
            return None;
        }
        let mut position = 0;
        for _ in 0..DRAWS {
            position = scale(self.draw(), count);
            if free(ports.at(position)) {
                return Some(ports.at(position));
            }
        }
        (position..count)
            .chain(0..position)
            .take(tries)
            .map(|position| ports.at(position))
            .find(|port| free(*port))
    }

    /// A random number below `count`, for choices other than ports.
    pub(crate) fn pick_below(&mut self, count: u32) -> u32 {
        scale(self.draw(), count)
    }

    fn draw(&mut self) -> u32 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u64(self.drawn);
        self.drawn = self.drawn.wrapping_add(1);
        hasher.finish() as u32
    }
}

fn scale(random: u32, count: u32) -> u32 {
    (u64::from(random).wrapping_mul(u64::from(count)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use crate::config::PortRange;
    use crate::state::Parity;

    use super::*;

    const RANGES: [(u16, u16); 8] = [
        (1024, 65535),
        (65000, 65535),
        (1, 1023),
        (1, 1),
        (65535, 65535),
        (40000, 40063),
        (7, 8),
        (8, 9),
    ];

    fn range(first: u16, last: u16) -> PortRange {
        PortRange::new(first, last).expect("a range")
    }

    /// RFC 6056: the last free port is found, and no port beyond either end, or of the other
    /// parity, is tried.
    #[test]
    fn the_last_free_port_is_found() {
        let mut picker = PortPicker::new([3; 16]);
        for (first, last) in RANGES {
            let range = range(first, last);
            for parity in [None, Some(Parity::Even), Some(Parity::Odd)] {
                let ports = Ports::new(range, parity);
                let fits = |port: &u16| parity.is_none_or(|parity| parity == Parity::of(*port));
                for free in [first, first.saturating_add(1), last, last - 1]
                    .into_iter()
                    .filter(fits)
                {
                    let mut tries = 0_u32;
                    let picked = picker.pick(ports, ports.count(), |port| {
                        assert!(
                            range.contains(port) && fits(&port),
                            "{port} of {first} to {last}, {parity:?}"
                        );
                        tries += 1;
                        port == free
                    });
                    assert_eq!(picked, range.contains(free).then_some(free));
                    assert!(tries <= ports.count() as u32 + DRAWS);
                }
                assert_eq!(picker.pick(ports, ports.count(), |_| false), None);
            }
        }
    }
}
