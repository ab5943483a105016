//! What must hold after each packet, and at the end.

use core::net::Ipv4Addr;
use std::collections::HashMap;

use nat_core::{DropReason, Instant, Nat, Reply, SessionInfo, Side, Verdict};

use super::FOREVER;
use crate::bytes;
use crate::script::{Entry, Kind};

/// The state before a packet.
pub(crate) struct Before {
    packet: Vec<u8>,
    from: Side,
    local: bool,
    /// `None` if timers are due, so that sessions may end whatever the packet is.
    sessions: Option<Vec<SessionInfo>>,
}

impl Before {
    pub(crate) fn of(nat: &Nat<'_>, packet: &[u8], from: Side, entry: &Entry<'_>) -> Self {
        let sessions = entry.fires_timers.then(|| nat.sessions().collect());
        Self {
            packet: packet.to_vec(),
            from,
            local: entry.kind == Kind::Local,
            sessions,
        }
    }

    pub(crate) fn check(&self, nat: &Nat<'_>, packet: &[u8], verdict: &Verdict) {
        match verdict {
            Verdict::Drop(_) | Verdict::Hold => self.check_unchanged(nat, packet),
            Verdict::Forward { to, len, .. } | Verdict::Fragment { to, len, .. } => {
                self.check_forwarded(nat, packet, *to, *len);
            }
            Verdict::Local { len, .. } => self.check_datagram(packet, *len),
            Verdict::Reject(reply) => {
                self.check_unchanged(nat, packet);
                self.check_reply(packet, reply);
            }
        }
    }

    fn check_unchanged(&self, nat: &Nat<'_>, packet: &[u8]) {
        assert!(
            self.packet == packet,
            "a packet that is not forwarded was changed"
        );
        if let Some(before) = &self.sessions {
            let after: Vec<_> = nat.sessions().collect();
            assert_eq!(
                *before, after,
                "a packet that is not forwarded changed the tables"
            );
        }
    }

    fn check_forwarded(&self, nat: &Nat<'_>, packet: &[u8], to: Side, len: usize) {
        self.check_datagram(packet, len);
        let (source, destination) = addresses(packet);
        match to {
            Side::Inside => assert!(
                nat.config().inside.contains(destination),
                "{destination} is not inside"
            ),
            Side::Outside if self.is_dhcp_request() => {}
            Side::Outside => {
                assert!(
                    nat.external_addresses().contains(&source),
                    "{source} left untranslated"
                );
                check_quote_leaves(nat, packet);
            }
        }
        self.check_untouched(nat, packet);
        if bytes::transport_is_valid(&self.packet) {
            assert!(
                bytes::transport_is_valid(packet),
                "the transport checksum was valid, and is not any more"
            );
        }
    }

    /// Whatever translation has no business with is as it came in.
    fn check_untouched(&self, nat: &Nat<'_>, packet: &[u8]) {
        let clamped = nat.config().mss_clamp;
        let [before, after] =
            [&self.packet, packet].map(|packet| bytes::without_translation(packet, clamped));
        let mut before = before;
        if !bytes::is_atomic(&self.packet) {
            // RFC 6864: what may be fragmented may get another identification.
            before[4..6].copy_from_slice(&packet[4..6]);
        }
        assert_eq!(before, after, "bytes that translation has no business with");
    }

    fn check_datagram(&self, packet: &[u8], len: usize) {
        let (_, total) = bytes::lengths(packet).expect("a forwarded packet is a datagram");
        assert_eq!(
            len, total,
            "the length of the verdict is not that of the datagram"
        );
        assert!(
            bytes::header_is_valid(packet),
            "the header checksum is wrong"
        );
    }

    fn check_reply(&self, packet: &[u8], reply: &Reply) {
        let mut buffer = [0xa5; Reply::MAX_LEN];
        let len = reply
            .emit(packet, &mut buffer)
            .expect("MAX_LEN bytes suffice");
        assert_eq!(
            bytes::lengths(&buffer[..len])
                .expect("an answer is a datagram")
                .1,
            len
        );
        assert!(
            bytes::header_is_valid(&buffer) && bytes::transport_is_valid(&buffer),
            "a checksum of an answer"
        );
        assert_eq!(
            addresses(&buffer).1,
            addresses(packet).0,
            "an answer goes to the sender"
        );
        assert_eq!(addresses(&buffer).1, reply.destination());
        assert_eq!(
            reply.emit(packet, &mut buffer[..len - 1]),
            None,
            "an answer does not fit into less"
        );
        if self.from == Side::Outside {
            let about_a_session = matches!(
                reply.reason(),
                DropReason::PacketTooBig | DropReason::TtlExpired
            );
            assert!(
                about_a_session && !reply.is_reset(),
                "an answer toward the outside: {:?}",
                reply.reason()
            );
        }
    }

    /// A DHCP client's packets leave as they are: it has no address yet.
    fn is_dhcp_request(&self) -> bool {
        let Some((header, _)) = bytes::lengths(&self.packet) else {
            return false;
        };
        self.local
            && self.packet[9] == 17
            && self.packet.get(header..header + 4) == Some(&[0, 68, 0, 67])
    }
}

/// What must hold for a fragment that had waited for the first of its datagram.
pub(crate) fn check_released(packet: &[u8], verdict: &Verdict) {
    let len = match verdict {
        Verdict::Drop(_) => return,
        Verdict::Forward { len, .. }
        | Verdict::Fragment { len, .. }
        | Verdict::Local { len, .. } => *len,
        Verdict::Hold | Verdict::Reject(_) => panic!("{verdict:?} on a fragment that had waited"),
    };
    assert_eq!(
        bytes::lengths(packet)
            .expect("a released fragment is a datagram")
            .1,
        len
    );
    assert!(
        bytes::header_is_valid(packet),
        "the header checksum of a released fragment"
    );
}

/// What must hold after `packets` packets, of which the last came at `now`.
pub(crate) fn check_end(nat: &mut Nat<'_>, packets: usize, now: Instant) {
    let stats = nat.stats();
    let counted =
        stats.forwarded + stats.held + stats.local + stats.rejected_total() + stats.dropped_total();
    assert_eq!(
        counted, packets as u64,
        "each packet is counted once by its verdict"
    );
    let mut owners = HashMap::new();
    for session in nat.sessions() {
        let owner = *owners
            .entry((session.protocol, session.external))
            .or_insert(session.inside);
        assert_eq!(
            owner, session.inside,
            "two inside endpoints share {}",
            session.external
        );
    }
    nat.handle_timeout(now.saturating_add(FOREVER));
    assert_eq!(
        nat.sessions().count(),
        0,
        "sessions outlived their timeouts"
    );
    assert_eq!(nat.poll_timeout(), None, "a timer without a session");
}

/// No inside address is quoted in what leaves. Extensions behind the quote may hold some (RFC
/// 5837): they are left alone, as RFC 5508 REQ-3d wants it.
fn check_quote_leaves(nat: &Nat<'_>, packet: &[u8]) {
    let Some(quote) = bytes::quote(packet) else {
        return;
    };
    let (source, destination) = addresses(quote);
    let inside = nat.config().inside;
    assert!(
        !inside.contains(source) && !inside.contains(destination),
        "{source} -> {destination} is quoted outside"
    );
}

fn addresses(packet: &[u8]) -> (Ipv4Addr, Ipv4Addr) {
    let at = |i: usize| Ipv4Addr::new(packet[i], packet[i + 1], packet[i + 2], packet[i + 3]);
    (at(12), at(16))
}
