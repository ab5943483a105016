//! What the engine remembers: hosts, mappings, sessions, and how TCP sessions come and go. Knows nothing of packets.

mod host;
mod mapping;
mod sequence;
mod session;
mod tables;
pub(crate) mod tcp;

pub(crate) use host::{Host, Origin};
pub(crate) use mapping::{Endpoint, Inside, Mapping, Proto};
pub(crate) use sequence::{Segment, Sequences};
pub(crate) use session::{Class, Session};
pub use tables::Tables;
pub(crate) use tables::{Ended, Flows, NewMapping, NewSession};
