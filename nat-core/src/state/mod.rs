//! The state of the NAT: hosts, mappings, sessions, the states of TCP sessions, and the quarantine
//! of ports. Does not depend on packets.

mod blocks;
mod ease;
mod eviction_rank;
mod host;
mod mapping;
mod port_quotas;
mod port_use;
mod ports;
mod quarantine;
mod quotas;
mod sequence;
mod session;
mod session_tables;
mod tables;
pub(crate) mod tcp;
mod timeout_class;

pub(crate) use crate::endpoint::{Endpoint, Proto};
pub(crate) use crate::segment::Segment;

pub(crate) use blocks::Blocks;
pub(crate) use eviction_rank::{EvictionList, EvictionRank};
pub(crate) use host::{Host, LastReset, Origin, Tokens};
pub(crate) use mapping::{Inside, InsideTuple, Mapping, MappingEnds, MappingKind, OutsideTuple};
pub(crate) use port_quotas::PortQuotas;
pub(crate) use port_use::{ExternalPort, PortClass, PortPool};
pub(crate) use ports::{Parity, Ports};
pub(crate) use quarantine::QuarantineTable;
pub use quarantine::{Quarantine, WideQuarantine};
pub(crate) use quotas::{Quotas, is_half_open};
pub(crate) use sequence::Sequences;
pub(crate) use session::{ByRank, Exchange, Permission, PermissionMut, Session};
pub(crate) use session_tables::{
    Ended, FastMapping, MappingRoom, NewMapping, NewSession, SessionTables,
};
pub use tables::{Tables, WideTables};
pub(crate) use timeout_class::{Lifetimes, TimeoutClass};
