//! Sessions: a mapping and a remote endpoint that talks through it.

use core::marker::PhantomData;

use crate::config::Timeouts;
use crate::session_info::SessionState;
use crate::table::{Aging, Chain, Link, Slot, Width};

use super::tcp::{EarlyFins, Tcp};
use super::{Endpoint, Proto, Sequences};

/// A session; or, with address-dependent filtering, the leave of a remote address to send to a mapping from any port.
pub(crate) struct Session<W> {
    pub(crate) remote_address: u32,
    /// When it ends, in milliseconds of the clock modulo 2^32. Of a leave: how many sessions hold it.
    pub(crate) deadline: u32,
    sequences: Sequences,
    /// When the ICMP errors about it are earned that were sent outside, see `Allowance` of `policy`.
    pub(crate) errors: u32,
    pub(crate) mapping: Link<W>,
    pub(crate) remote_port: u16,
    by_remote: Link<W>,
    neighbours: [Link<W>; 2],
    pub(crate) state: SessionState,
    /// Whether it is a leave; of a session, the FINs that came early.
    marks: u8,
}

const LEAVE: u8 = 0x80;

/// The port of DNS servers (RFC 1035 section 4.2.1).
const DNS: u16 = 53;

impl<W: Width> Session<W> {
    pub(crate) fn new(mapping: Link<W>, remote: Endpoint, begin: &Tcp) -> Self {
        let mut session = Self { mapping, remote_address: remote.address, remote_port: remote.port, ..Self::FREE };
        session.set_tcp(begin);
        session
    }

    /// How far it has come. Without TCP: [`SessionState::Active`], and when the inside last sent.
    pub(crate) fn tcp(&self) -> Tcp {
        let early_fins = EarlyFins::from_bits(self.marks & !LEAVE);
        Tcp { state: self.state, sequences: self.sequences, early_fins }
    }

    pub(crate) fn set_tcp(&mut self, tcp: &Tcp) {
        let Tcp { state, sequences, early_fins } = *tcp;
        (self.state, self.sequences, self.marks) = (state, sequences, early_fins.bits());
    }

    /// Of a session without TCP: when its inside sent last.
    pub(crate) fn when_last_sent(&self) -> u32 {
        self.sequences.when_last_sent()
    }

    pub(crate) fn set_last_sent(&mut self, now: u32) {
        self.sequences = Sequences::last_sent(now);
    }

    /// The leave of `address` to send to `mapping`, held by one session.
    pub(crate) fn leave(mapping: Link<W>, address: u32) -> Self {
        Self { mapping, remote_address: address, deadline: 1, marks: LEAVE, ..Self::FREE }
    }

    /// The next one of its class to end.
    pub(crate) fn later(&self) -> Link<W> {
        let [_, later] = self.neighbours;
        later
    }

    pub(crate) fn is_leave(&self) -> bool {
        self.marks == LEAVE
    }

    pub(crate) fn remote(&self) -> Endpoint {
        Endpoint { address: self.remote_address, port: self.remote_port }
    }
}

impl<W: Width> Slot for Session<W> {
    type Width = W;

    const FREE: Self = Self {
        remote_address: 0,
        deadline: 0,
        sequences: Sequences::NONE,
        errors: 0,
        mapping: Link::NONE,
        remote_port: 0,
        by_remote: Link::NONE,
        neighbours: [Link::NONE; 2],
        state: SessionState::Active,
        marks: 0,
    };

    fn is_free(&self) -> bool {
        self.mapping.is_none()
    }

    fn spare_link(&mut self) -> &mut Link<W> {
        &mut self.by_remote
    }
}

impl<W: Width> Aging for Session<W> {
    fn neighbours(&mut self) -> &mut [Link<W>; 2] {
        &mut self.neighbours
    }
}

/// Sessions by mapping and remote endpoint.
pub(crate) struct ByRemote<W>(PhantomData<W>);

impl<W: Width> Chain for ByRemote<W> {
    type Slot = Session<W>;

    fn next(slot: &Session<W>) -> Link<W> {
        slot.by_remote
    }

    fn set_next(slot: &mut Session<W>, next: Link<W>) {
        slot.by_remote = next;
    }
}

/// Sessions of one class live equally long without traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Class {
    Dns,
    Icmp,
    TcpClosing,
    TcpEstablished,
    /// Opened from inside, and not answered.
    TcpInsideSyn,
    /// Opened from outside, and not acknowledged: in a list of their own, because they make room for each other.
    TcpOutsideSyn,
    TcpReset,
    Udp,
}

impl Class {
    pub(crate) const COUNT: usize = 8;

    /// The class of a session with this port of its remote host.
    pub(crate) fn of(proto: Proto, state: SessionState, remote_port: u16) -> Self {
        match (proto, state) {
            (Proto::Icmp, _) => Self::Icmp,
            (Proto::Udp, _) if remote_port == DNS => Self::Dns,
            (Proto::Udp, _) => Self::Udp,
            (Proto::Tcp, SessionState::InsideSyn) => Self::TcpInsideSyn,
            (Proto::Tcp, SessionState::OutsideSyn) => Self::TcpOutsideSyn,
            (Proto::Tcp, SessionState::Closing) => Self::TcpClosing,
            (Proto::Tcp, SessionState::Reset) => Self::TcpReset,
            (
                Proto::Tcp,
                SessionState::Active | SessionState::Established | SessionState::InsideFin | SessionState::OutsideFin,
            ) => Self::TcpEstablished,
        }
    }

    /// How long, in milliseconds, by class. The configuration has been checked: none is above 2^30.
    pub(crate) fn lifetimes(timeouts: &Timeouts) -> [u32; Self::COUNT] {
        let Timeouts { udp, dns, tcp_partially_open, tcp_established, tcp_closing, tcp_reset, icmp } = *timeouts;
        let dns = dns.unwrap_or(udp);
        let half_open = tcp_partially_open;
        let by_class = [dns, icmp, tcp_closing, tcp_established, half_open, half_open, tcp_reset, udp];
        by_class.map(|time| time.as_millis() as u32)
    }
}
