//! Packets of every kind in engines of every mode: what `worst` searches for the costliest packet,
//! and `stack` for the deepest stack.

pub mod kept;
pub mod recipe;
pub mod search;
pub mod world;
