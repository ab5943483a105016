//! The states that were reached, by a hash of their canonical form.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// A set of hashes in parts, so that threads seldom wait for one another.
pub(crate) struct Visited(Vec<Mutex<HashSet<u64, BuildHasherDefault<Identity>>>>);

const PARTS: usize = 256;

impl Visited {
    pub(crate) fn new() -> Self {
        Self((0..PARTS).map(|_| Mutex::default()).collect())
    }

    /// Adds a state. Whether it was not there.
    pub(crate) fn insert(&self, state: u64) -> bool {
        let part = &self.0[(state >> 56) as usize % PARTS];
        part.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(state)
    }
}

/// A hash is a hash of itself.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed")
    }

    fn write_u64(&mut self, state: u64) {
        self.0 = state;
    }
}

/// Hashes canonical forms: each word is folded in with a 128-bit product. Of 10^8 states, two have
/// the same hash with a probability of 3 in 10,000.
#[derive(Clone)]
pub(crate) struct StateHasher(u64);

impl StateHasher {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Hasher for StateHasher {
    fn finish(&self) -> u64 {
        folded(self.0, 0xd6e8_feb8_6659_fd93)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = folded(self.0 ^ word, 0xa076_1d64_78bd_642f).wrapping_add(0xe703_7ed1_a0b4_28db);
    }
}

fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}
