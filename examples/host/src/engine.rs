//! How large the NAT is on this machine.

/// Mappings there can be.
pub(crate) const MAPPINGS: usize = 8_192;
/// Sessions there can be.
pub(crate) const SESSIONS: usize = 16_384;
/// Fragmented datagrams there can be under way at once.
pub(crate) const FRAGMENTED: usize = 128;
/// Fragments that can wait for the first of their datagram.
pub(crate) const HELD: usize = 64;
/// Packets that can wait on each side of the router while their neighbour is asked for.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "the router is for Linux"))]
pub(crate) const WAITING: usize = 64;
/// Inside hosts there can be.
pub(crate) const HOSTS: usize = 1_024;
