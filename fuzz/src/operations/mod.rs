//! Sequences of whatever can be done to a NAT: packets from both sides and of the router itself,
//! errors, fragments, time that passes, leaps and goes back, rules that come and go, addresses that
//! change and drain.
//!
//! An input is one of two kinds, both read by `arbitrary`:
//!
//! - Against the naive model of `nat-core`'s own tests: the engine and the model must agree on
//!   every verdict, every translation and every session. The model knows port forwards, address
//!   changes, three filters, overlapping ports and a limit of sessions, and nothing of one-to-one
//!   translation, DMZ, blocks, quarantine, draining, fragments, rates, the router's own packets or
//!   time that goes back.
//! - Free: all of these in any combination, with the invariants of the same tests after each step,
//!   and every packet that leaves checked with etherparse. Without operations that are drawn at
//!   random, a NAT with [wide](nat_core::WideTables) tables does the same beside it and must not
//!   differ. Port blocks have their own invariant there, kept by the events; that a host is refused
//!   only when its block is used up is not checked.
//!
//! In the end time empties the tables, and no deadline is left.

mod free;
mod modelled;
#[path = "../../../nat-core/tests/nat/world/mod.rs"]
mod world;

use arbitrary::{Arbitrary, Unstructured};

#[derive(Arbitrary, Debug)]
enum Input {
    Modelled(modelled::Input),
    Free(free::Input),
}

/// Performs the operations in `data`, and returns what became of each.
pub fn run(data: &[u8]) -> Vec<String> {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return Vec::new();
    };
    crate::show(&input);
    match input {
        Input::Modelled(input) => modelled::run(&input),
        Input::Free(input) => free::run(input),
    }
}
