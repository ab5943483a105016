//! The ICMP header, RFC 792.

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::{self, Delta};

/// The first eight bytes, which all translated messages have.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    kind: u8,
    code: u8,
    checksum: U16,
    /// The identifier of a query. In an error: unused, or a pointer.
    id: U16,
    /// The sequence number of a query. In "fragmentation needed": the next-hop MTU.
    rest: U16,
}

pub(crate) const ECHO_REPLY: u8 = 0;
pub(crate) const DESTINATION_UNREACHABLE: u8 = 3;
pub(crate) const ECHO_REQUEST: u8 = 8;
pub(crate) const TIME_EXCEEDED: u8 = 11;
pub(crate) const PARAMETER_PROBLEM: u8 = 12;
pub(crate) const TIMESTAMP_REQUEST: u8 = 13;
pub(crate) const TIMESTAMP_REPLY: u8 = 14;

/// How the NAT treats a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MessageClass {
    Error,
    Request,
    Reply,
    Other,
}

impl Header {
    pub(crate) const LEN: usize = size_of::<Self>();

    /// An error message without its checksum.
    pub(crate) fn error(kind: u8, code: u8, rest: u16) -> Self {
        Self {
            kind,
            code,
            checksum: U16::ZERO,
            id: U16::ZERO,
            rest: U16::new(rest),
        }
    }

    pub(crate) fn class(&self) -> MessageClass {
        match self.kind {
            ECHO_REQUEST | TIMESTAMP_REQUEST => MessageClass::Request,
            ECHO_REPLY | TIMESTAMP_REPLY => MessageClass::Reply,
            DESTINATION_UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM => MessageClass::Error,
            _ => MessageClass::Other,
        }
    }

    pub(crate) fn is_echo_request(&self) -> bool {
        self.kind == ECHO_REQUEST
    }

    pub(crate) fn is_echo_reply(&self) -> bool {
        self.kind == ECHO_REPLY
    }

    pub(crate) fn id(&self) -> u16 {
        self.id.get()
    }

    /// The length of the quoted datagram in bytes if an extension follows it, else zero (RFC 4884
    /// section 5.1: the sixth byte, in 32-bit words).
    pub(crate) fn original_datagram_length(&self) -> usize {
        let [_, words] = self.id.to_bytes();
        usize::from(words) * 4
    }

    /// The MTU in "fragmentation needed", zero from routers older than RFC 1191. `None` for any
    /// other message.
    pub(crate) fn next_hop_mtu(&self) -> Option<u16> {
        const FRAGMENTATION_NEEDED: u8 = 4;
        let has_mtu = self.kind == DESTINATION_UNREACHABLE && self.code == FRAGMENTATION_NEEDED;
        has_mtu.then(|| self.rest.get())
    }

    /// Sets the identifier. Returns the change for the checksum.
    pub(crate) fn set_id(&mut self, id: u16) -> Delta {
        let old = core::mem::replace(&mut self.id, U16::new(id));
        Delta::default().and_u16(old.get(), id)
    }

    pub(crate) fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    pub(crate) fn set_checksum(&mut self, checksum: u16) {
        self.checksum = U16::new(checksum);
    }

    /// Whether the checksum of this message with `body` is correct.
    pub(crate) fn checksum_holds(&self, body: &[u8]) -> bool {
        checksum::add(checksum::sum(self.as_bytes()), checksum::sum(body)) == 0xffff
    }

    /// Updates the checksum of this message with `body`. ICMP has no pseudo-header, so a message
    /// can be all zeros. Its sum is then +0 and its checksum `0xffff`, where equation 3 gives zero.
    pub(crate) fn update_checksum(&mut self, delta: Delta, body: &[u8]) {
        let updated = delta.apply(self.checksum.get());
        let zeros = updated == 0
            && [self.kind, self.code]
                .iter()
                .chain(self.id.as_bytes())
                .chain(self.rest.as_bytes())
                .all(|b| *b == 0)
            && body.iter().all(|byte| *byte == 0);
        self.checksum = U16::new(if zeros { 0xffff } else { updated });
    }
}
