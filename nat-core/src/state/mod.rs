//! What the engine remembers: hosts, mappings, sessions, and how TCP sessions come and go. Knows
//! nothing of packets.

mod blocks;
mod flows;
mod host;
mod mapping;
mod port_shares;
mod port_use;
mod ports;
mod quarantine;
mod rank;
mod sequence;
mod session;
mod shares;
mod tables;
pub(crate) mod tcp;

pub(crate) use blocks::Blocks;
pub(crate) use flows::{Ended, Flows, NewMapping, NewSession};
pub(crate) use host::{Host, LastReset, Origin, Tokens};
pub(crate) use mapping::{
    Endpoint, Given, Inside, InsideTuple, Mapping, MappingEnds, OutsideTuple, Proto,
};
pub(crate) use port_shares::PortShares;
pub(crate) use port_use::{ExternalPort, PortClass, PortPool};
pub(crate) use ports::{Parity, Ports};
pub(crate) use quarantine::QuarantineTable;
pub use quarantine::{Quarantine, WideQuarantine};
pub(crate) use rank::{ByRank, Rank, RankList};
pub(crate) use sequence::{Segment, Sequences};
pub(crate) use session::{Class, Exchange, Session};
pub(crate) use shares::{Shares, is_half_open};
pub use tables::{Tables, WideTables};
