//! nat-core for embassy.
#![no_std]
#![deny(missing_docs)]
