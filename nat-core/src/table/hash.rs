//! The keyed hash of table keys.

/// The secret of this boot. Without it nobody can tell which keys share a bucket.
#[derive(Clone)]
pub(crate) struct HashKey([u32; 4]);

impl HashKey {
    pub(crate) const fn new(secret: [u32; 4]) -> Self {
        Self(secret)
    }

    /// A hash of 64 bits of key: two multiplications, each folding its 64-bit product, keyed before and after. One
    /// instruction each on a Cortex-M4, where a SipHash would take half of the budget of a packet. What a collision can
    /// cost at all is bounded by the index.
    pub(crate) fn hash(&self, high: u32, low: u32) -> u32 {
        let [a, b, c, d] = self.0;
        fold(fold(high ^ a, low ^ b) ^ high.rotate_left(16) ^ c, low ^ d)
    }
}

fn fold(a: u32, b: u32) -> u32 {
    let product = u64::from(a).wrapping_mul(u64::from(b));
    (product as u32) ^ (product >> 32) as u32
}
