//! What the images share: the boards, the stopwatch, the packets, and what is measured.
#![no_std]

pub mod board;
pub mod counter;
pub mod engine;
pub mod packets;
pub mod router;
