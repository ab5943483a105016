//! How large the NAT is on this machine.

/// Mappings there can be.
pub(crate) const MAPPINGS: usize = 8_192;
/// Sessions there can be.
pub(crate) const SESSIONS: usize = 16_384;
/// Inside hosts there can be.
pub(crate) const HOSTS: usize = 1_024;
