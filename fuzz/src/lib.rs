//! Six fuzz targets: each module here takes the bytes of one input, and panics where a promise is
//! broken.
//!
//! - [`parsers`]: any bytes at every entry point of `nat-core` and `nat-embassy`.
//! - [`packet`]: scripts of packets against one NAT, and what must hold of each packet.
//! - [`operations`]: sequences of whatever can be done to a NAT, against a naive model and against
//!   the invariants.
//! - [`differential`]: what leaves, byte for byte against what etherparse and smoltcp make of it.
//! - [`frames`]: the router between drivers that fail.
//! - [`blocks`]: a LAN over USB whose host lies.
//!
//! Each `run` returns what became of the packets, in words, so that a test can hold the seeds to
//! their names.
#![deny(unsafe_code)]

mod bytes;
mod memory;
mod reference;
mod script;

pub mod blocks;
pub mod differential;
pub mod frames;
pub mod operations;
pub mod packet;
pub mod parsers;

use nat_core::Verdict;

/// A verdict in a word or two.
pub(crate) fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Drop(reason) => format!("drop {}", reason.as_str()),
        Verdict::Forward { .. } => "forward".to_owned(),
        Verdict::Fragment { .. } => "fragment".to_owned(),
        Verdict::Hold => "hold".to_owned(),
        Verdict::Local { .. } => "local".to_owned(),
        Verdict::Reject(reply) => format!("reject {}", reply.reason().as_str()),
    }
}

/// Prints what the bytes stand for, if the environment has `FUZZ_SHOW`.
pub(crate) fn show(input: &impl core::fmt::Debug) {
    if std::env::var_os("FUZZ_SHOW").is_some() {
        println!("{input:#?}");
    }
}
