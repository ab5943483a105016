//! The limit on RSTs for each connection (RFC 9293 section 3.10.7.1).

use crate::Instant;
use crate::state::LastReset;
use crate::table::HashKey;

/// The two ends of a connection as in its packet from inside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ends {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    /// The source port, and the destination port.
    pub(crate) ports: [u16; 2],
}

impl Ends {
    fn hash(&self, key: &HashKey) -> u32 {
        let [source_port, destination_port] = self.ports.map(u32::from);
        key.hash(
            key.hash(self.source, self.destination),
            source_port << 16 | destination_port,
        )
    }
}

/// This record belongs to one host, and all connections of the host share it. A neighbour that
/// forges the host's address, to find out which of its connections the NAT knows, cannot see by the
/// RSTs for its own connections whether the host got one.
impl LastReset {
    /// Whether this connection of the host may get a RST at `now`. If so, records that one is sent.
    pub(crate) fn take(&mut self, key: &HashKey, ends: &Ends, now: u32) -> bool {
        // Zero is `LastReset::NONE`.
        let connection = ends.hash(key) | 1;
        if self.connection == connection && u64::from(now.wrapping_sub(self.at)) < INTERVAL_MILLIS {
            return false;
        }
        *self = Self {
            connection,
            at: now,
        };
        true
    }
}

/// The last RSTs to hosts without an entry in the table of hosts: one in 100 ms for each
/// connection.
///
/// The limit is for each connection alone. If connections shared one, a host could count its own
/// RSTs to find out how many others got (RFC 5961 section 10, CVE-2016-5696). So an entry that
/// another connection needs is simply overwritten. That reveals that the other connection got a
/// RST, which is no secret here: a host without an entry in the table of hosts has no connection
/// that the NAT knows.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct ResetLimit {
    sent: [Sent; ENTRIES],
}

#[derive(Clone, Copy)]
struct Sent {
    ends: Ends,
    at: Instant,
}

const ENTRIES: usize = 16;
const INTERVAL_MILLIS: u64 = 100;

impl ResetLimit {
    pub(crate) const fn new() -> Self {
        // No connection has the port 0, so these entries match none.
        let none = Sent {
            ends: Ends {
                source: 0,
                destination: 0,
                ports: [0; 2],
            },
            at: Instant::from_millis(0),
        };
        Self {
            sent: [none; ENTRIES],
        }
    }

    /// Whether this connection may get a RST at `now`. If so, records that one is sent.
    pub(crate) fn take(&mut self, key: &HashKey, ends: Ends, now: Instant) -> bool {
        let Some(entry) = self.sent.get_mut(ends.hash(key) as usize % ENTRIES) else {
            return true;
        };
        let elapsed = now.as_millis().saturating_sub(entry.at.as_millis());
        if entry.ends == ends && elapsed < INTERVAL_MILLIS {
            return false;
        }
        *entry = Sent { ends, at: now };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: HashKey = HashKey::new([
        0x1b87_3593,
        0xcc9e_2d51,
        0x85eb_ca6b,
        0xc2b2_ae35,
        0x27d4_eb2f,
    ]);

    fn ends(port: u16) -> Ends {
        Ends {
            source: 0xc0a8_010a,
            destination: 0xc633_640a,
            ports: [port, 80],
        }
    }

    /// S4: a connection gets one RST in 100 ms, counted from the last one that was sent.
    #[test]
    fn one_in_an_interval() {
        let mut limit = ResetLimit::new();
        let mut take = |millis: u64| limit.take(&KEY, ends(5000), Instant::from_millis(millis));
        let taken = [0, 0, 1, 99, 100, 150, 199, 200, 1_000_000, 1_000_050].map(&mut take);
        assert_eq!(
            taken,
            [
                true, false, false, false, true, false, false, true, true, false
            ]
        );
        assert!(take(u64::MAX));
    }

    /// S4: the record of a host: one RST in an interval, but none is suppressed for another
    /// connection.
    #[test]
    fn a_host_has_a_place_of_its_own() {
        for start in [0, 5_000_000, u32::MAX - 50] {
            let mut last = LastReset::NONE;
            let mut take =
                |port: u16, millis: u32| last.take(&KEY, &ends(port), start.wrapping_add(millis));
            let taken = [(1, 0), (1, 99), (2, 99), (2, 150), (1, 150), (1, 250)]
                .map(|(port, at)| take(port, at));
            assert_eq!(taken, [true, false, true, false, true, true]);
            assert!((2..u16::MAX).all(|port| take(port, 300)));
        }
    }

    /// S4, CVE-2016-5696: whatever others got, a connection gets its RST; also one that differs in
    /// one field only.
    #[test]
    fn no_connection_suppresses_the_rst_of_another() {
        let mut limit = ResetLimit::new();
        let now = Instant::from_millis(1000);
        for port in 1..=u16::MAX {
            assert!(limit.take(&KEY, ends(port), now), "port {port}");
        }
        let first = ends(5000);
        for other in [
            first,
            Ends {
                source: first.source ^ 1,
                ..first
            },
            Ends {
                destination: first.destination ^ 1,
                ..first
            },
            Ends {
                ports: [80, 5000],
                ..first
            },
            Ends {
                source: first.destination,
                destination: first.source,
                ports: [80, 5000],
            },
        ] {
            assert!(limit.take(&KEY, other, now), "{other:?}");
        }
    }
}
