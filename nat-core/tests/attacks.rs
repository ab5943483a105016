//! The attacks that a NAT at the edge of a hostile network meets, one test each: A1 to A33 of
//! `docs/attacks.md`.
//!
//! Each plays the attacker's packets in order and in full number, while a victim's flows go on.
//! What is asserted is the victim's view: every byte arrives, and no timer runs shorter or longer
//! than its own traffic makes it. And the attacker's: nothing comes back that tells it anything.
//! The world judges each packet besides.

mod world;

#[path = "attacks/addresses.rs"]
mod addresses;
#[path = "attacks/errors.rs"]
mod errors;
#[path = "attacks/exhaustion.rs"]
mod exhaustion;
#[path = "attacks/fragments.rs"]
mod fragments;
#[path = "attacks/headers.rs"]
mod headers;
#[path = "attacks/limits.rs"]
mod limits;
#[path = "attacks/ports.rs"]
mod ports;
#[path = "attacks/tcp.rs"]
mod tcp;
#[path = "attacks/victim.rs"]
mod victim;
