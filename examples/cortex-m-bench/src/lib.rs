//! The shared parts of the images: the boards, the counter, the packets, and the measurements.
#![no_std]

pub mod board;
pub mod counter;
pub mod engine;
pub mod packets;
#[cfg(feature = "whole")]
pub mod router;
