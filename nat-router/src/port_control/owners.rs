//! Who may renew and delete a mapping: the client that knows its nonce (RFC 6887 section 11.2).

use core::net::SocketAddrV4;

use heapless::Vec;
use nat_core::{MAX_EXPLICIT_MAPPINGS, Nat, Protocol, Width};

/// A random number that a client of PCP chooses for a mapping.
pub(super) type Nonce = [u8; 12];

/// The nonce of a mapping of NAT-PMP (RFC 6887 appendix A).
pub(super) const NO_NONCE: Nonce = [0; 12];

struct Owner {
    protocol: Protocol,
    inside: SocketAddrV4,
    nonce: Nonce,
}

/// The nonces of the explicit mappings.
pub(super) struct Owners(Vec<Owner, MAX_EXPLICIT_MAPPINGS>);

impl Owners {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether `nonce` is that of the mapping of an inside endpoint, if there is a mapping.
    pub(super) fn owns(&self, protocol: Protocol, inside: SocketAddrV4, nonce: &Nonce) -> bool {
        self.find(protocol, inside)
            .is_none_or(|owner| owner.nonce == *nonce)
    }

    fn find(&self, protocol: Protocol, inside: SocketAddrV4) -> Option<&Owner> {
        self.0
            .iter()
            .find(|owner| owner.protocol == protocol && owner.inside == inside)
    }

    /// Notes the nonce of a mapping that has been granted.
    pub(super) fn note(&mut self, protocol: Protocol, inside: SocketAddrV4, nonce: Nonce) {
        if self.find(protocol, inside).is_none() {
            // There is one for each mapping that the NAT has, so there is room.
            let _there_is_room = self.0.push(Owner {
                protocol,
                inside,
                nonce,
            });
        }
    }

    /// Forgets the nonces of mappings that have ended.
    pub(super) fn forget_ended<W: Width>(&mut self, nat: &Nat<'_, W>) {
        self.0.retain(|owner| {
            nat.explicit_mappings()
                .any(|mapping| mapping.protocol == owner.protocol && mapping.inside == owner.inside)
        });
    }
}
