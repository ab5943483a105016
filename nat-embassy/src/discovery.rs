//! How often the outside stack may look for a DHCP server (RFC 2131 section 4.1).
//!
//! A DHCP client starts over when its request is refused, and smoltcp's client does so at once.
//! With a server that refuses all requests, it would send a thousand DISCOVERs a second.

use core::time::Duration;

use nat_core::Instant;

use crate::ipv4;

const UDP: u8 = 17;
/// The ports of the client and of the server.
const PORTS: [u8; 4] = [0, 68, 0, 67];
const UDP_HEADER_LEN: usize = 8;
/// The length of a message before its options, magic cookie included.
const FIXED_LEN: usize = 240;
const PAD: u8 = 0;
const END: u8 = 255;
const MESSAGE_TYPE: u8 = 53;
const DISCOVER: u8 = 1;

/// A client that gets no answer waits longer than this for its next DISCOVER. One that comes
/// earlier is a restart.
const RETRY: Duration = Duration::from_secs(3);

/// The wait after the second restart in a row. It doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(4);

/// How often the wait doubles.
const DOUBLINGS: u32 = 4;

/// After this time without a DISCOVER, the client must have had a lease, and the count starts
/// again. Longer than the longest wait, during which the client goes on to try.
const RESET_AFTER: Duration = Duration::from_secs(128);

/// The limiter for DISCOVERs of the outside stack.
#[derive(Clone, Copy, Default)]
pub(crate) struct Discovery {
    /// The restarts in a row.
    restarts: u32,
    /// When the client last tried to send one.
    tried: Option<Instant>,
    /// When the last one left.
    left: Option<Instant>,
}

impl Discovery {
    /// Whether `datagram` is a DISCOVER that must not leave at `now`. The client then tries again
    /// by itself, as it does without an answer.
    pub(crate) fn is_too_soon(&mut self, datagram: &[u8], now: Instant) -> bool {
        is_discover(datagram) && !self.may_leave(now)
    }

    /// Whether a DISCOVER may leave at `now`. The first restart is always allowed: a server refuses
    /// a client once that asks for its address from another network.
    fn may_leave(&mut self, now: Instant) -> bool {
        let tried = since(self.tried, now);
        if tried >= RESET_AFTER {
            self.restarts = 0;
        } else if tried < RETRY {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.tried = Some(now);
        // None for the first restart.
        let wait = match self.restarts.checked_sub(2) {
            Some(doublings) => FIRST_WAIT.saturating_mul(1 << doublings.min(DOUBLINGS)),
            None => Duration::ZERO,
        };
        let may = since(self.left, now) >= wait;
        if may {
            self.left = Some(now);
        }
        may
    }
}

/// The time from `then` to `now`; the longest there is if there is no `then`.
fn since(then: Option<Instant>, now: Instant) -> Duration {
    then.map_or(Duration::MAX, |then| now.saturating_duration_since(then))
}

fn is_discover(datagram: &[u8]) -> bool {
    options(datagram).and_then(message_type) == Some(DISCOVER)
}

/// The options of a DHCP message to a server.
fn options(datagram: &[u8]) -> Option<&[u8]> {
    let udp = datagram.get(ipv4::header_length(datagram)..)?;
    if datagram.get(9) != Some(&UDP) || !udp.starts_with(&PORTS) {
        return None;
    }
    udp.get(UDP_HEADER_LEN + FIXED_LEN..)
}

/// The DHCP message type in `options`.
fn message_type(options: &[u8]) -> Option<u8> {
    let mut rest = options;
    loop {
        rest = match *rest {
            [PAD, ref next @ ..] => next,
            [MESSAGE_TYPE, 1, kind, ..] => return Some(kind),
            [END, ..] => return None,
            [_, len, ref next @ ..] => next.get(usize::from(len)..)?,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which DISCOVERs leave if each is refused at once, and the client tries again
    /// every `retry` seconds.
    fn leaves(retry: u64, seconds: u64) -> impl Iterator<Item = u64> {
        let mut discovery = Discovery::default();
        let mut at = 0;
        core::iter::from_fn(move || {
            loop {
                if at >= seconds * 1000 {
                    return None;
                }
                let now = at;
                let left = discovery.may_leave(Instant::from_millis(now));
                at += if left { 5 } else { retry * 1000 };
                if left {
                    return Some(now / 1000);
                }
            }
        })
    }

    /// RFC 2131 section 4.1: "4 seconds [...] doubled with subsequent retransmissions up to a
    /// maximum of 64 seconds".
    #[test]
    fn refusals_in_a_row_double_the_wait_up_to_64_s() {
        assert!(leaves(4, 250).eq([0, 0, 4, 12, 28, 60, 124, 188]));
        assert!(leaves(10, 170).eq([0, 0, 10, 20, 40, 80, 150]));
    }

    #[test]
    fn a_client_that_gets_no_answer_or_a_lease_is_left_alone() {
        let mut discovery = Discovery::default();
        assert!((0..100).all(|round| discovery.may_leave(Instant::from_secs(4 * round))));
        let mut discovery = Discovery::default();
        assert!((0..100).all(|round| {
            let leased = Instant::from_secs(300 * round);
            let refused = leased.saturating_add(Duration::from_millis(5));
            discovery.may_leave(leased) && discovery.may_leave(refused)
        }));
    }
}
