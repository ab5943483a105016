//! The ways that a packet takes through the engine.

mod echo;
mod echo_error;
mod fast;
pub(super) mod fragment;
mod hairpin;
mod icmp_error;
mod inbound;
mod one_to_one;
mod outbound;
mod unreachable;
