//! Headers as they are in the packet: typed views without copies, alignment or panics. Does not
//! depend on tables.
//!
//! Every file has the same order: the view, the meaning of its fields, getters, setters.

pub(crate) mod addresses;
pub(crate) mod checksum;
pub(crate) mod icmp;
pub(crate) mod ipv4;
pub(crate) mod tcp;
pub(crate) mod udp;
