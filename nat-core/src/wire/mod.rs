//! Headers as they stand in the packet: typed views without copies, alignment or panics. Knows
//! nothing of tables.
//!
//! Every file has the same shape: the view, what its fields mean, getters, setters.

pub(crate) mod checksum;
pub(crate) mod icmp;
pub(crate) mod ipv4;
pub(crate) mod tcp;
pub(crate) mod udp;
