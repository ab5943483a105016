//! Which external port a new mapping gets (RFC 6056, RFC 4787 section 4.2).

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::config::PortRange;

/// Draws external ports. Servers see the sequence, so it comes from a keyed function: who does not know the key cannot
/// tell the next port from all that went before.
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

    /// A random port of `range` that is `free`; `None` if none is. With as many `tries` as the range is long, and those of
    /// a few random draws more, it finds the last one that is.
    pub(crate) fn pick(&mut self, range: PortRange, tries: usize, mut free: impl FnMut(u16) -> bool) -> Option<u16> {
        let count = range.len() as u32;
        let port = |offset: u32| u32::from(range.first()).wrapping_add(offset) as u16;
        let mut offset = 0;
        for _ in 0..DRAWS {
            offset = scale(self.draw(), count);
            if free(port(offset)) {
                return Some(port(offset));
            }
        }
        (offset..count).chain(0..offset).take(tries).map(port).find(|port| free(*port))
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
    use super::*;

    /// RFC 6056: the last free port is found, and no port beyond either end is tried.
    #[test]
    fn the_last_free_port_is_found() {
        let mut picker = PortPicker::new([3; 16]);
        for (first, last) in [(1024, 65535), (65000, 65535), (1, 1), (40000, 40063)] {
            let range = PortRange::new(first, last).expect("a range");
            for free in [first, last, first + (last - first) / 2] {
                let mut tries = 0_u32;
                let picked = picker.pick(range, range.len(), |port| {
                    assert!(range.contains(port));
                    tries += 1;
                    port == free
                });
                assert_eq!(picked, Some(free));
                assert!(tries <= u32::from(last - first) + 1 + DRAWS);
            }
            assert_eq!(picker.pick(range, range.len(), |_| false), None);
        }
    }
}
