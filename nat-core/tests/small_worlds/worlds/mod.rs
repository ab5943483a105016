//! Every state that a small engine can reach, one step at a time.
//!
//! A *world* is the real engine with tables of a few slots, its clock, and the naive model beside it.
//! [`explore`] performs each action of a [`scenario`] in each state, in breadth first order, and
//! tells states apart by a canonical form. After each step, [`properties`] says what must never
//! happen, in the words of the RFCs; [`liveness`] lets the traffic stop in each new state.
//!
//! The test crate runs a part of it. The example `worlds` of `nat-core` explores deeper.
#![allow(
    dead_code,
    reason = "the tests and the program use different parts of this"
)]

mod action;
mod alphabet;
pub(crate) mod explore;
mod liveness;
mod modelled;
mod outcome;
mod packet;
mod properties;
mod routes;
pub(crate) mod scenario;
mod visited;
mod world;

#[path = "../../nat/model/naive.rs"]
mod naive;
#[path = "../../nat/model/numbers.rs"]
mod numbers;
#[path = "../../nat/model/what.rs"]
mod what;

/// As the naive model imports it.
mod operation {
    pub(crate) use super::what::What;
}

use naive::{Naive, Pair};
use packet::{ACK, FIN, RST, SYN};
use what::What;
