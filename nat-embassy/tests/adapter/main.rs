//! The tests of the router between two drivers that the tests play, one module for each subject.
//!
//! All are in one crate, because each test crate compiles and links the library and `world` again.
//! `cargo test -p nat-embassy --test adapter arp::` runs one module.

mod adversary;
mod arp;
mod arp_attacks;
mod attacks;
mod control;
mod faults;
mod forwarding;
mod fragments;
mod frames;
mod lease;
mod lengths;
mod many_neighbours;
mod media;
mod misaligned;
mod probe;
mod quarantine;
mod random;
mod stacks;
mod wide;
mod world;
