//! The tests of the engine through its public interface, one module for each subject.
//!
//! All are in one crate, because each test crate compiles and links the library and `world` again.
//! `cargo test -p nat-core --test nat tcp::` runs one module.

mod attacks;
mod blocks;
mod capacity;
mod checksums;
mod clouds;
mod config_fuzz;
mod control;
mod dmz;
mod draining;
mod events;
mod eviction;
mod expiry;
mod explicit;
mod filtering;
mod forwards;
mod fragments;
mod gateway;
mod hairpin;
mod household;
mod icmp;
mod icmp_errors;
mod limits;
mod local;
mod mapping;
mod martians;
mod model;
mod mtu;
mod one_to_one;
mod openings;
mod operators;
mod overlapping;
mod peers;
mod ping;
mod ports;
mod quarantine;
mod ranges;
mod stats;
mod strength;
mod tcp;
mod ttl;
mod unreachable;
mod untranslated;
mod validation;
mod world;
