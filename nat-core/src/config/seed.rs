//! The secrets of the NAT, new at each boot.

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::{ConfigError, check};

/// The secret from which the NAT derives its table hashes, external ports and IPv4 identifications:
/// 16 bytes of entropy, new at every boot.
///
/// If an attacker can guess the seed, external ports are predictable (RFC 6056), and the attacker
/// can construct table collisions.
#[derive(Clone, Copy)]
pub struct Seed([u8; 16]);

impl Seed {
    /// A seed with these 16 bytes. A seed of all zeros, the sign of a missing random number
    /// generator, is rejected when the NAT is built.
    pub const fn new(entropy: [u8; 16]) -> Self {
        Self(entropy)
    }

    /// The secrets for table hashes and for external ports.
    pub(crate) fn secrets(&self) -> Result<([u32; 5], [u8; 16]), ConfigError> {
        check(
            "seed",
            self.0 != [0; 16],
            "all zeros: the random number generator does not work",
        )?;
        // Each secret has a label of its own, so knowledge of one secret reveals no other.
        let [c, d] = [self.derive(3), self.derive(4)];
        let [w, x, y, z] = self.derive_words([1, 2]);
        let hash = [w, x, y, z, self.derive(7) as u32];
        let mut ports = [0; 16];
        let (first, second) = ports.split_at_mut(8);
        first.copy_from_slice(&c.to_le_bytes());
        second.copy_from_slice(&d.to_le_bytes());
        Ok((hash, ports))
    }

    /// The secret for IPv4 identifications. Servers see values derived from it, so it must not be
    /// the secret of the tables.
    pub(crate) fn identification_secret(&self) -> [u32; 4] {
        self.derive_words([5, 6])
    }

    /// The secret for the random selection of replies under a flood.
    pub(crate) fn answer_secret(&self) -> u32 {
        self.derive(8) as u32
    }

    /// A secret for the hashes of tables outside the NAT, such as a neighbour table. Without it an
    /// attacker cannot choose keys that collide there. It reveals nothing about the NAT's own
    /// secrets.
    pub fn table_secret(&self) -> u32 {
        self.derive(64) as u32
    }

    fn derive_words(&self, labels: [u64; 2]) -> [u32; 4] {
        let [a, b] = labels.map(|label| self.derive(label));
        [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32]
    }

    fn derive(&self, label: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u64(label);
        hasher.finish()
    }
}

/// Does not print the secret.
impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}
