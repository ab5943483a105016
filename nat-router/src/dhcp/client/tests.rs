//! The client without sockets and clocks: a server that the tests play, built and read by
//! edge-dhcp.

mod exchange;
mod figure5;
mod leases;
mod schedule;
mod world;
