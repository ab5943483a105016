//! What can happen to a world.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{PortForward, SessionProtocol, Side};

use super::packet::{ACK, FIN, Packet, Part, RST, SYN, Segment};
use super::what::What;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    Send(Sending),
    Wait(Pause),
    SetAddresses(&'static [Ipv4Addr]),
    AddForward(PortForward),
    RemoveForward(PortForward),
    Clear,
}

/// A packet that arrives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sending {
    pub(crate) from: Side,
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
    pub(crate) load: Load,
}

impl Sending {
    /// The packet, if it is the same whatever was before.
    pub(crate) fn packet(&self) -> Option<Packet> {
        let Self {
            from,
            source,
            destination,
            load,
        } = *self;
        Some(match load {
            Load::Meaning(What::Udp) => Packet::udp(source, destination, b"question"),
            Load::Meaning(What::OtherUdp) => Packet::udp(source, destination, b"another"),
            Load::Meaning(What::Echo) => Packet::echo(source, destination, from),
            Load::Meaning(_) => return None,
            Load::Segment(number) => Packet::tcp(source, destination, number.segment()),
            Load::Error(SessionProtocol::Udp) => {
                let quoted = Packet::udp(destination, source, b"question");
                Packet::error_about(*source.ip(), &quoted)
            }
            Load::Error(_) => {
                let quoted = Packet::tcp(destination, source, Number::Data.segment());
                Packet::error_about(*source.ip(), &quoted)
            }
            Load::Fragment(part, id) => Packet::fragment(source, destination, part, id),
        })
    }
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Load {
    /// A packet by its meaning. A segment has the numbers that an honest end would use now, so there
    /// must be a model that knows them.
    Meaning(What),
    /// A segment with fixed numbers.
    Segment(Number),
    /// An ICMP error about a packet of this protocol from the destination to the source.
    Error(SessionProtocol),
    /// A fragment of a datagram with this identification.
    Fragment(Part, u16),
}

/// How time passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pause {
    /// Until a millisecond before the engine asks to be woken.
    JustBeforeTimeout,
    /// Until the engine asks to be woken, and it is.
    Timeout,
    /// The same, but only the next packet tells the engine.
    TimeoutUnnoticed,
    For(Duration),
}

/// The segments with fixed numbers. All ends begin with the same number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Number {
    Syn,
    /// Of another connection.
    OtherSyn,
    SynAck,
    Ack,
    /// Four bytes, and what acknowledges four.
    Data,
    AckOfData,
    Fin,
    FinAfterData,
    AckOfFin,
    Reset,
    ResetAfterData,
    ResetAfterFin,
    /// Within a window, but not at the number that is due.
    ResetInWindow,
}

impl Number {
    pub(crate) const ALL: [Self; 13] = [
        Self::Syn,
        Self::OtherSyn,
        Self::SynAck,
        Self::Ack,
        Self::Data,
        Self::AckOfData,
        Self::Fin,
        Self::FinAfterData,
        Self::AckOfFin,
        Self::Reset,
        Self::ResetAfterData,
        Self::ResetAfterFin,
        Self::ResetInWindow,
    ];

    pub(crate) fn segment(self) -> Segment {
        const ISN: u32 = 0xffff_fffe; // The numbers wrap during the handshake.
        const FAR: u32 = 0x3000_0000;
        let (flags, sequence, acknowledgment, data) = match self {
            Self::Syn => (SYN, 0, 0, 0),
            Self::OtherSyn => (SYN, FAR, 0, 0),
            Self::SynAck => (SYN | ACK, 0, 1, 0),
            Self::Ack => (ACK, 1, 1, 0),
            Self::Data => (ACK, 1, 1, 4),
            Self::AckOfData => (ACK, 1, 5, 0),
            Self::Fin => (FIN | ACK, 1, 1, 0),
            Self::FinAfterData => (FIN | ACK, 5, 1, 0),
            Self::AckOfFin => (ACK, 1, 2, 0),
            Self::Reset => (RST | ACK, 1, 1, 0),
            Self::ResetAfterData => (RST | ACK, 5, 1, 0),
            Self::ResetAfterFin => (RST | ACK, 2, 1, 0),
            Self::ResetInWindow => (RST | ACK, 1000, 1, 0),
        };
        Segment {
            flags,
            sequence: ISN.wrapping_add(sequence),
            acknowledgment: ISN.wrapping_add(acknowledgment),
            data,
        }
    }
}
