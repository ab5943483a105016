//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

use zerocopy::FromBytes;

/// The one's complement sum of `bytes`, with a zero byte added if their number is odd. A datagram
/// is valid if its sum, including checksum and pseudo-header, is `0xffff`.
///
/// INVARIANT: `bytes` are part of one datagram, so there are fewer than 2^16 words of less than
/// 2^16, and a `u32` holds their sum.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let last = rest
        .first()
        .map_or(0, |byte| u16::from_ne_bytes([*byte, 0]));
    // The byte order does not matter as long as it is the same throughout (RFC 1071 section 2), so
    // words are added in the byte order of the CPU and only the result is swapped.
    let total = match <[u16]>::ref_from_prefix_with_elems(bytes, pairs.len()) {
        Ok((words, _)) => words.iter().fold(0, add_word),
        // The memory is not aligned to words.
        Err(_) => pairs
            .iter()
            .map(|pair| u16::from_ne_bytes(*pair))
            .fold(0, |total, word| add_word(total, &word)),
    };
    u16::from_be(fold(add_word(total, &last)))
}

/// The one's complement sum of a few 16-bit words. Words in network byte order give a sum in
/// network byte order.
pub(crate) fn sum_words<const WORDS: usize>(words: [u16; WORDS]) -> u16 {
    fold(words.iter().fold(0, add_word))
}

fn add_word(total: u32, word: &u16) -> u32 {
    total.wrapping_add(u32::from(*word))
}

/// Adds two one's complement sums.
pub(crate) const fn add(a: u16, b: u16) -> u16 {
    fold((a as u32).wrapping_add(b as u32))
}

/// The sum of the pseudo-header of TCP and UDP (RFC 9293 section 3.1, RFC 768).
pub(crate) const fn pseudo_header(source: u32, destination: u32, protocol: u8, len: u16) -> u16 {
    let addresses = add(fold(source), fold(destination));
    add(addresses, add(protocol as u16, len))
}

/// The sum of changes to the words of a packet. Applying it updates a checksum without reading the
/// rest of the packet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delta(u32);

impl Delta {
    /// Adds the change from `old` to `new`.
    pub(crate) const fn and_u16(self, old: u16, new: u16) -> Self {
        // INVARIANT: each call adds less than 2^17 and a packet needs fewer than 2^14 of them.
        Self(self.0.wrapping_add(!old as u32).wrapping_add(new as u32))
    }

    /// Adds the change from `old` to `new`.
    pub(crate) const fn and_u32(self, old: u32, new: u32) -> Self {
        self.and_u16((old >> 16) as u16, (new >> 16) as u16)
            .and_u16(old as u16, new as u16)
    }

    /// Adds the changes of `other`.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The updated value of `checksum`. RFC 1624 equation 3: HC' = ~(~HC + ~m + m').
    pub(crate) const fn apply(self, checksum: u16) -> u16 {
        !fold(self.0.wrapping_add(!checksum as u32))
    }
}

const fn fold(total: u32) -> u16 {
    // The first fold leaves at most 0x1fffe, so the second one leaves no carry.
    let once = (total >> 16).wrapping_add(total & 0xffff);
    (once >> 16).wrapping_add(once & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1624 section 4: equation 3 gives 0x0000 where RFC 1141 gave 0xffff.
    #[test]
    fn rfc_1624_example() {
        assert_eq!(
            Delta::default().and_u16(0x5555, 0x3285).apply(0xdd2f),
            0x0000
        );
    }

    #[test]
    fn sum_of_odd_and_even_lengths_matches_the_definition() {
        let bytes: [u8; 23] = core::array::from_fn(|i| (i * 41 + 7) as u8);
        for len in 0..=bytes.len() {
            let mut expected: u32 = 0;
            for pair in bytes[..len].chunks(2) {
                expected += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            }
            assert_eq!(sum(&bytes[..len]), fold(expected), "length {len}");
        }
    }

    #[test]
    fn incremental_update_equals_recomputation() {
        let bytes: [u8; 20] = core::array::from_fn(|i| (i * 59 + 3) as u8);
        let before = !sum(&bytes);
        for word in 0..=u16::MAX {
            let old = u16::from_be_bytes([bytes[4], bytes[5]]);
            let mut changed = bytes;
            changed[4..6].copy_from_slice(&word.to_be_bytes());
            assert_eq!(
                Delta::default().and_u16(old, word).apply(before),
                !sum(&changed),
                "word {word:#06x}"
            );
        }
    }
}
