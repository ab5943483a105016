//! Sessions: a mapping and a remote endpoint that talks through it.

use core::marker::PhantomData;

use crate::config::Timeouts;
use crate::session_info::SessionState;
use crate::table::{Aging, Chain, Expiry, Slot, SlotIndex, Width};

use super::tcp::{EarlyFins, Tcp};
use super::{ByRank, Endpoint, Proto, Sequences};

/// A session; or, with address-dependent filtering, the leave of a remote address to send to a
/// mapping from any port.
pub(crate) struct Session<W> {
    pub(crate) remote_address: u32,
    /// When it ends, in milliseconds of the clock modulo 2^32. Of a leave: how many sessions hold
    /// it.
    pub(crate) deadline: u32,
    sequences: Sequences,
    /// When the ICMP errors about it are earned that were sent outside, see `ReplyLimit` of
    /// `policy`.
    pub(crate) errors: u32,
    pub(crate) mapping: SlotIndex<W>,
    pub(crate) remote_port: u16,
    by_remote: SlotIndex<W>,
    neighbours: [SlotIndex<W>; 2],
    /// Those in the list of its host and rank.
    in_rank: [SlotIndex<W>; 2],
    pub(crate) state: SessionState,
    /// Whether it is a leave; of a session of TCP, the FINs that came early; of any other, its
    /// [`Exchange`].
    marks: u8,
}

const EARLY_FINS: u8 = 0x03;
const ASKED: u8 = 0x04;
const ANSWERED: u8 = 0x08;
const LEAVE: u8 = 0x80;

/// How far a session without TCP has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Exchange {
    /// The inside has asked, once or the same again, and waits for the answer.
    Asked = ASKED,
    /// It was answered, and the inside has sent nothing since.
    Answered = ANSWERED,
    /// It is more than one question and its answer.
    Continuing = 0,
}

/// The port of DNS servers (RFC 1035 section 4.2.1).
const DNS: u16 = 53;

impl<W: Width> Session<W> {
    pub(crate) fn new(mapping: SlotIndex<W>, remote: Endpoint, begin: &Tcp) -> Self {
        let mut session = Self {
            mapping,
            remote_address: remote.address,
            remote_port: remote.port,
            ..Self::FREE
        };
        session.set_tcp(begin);
        if begin.state == SessionState::Active {
            session.set_exchange(Exchange::Asked);
        }
        session
    }

    /// How far it has come. Without TCP: [`SessionState::Active`], and when the inside last sent.
    pub(crate) fn tcp(&self) -> Tcp {
        let early_fins = EarlyFins::from_bits(self.marks & EARLY_FINS);
        Tcp {
            state: self.state,
            sequences: self.sequences,
            early_fins,
        }
    }

    pub(crate) fn set_tcp(&mut self, tcp: &Tcp) {
        let Tcp {
            state,
            sequences,
            early_fins,
        } = *tcp;
        (self.state, self.sequences, self.marks) = (state, sequences, early_fins.bits());
    }

    /// Of a session without TCP: when its inside sent last.
    pub(crate) fn when_last_sent(&self) -> u32 {
        self.sequences.when_last_sent()
    }

    pub(crate) fn set_last_sent(&mut self, now: u32) {
        self.sequences.set_last_sent(now);
    }

    /// Of a session without TCP: whether its exchange goes further when the inside asks `question`.
    #[inline(always)]
    pub(crate) fn is_asked_anew(&self, question: u32) -> bool {
        let repeated = self.sequences.question() == question && question != 0;
        self.marks & (ASKED | ANSWERED) != 0 && (self.marks & ANSWERED != 0 || !repeated)
    }

    /// Of a session without TCP: whether its question waits for an answer.
    #[inline(always)]
    pub(crate) fn is_asked(&self) -> bool {
        self.marks & ASKED != 0
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.marks & ANSWERED != 0
    }

    pub(crate) fn set_exchange(&mut self, exchange: Exchange) {
        self.marks = exchange as u8;
    }

    /// The exchange after the inside has sent again. Each question to a DNS server, and each ICMP
    /// query, is one of its own.
    pub(crate) fn ask_again(&mut self, proto: Proto, question: u32) {
        let alone = proto == Proto::Icmp || self.remote_port == DNS;
        let repeated = question == self.sequences.question() && question != 0;
        self.set_exchange(if alone || repeated {
            Exchange::Asked
        } else {
            Exchange::Continuing
        });
        self.sequences.set_question(question);
    }

    /// The leave of `address` to send to `mapping`, held by one session.
    pub(crate) fn permission(mapping: SlotIndex<W>, address: u32) -> Self {
        Self {
            mapping,
            remote_address: address,
            deadline: 1,
            marks: LEAVE,
            ..Self::FREE
        }
    }

    /// The next younger one of its host and rank.
    pub(crate) fn later_in_rank(&self) -> SlotIndex<W> {
        let [_, later] = self.in_rank;
        later
    }

    pub(crate) fn is_permission(&self) -> bool {
        self.marks == LEAVE
    }

    pub(crate) fn remote(&self) -> Endpoint {
        Endpoint {
            address: self.remote_address,
            port: self.remote_port,
        }
    }
}

impl<W: Width> Slot for Session<W> {
    type Width = W;

    const FREE: Self = Self {
        remote_address: 0,
        deadline: 0,
        sequences: Sequences::NONE,
        errors: 0,
        mapping: SlotIndex::NONE,
        remote_port: 0,
        by_remote: SlotIndex::NONE,
        neighbours: [SlotIndex::NONE; 2],
        in_rank: [SlotIndex::NONE; 2],
        state: SessionState::Active,
        marks: 0,
    };

    fn is_free(&self) -> bool {
        self.mapping.is_none()
    }

    fn spare_link(&mut self) -> &mut SlotIndex<W> {
        &mut self.by_remote
    }
}

impl<W: Width> Aging<Expiry> for Session<W> {
    fn neighbours(&mut self) -> &mut [SlotIndex<W>; 2] {
        &mut self.neighbours
    }

    #[cfg(feature = "audit")]
    fn both_neighbours(&self) -> [SlotIndex<W>; 2] {
        self.neighbours
    }
}

impl<W: Width> Aging<ByRank> for Session<W> {
    fn neighbours(&mut self) -> &mut [SlotIndex<W>; 2] {
        &mut self.in_rank
    }

    #[cfg(feature = "audit")]
    fn both_neighbours(&self) -> [SlotIndex<W>; 2] {
        self.in_rank
    }
}

/// Sessions by mapping and remote endpoint.
pub(crate) struct ByRemote<W>(PhantomData<W>);

impl<W: Width> Chain for ByRemote<W> {
    type Slot = Session<W>;

    fn next(slot: &Session<W>) -> SlotIndex<W> {
        slot.by_remote
    }

    fn set_next(slot: &mut Session<W>, next: SlotIndex<W>) {
        slot.by_remote = next;
    }
}

/// Sessions of one class live equally long without traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum TimeoutClass {
    Dns,
    Icmp,
    TcpClosing,
    TcpEstablished,
    /// Opened by one end, and not answered by the other.
    TcpPartiallyOpen,
    TcpReset,
    Udp,
}

impl TimeoutClass {
    pub(crate) const COUNT: usize = 7;

    /// The class of a session with this port of its remote host.
    pub(crate) fn of(proto: Proto, state: SessionState, remote_port: u16) -> Self {
        match (proto, state) {
            (Proto::Icmp, _) => Self::Icmp,
            (Proto::Udp, _) if remote_port == DNS => Self::Dns,
            (Proto::Udp, _) => Self::Udp,
            (Proto::Tcp, SessionState::InsideSyn | SessionState::OutsideSyn) => {
                Self::TcpPartiallyOpen
            }
            (Proto::Tcp, SessionState::Closing) => Self::TcpClosing,
            (Proto::Tcp, SessionState::Reset) => Self::TcpReset,
            (
                Proto::Tcp,
                SessionState::Active
                | SessionState::Established
                | SessionState::InsideFin
                | SessionState::OutsideFin,
            ) => Self::TcpEstablished,
        }
    }

    /// How long, in milliseconds, by class. The configuration has been checked: none is above 2^30.
    pub(crate) fn lifetimes(timeouts: &Timeouts) -> [u32; Self::COUNT] {
        let Timeouts {
            udp,
            dns,
            tcp_partially_open,
            tcp_established,
            tcp_closing,
            tcp_reset,
            icmp,
        } = *timeouts;
        let dns = dns.unwrap_or(udp);
        let by_class = [
            dns,
            icmp,
            tcp_closing,
            tcp_established,
            tcp_partially_open,
            tcp_reset,
            udp,
        ];
        by_class.map(|time| time.as_millis() as u32)
    }
}
