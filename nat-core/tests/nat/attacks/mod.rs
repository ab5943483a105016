//! The attacks that a NAT at the edge of a hostile network meets, one test each: A1 to A33 of
//! `docs/attacks.md`.
//!
//! Each plays the attacker's packets in order, while a victim's flows go on: in full number if
//! `ATTACKS_FULL` is set, else the longest play [fewer](crate::strength). What is asserted is the victim's
//! view: every byte arrives, and no timer runs shorter or longer than its own traffic makes it. And
//! the attacker's: it gets no packet that reveals anything. The world checks each packet besides.

mod addresses;
mod errors;
mod exhaustion;
mod fragments;
mod headers;
mod limits;
mod ports;
mod tcp;
mod victim;
