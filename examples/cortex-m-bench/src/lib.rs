//! The shared parts of the images: the boards, the counter, the packets, and the measurements.
#![no_std]

pub mod board;
#[cfg(feature = "whole")]
pub mod calls;
#[cfg(feature = "whole")]
pub mod costliest;
pub mod counter;
pub mod engine;
pub mod packets;
pub mod paint;
#[cfg(feature = "whole")]
pub mod router;
#[cfg(feature = "whole")]
pub mod trial;
