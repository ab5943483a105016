//! The tests of the router between two wires whose far ends the tests hold, one module for each
//! subject. `cargo test -p nat-router --test router dhcp::` runs one module.

mod dhcp;
mod dns;
mod idle;
mod log;
mod outside;
mod tasks;
mod world;
mod zeros;
