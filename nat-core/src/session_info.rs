//! Sessions as read-out.

use core::net::SocketAddrV4;
use core::time::Duration;

use crate::Instant;

/// What a session speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SessionProtocol {
    /// ICMP queries and their replies; ports are query identifiers.
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// How far a session has come: the states of RFC 6146 section 3.5.2 for TCP, one state for all
/// else.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SessionState {
    /// UDP or ICMP: alive.
    Active,
    /// TCP: a SYN from inside that the outside has not acknowledged yet.
    InsideSyn,
    /// TCP: a SYN-ACK from inside, to a SYN from outside, that the outside has not acknowledged
    /// yet.
    OutsideSyn,
    /// TCP: SYNs from both sides, the inside's acknowledged.
    Established,
    /// TCP: a FIN from inside; the other direction is open.
    InsideFin,
    /// TCP: a FIN from outside; the other direction is open.
    OutsideFin,
    /// TCP: FINs from both sides.
    Closing,
    /// TCP: a valid RST, and nothing after it.
    Reset,
}

/// One session: a mapping and the remote endpoint that talks through it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SessionInfo {
    /// What it speaks.
    pub protocol: SessionProtocol,
    /// The inside endpoint; for ICMP the port is the inside host's query identifier.
    pub inside: SocketAddrV4,
    /// The external endpoint; for ICMP the port is the external query identifier.
    pub external: SocketAddrV4,
    /// The remote endpoint; for ICMP the port is 0.
    pub remote: SocketAddrV4,
    /// How far it has come.
    pub state: SessionState,
    /// How long it will live without traffic, counted from the latest time that the engine has
    /// been given.
    pub expires_in: Duration,
    /// When it ends without traffic. It is over from then on, whether or not the engine has been
    /// given that time yet.
    pub expires_at: Instant,
    /// Whether its mapping is open to all: by a port forward, one-to-one translation, or as the
    /// DMZ host.
    pub port_forward: bool,
}
