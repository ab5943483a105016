//! How often the outside stack may look for a DHCP server (RFC 2131 section 4.1).
//!
//! A DHCP client starts over when its request is refused, and smoltcp's does so at once: with a
//! server that refuses all requests it would send as many as the two can exchange, a thousand a
//! second.

use core::time::Duration;

use nat_core::Instant;

use crate::ipv4;

const UDP: u8 = 17;
/// The ports of the client and of the server.
const PORTS: [u8; 4] = [0, 68, 0, 67];
const UDP_HEADER_LEN: usize = 8;
/// The fields of a message that come before its options, the magic cookie included.
const FIXED_LEN: usize = 240;
const PAD: u8 = 0;
const END: u8 = 255;
const MESSAGE_TYPE: u8 = 53;
const DISCOVER: u8 = 1;

/// A client that has no answer waits for longer than this until it asks again; sooner it does when
/// it starts over.
const RETRY: Duration = Duration::from_secs(3);

/// The wait for the first refusal that is one too many, which doubles with each that follows.
const FIRST_WAIT: Duration = Duration::from_secs(4);

/// How often it doubles.
const DOUBLINGS: u32 = 4;

/// When so long nothing was looked for, all is forgotten: the client has had a lease. It is longer
/// than the longest wait, in which the client goes on to try.
const FORGOTTEN: Duration = Duration::from_secs(128);

/// The DISCOVERs of the outside stack.
#[derive(Clone, Copy, Default)]
pub(crate) struct Discovery {
    /// How often the client has started over at once.
    restarts: u32,
    /// When it tried to send one last.
    tried: Option<Instant>,
    /// When one left last.
    left: Option<Instant>,
}

impl Discovery {
    /// Whether `datagram` of the outside stack must not leave at `now`: a DISCOVER that comes too
    /// soon. The client tries again by itself, as if there had been no answer.
    pub(crate) fn is_too_soon(&mut self, datagram: &[u8], now: Instant) -> bool {
        is_discover(datagram) && !self.may_leave(now)
    }

    /// Whether a DISCOVER may leave at `now`. The first after a refusal always may: a server
    /// refuses a client once that comes with an address of another network.
    fn may_leave(&mut self, now: Instant) -> bool {
        let since = |then: Option<Instant>| {
            then.map_or(Duration::MAX, |then| now.saturating_duration_since(then))
        };
        let tried = since(self.tried);
        if tried >= FORGOTTEN {
            self.restarts = 0;
        } else if tried < RETRY {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.tried = Some(now);
        let wait = match self.restarts.checked_sub(2) {
            Some(doublings) => FIRST_WAIT.saturating_mul(1 << doublings.min(DOUBLINGS)),
            None => Duration::ZERO,
        };
        let may = since(self.left) >= wait;
        if may {
            self.left = Some(now);
        }
        may
    }
}

fn is_discover(datagram: &[u8]) -> bool {
    let message = || {
        let udp = datagram.get(ipv4::header_length(datagram)..)?;
        let ours = datagram.get(9) == Some(&UDP) && udp.starts_with(&PORTS);
        udp.get(UDP_HEADER_LEN + FIXED_LEN..).filter(|_| ours)
    };
    message().and_then(message_type) == Some(DISCOVER)
}

/// The DHCP message type in these options.
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

    /// The seconds at which DISCOVERs leave when each is refused at once, and the client tries
    /// again every `retry` seconds.
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
