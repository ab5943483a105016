//! Sessions as the application sees them.

use core::net::SocketAddrV4;
use core::time::Duration;

use crate::Instant;

/// The protocol of a session.
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

/// The state of a session: for TCP the states of RFC 6146 section 3.5.2, for UDP and ICMP a single
/// state.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SessionState {
    /// UDP or ICMP: active.
    Active,
    /// TCP: a SYN from inside that the outside has not acknowledged yet.
    InsideSyn,
    /// TCP: a SYN-ACK from inside, to a SYN from outside, that the outside has not acknowledged
    /// yet.
    OutsideSyn,
    /// TCP: SYNs from both sides, that of the inside acknowledged.
    Established,
    /// TCP: a FIN from inside; the other direction is still open.
    InsideFin,
    /// TCP: a FIN from outside; the other direction is still open.
    OutsideFin,
    /// TCP: FINs from both sides.
    Closing,
    /// TCP: a valid RST, and no traffic after it.
    Reset,
}

/// One session: a mapping and a remote endpoint that talks through it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SessionInfo {
    /// The protocol.
    pub protocol: SessionProtocol,
    /// The inside endpoint; for ICMP the port is the inside host's query identifier.
    pub inside: SocketAddrV4,
    /// The external endpoint; for ICMP the port is the external query identifier.
    pub external: SocketAddrV4,
    /// The remote endpoint; for ICMP the port is 0.
    pub remote: SocketAddrV4,
    /// The state.
    pub state: SessionState,
    /// How long the session will live without traffic, counted from the latest time passed to the
    /// NAT.
    pub expires_in: Duration,
    /// When the session expires without traffic, whether or not the NAT has been passed that time
    /// yet.
    pub expires_at: Instant,
    /// Whether anyone outside may send to its mapping, because that belongs to a port forward, a
    /// one-to-one translation or the DMZ host.
    pub is_static: bool,
}
