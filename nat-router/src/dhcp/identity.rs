//! How clients are distinguished (RFC 2131 section 4.2).

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::leases::{ClientKey, Mac};

/// The hardware type of Ethernet (RFC 1700).
const ETHERNET: u8 = 1;

/// Makes the key of a client: a keyed hash of its client identifier (option 61), or of its hardware
/// type and address if it sends none. So clients that share a hardware address differ by their
/// identifiers, and a client whose hardware address changes is recognized by its identifier.
///
/// A key has 64 bits. Among 1,000 clients, the chance that two have the same key is 1 in 37 million
/// million. The key of the hash is secret, so no one can search for identifiers with equal keys.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    key: [u8; 16],
}

impl Identity {
    /// Keys the hash with two secret random numbers.
    pub(crate) fn new(seeds: [u64; 2]) -> Self {
        let [first, second] = seeds;
        // Derived, because the seeds seed the stacks, too.
        let half = |half: u8| {
            let mut hasher = SipHasher24::new_with_keys(first, second);
            hasher.write(b"DHCP client identifier");
            hasher.write_u8(half);
            u128::from(hasher.finish())
        };
        Self {
            key: (half(0) << 64 | half(1)).to_le_bytes(),
        }
    }

    pub(super) fn of(&self, client_id: Option<&[u8]>, mac: Mac) -> ClientKey {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        match client_id {
            Some(client_id) => hasher.write(client_id),
            None => hasher.write(&hardware_id(mac)),
        }
        ClientKey(hasher.finish().to_le_bytes())
    }
}

/// The identifier that most clients send: their hardware type and address (RFC 2132 section 9.14).
pub(super) const fn hardware_id(mac: Mac) -> [u8; 7] {
    let [a, b, c, d, e, f] = mac;
    [ETHERNET, a, b, c, d, e, f]
}
