//! Packets by what they mean.

use nat_core::SessionProtocol;

/// What a packet is, seen from its sender.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum What {
    Udp,
    /// A datagram unlike the one above.
    OtherUdp,
    Echo,
    Syn,
    SynAck,
    Ack,
    Fin,
    /// A FIN far from the sequence numbers in use.
    FarFin,
    Reset,
    /// A RST far from the sequence numbers in use.
    FarReset,
}

impl What {
    pub(crate) fn protocol(self) -> SessionProtocol {
        match self {
            Self::Udp | Self::OtherUdp => SessionProtocol::Udp,
            Self::Echo => SessionProtocol::Icmp,
            _ => SessionProtocol::Tcp,
        }
    }
}
