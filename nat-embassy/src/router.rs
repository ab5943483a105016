//! What happens to a frame: read, judged by the NAT, and given a way out. No driver is touched
//! here, and no clock read.

use core::net::Ipv4Addr;
use core::task::{Context, Waker};

use embassy_net_driver::{HardwareAddress, LinkState};
use nat_core::{Instant, Reply, Side, Verdict, Width};

use crate::application::FrameBuffer;
use crate::control::{Inner, Shared};
use crate::departing::Departing;
use crate::ethernet::{EtherType, Header, Mac};
use crate::link::{Content, Link};
use crate::log::info;
use crate::neighbours::NextHop;
use crate::outgoing::Outgoing;
use crate::state::HELD;
use crate::{FrameDrop, dhcp, echo, ipv4};

/// Where answers are written before they are sent.
pub(crate) type AnswerBuffer = [u8; Reply::MAX_LEN];

/// What becomes of a frame: something to send because of it, or nothing, or a drop counted on a
/// side.
pub(crate) type Fate<'a> = Result<Option<Outgoing<'a>>, (Side, FrameDrop)>;

/// The router without its drivers.
pub(crate) struct Router<'d, W: Width> {
    shared: &'d Shared<'d, W>,
    links: Links<'d>,
    answer: &'d mut AnswerBuffer,
}

/// Both sides.
pub(crate) struct Links<'d> {
    pub(crate) inside: Link<'d>,
    pub(crate) outside: Link<'d>,
    pub(crate) departing: &'d mut Departing,
    /// The memory of the application's frame that was sent last, to be given back.
    pub(crate) lent: Option<&'d mut FrameBuffer>,
}

/// How a frame arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) from: Side,
    pub(crate) now: Instant,
    /// Why nothing can leave by the other side at present.
    pub(crate) blocked: Option<FrameDrop>,
    /// The link header it had, if any.
    pub(crate) header: Option<Header>,
}

impl<'d, W: Width> Router<'d, W> {
    pub(crate) const fn new(
        shared: &'d Shared<'d, W>,
        links: Links<'d>,
        answer: &'d mut AnswerBuffer,
    ) -> Self {
        Self {
            shared,
            links,
            answer,
        }
    }

    /// Starts a pass at `now`: takes over what the application changed, and does what is due.
    pub(crate) fn begin(&mut self, waker: &Waker, now: Instant) {
        let Self {
            shared,
            links,
            answer,
        } = self;
        shared.with(|inner| {
            inner.waker.register(waker);
            inner.clock.note(now);
            if core::mem::take(&mut inner.outside_changed) {
                let Links {
                    outside, departing, ..
                } = links;
                outside.reset(inner);
                // Its source is an address that may be ours no longer.
                departing.give_up(Side::Outside, FrameDrop::Flushed, inner);
            }
            if inner.deadline.keep(&mut inner.nat, now) {
                inner.count_put_off();
            }
            for side in [Side::Inside, Side::Outside] {
                if links.side_mut(side).neighbours.give_up(now) {
                    links.drop_unreachable(inner, side, answer, now);
                }
            }
            let Links {
                inside,
                outside,
                departing,
                ..
            } = links;
            for link in [inside, outside] {
                link.stack.inbox.needs_time = false;
                if !link.up {
                    departing.give_up(link.nic.side, FrameDrop::LinkDown, inner);
                }
            }
        });
    }

    /// Lets the next fragment that need wait no longer depart, if nothing else does. Returns
    /// whether [`Self::own_frame`] has something to send, inside and outside.
    pub(crate) fn own_work(&mut self, now: Instant) -> [bool; 2] {
        let Self { shared, links, .. } = self;
        shared.with(|inner| {
            for link in [&links.inside, &links.outside] {
                inner.probes.advance(link.nic.side, link.can_ask(), now);
            }
            links.free_fragments(inner, now);
            [&links.inside, &links.outside].map(|link| {
                let side = link.nic.side;
                links.departing.is_under_way(side)
                    || inner.application_frame.waits(side)
                    || link.has_own(inner, now)
            })
        })
    }

    /// Ends a pass: what the application can use again is its own.
    pub(crate) fn end(&mut self) {
        let Self { shared, links, .. } = self;
        if let Some(buffer) = links.lent.take() {
            shared.with(|inner| inner.application_frame.give_back(buffer));
        }
    }

    /// Notes that the passes are given the time of `embassy_time`.
    pub(crate) fn run_on_system_clock(&self) {
        self.shared.with(|inner| inner.clock.follow_system());
    }

    /// Takes over the state of a driver's link.
    pub(crate) fn set_link(&mut self, side: Side, state: LinkState, address: HardwareAddress) {
        let link = self.links.side_mut(side);
        if link.update(state, address) {
            info!("link of side {:?} is up: {}", side, link.up);
            self.shared.with(|inner| {
                inner.set_up(side, link.up);
                inner.drop_application_frame(side, FrameDrop::LinkDown);
                link.reset(inner);
            });
        }
    }

    pub(crate) fn is_up(&self, side: Side) -> bool {
        self.links.side(side).up
    }

    /// Whether moving more frames now would only overrun the queue of a local stack.
    pub(crate) const fn stack_needs_time(&self) -> bool {
        self.links.inside.stack.inbox.needs_time || self.links.outside.stack.inbox.needs_time
    }

    /// When the next pass is needed at the latest. A question that is due already waits for room in
    /// a driver, which will wake us.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let Links {
            inside, outside, ..
        } = &self.links;
        let questions = [inside.neighbours.due(), outside.neighbours.due()]
            .into_iter()
            .flatten();
        let (nat, probes) = self
            .shared
            .with(|inner| (inner.deadline.next(), inner.probes.next_deadline(now)));
        questions
            .filter(|at| *at > now)
            .chain(probes)
            .chain(nat)
            .min()
    }

    /// Takes in a frame from a driver. Returns the one frame that is to be sent because of it, if
    /// any: on the other side, or as an answer on the side it came from.
    pub(crate) fn accept<'a>(
        &'a mut self,
        frame: &'a mut [u8],
        arrival: Arrival,
    ) -> Option<Outgoing<'a>> {
        let Self {
            shared,
            links,
            answer,
        } = self;
        shared.with(|inner| {
            let stats = inner.stats.side_mut(arrival.from);
            stats.received = stats.received.wrapping_add(1);
            let link = links.side_mut(arrival.from);
            let fate = match link.nic.classify(frame) {
                Ok((frame, Content::Arp)) => link.arp(inner, frame, answer, arrival.now),
                Ok((frame, Content::Ipv4(header))) => {
                    let datagram = frame
                        .get_mut(header.map_or(0, |_| Header::LEN)..)
                        .unwrap_or_default();
                    links.datagram(inner, datagram, answer, Arrival { header, ..arrival })
                }
                Err(reason) => Err((arrival.from, reason)),
            };
            inner.settle(fate)
        })
    }

    /// Whether the local stack of `side` has a frame to send.
    pub(crate) fn poll_stack(&mut self, side: Side, cx: &mut Context<'_>) -> bool {
        self.links
            .side_mut(side)
            .stack
            .outbox
            .poll_tx_buf(cx)
            .is_ready()
    }

    /// Takes in the frame that [`Self::poll_stack`] has found. Returns the frame that is to be sent
    /// on the same side, if any. Afterwards, [`Self::stack_frame_done`] must be called.
    pub(crate) fn accept_from_stack(&mut self, side: Side, now: Instant) -> Option<Outgoing<'_>> {
        let Self {
            shared,
            links,
            answer,
        } = self;
        shared.with(|inner| {
            let stats = inner.stats.side_mut(side);
            stats.from_stack = stats.from_stack.wrapping_add(1);
            let fate = links.side_mut(side).send_for_stack(inner, answer, now);
            inner.settle(fate.map_err(|reason| (side, reason)))
        })
    }

    /// Gives the place of the frame back to the local stack.
    pub(crate) fn stack_frame_done(&mut self, side: Side) {
        self.links.side_mut(side).stack.outbox.tx_done();
    }

    /// Whether a datagram leaves by `side` in more than one frame, or after the packet that set it
    /// free.
    pub(crate) const fn is_departing(&self, side: Side) -> bool {
        self.links.departing.is_under_way(side)
    }

    /// Whether one leaves so by either side.
    pub(crate) const fn departs(&self) -> [bool; 2] {
        [
            self.is_departing(Side::Inside),
            self.is_departing(Side::Outside),
        ]
    }

    /// Whether there may be more to send on `side` even if [`Self::own_frame`] has nothing.
    pub(crate) fn moves_on(&self, side: Side) -> bool {
        self.is_departing(side)
            || self
                .shared
                .with(|inner| inner.application_frame.waits(side))
    }

    /// Drops what departs by `side`, and the application's frame for it: its driver has had no room
    /// for long.
    pub(crate) fn give_up_departing(&mut self, side: Side, reason: FrameDrop) {
        self.shared
            .with(|inner| inner.drop_application_frame(side, reason));
        if self.is_departing(side) {
            self.shared
                .with(|inner| self.links.departing.give_up(side, reason, inner));
        }
    }

    /// What the router itself has to send on `side`: its addresses, packets whose neighbour has
    /// answered, questions.
    pub(crate) fn own_frame(&mut self, side: Side, now: Instant) -> Option<Outgoing<'_>> {
        let Self {
            shared,
            links,
            answer,
        } = self;
        shared.with(|inner| {
            if inner.application_frame.waits(side) {
                let fate = links
                    .application_frame(inner, side)
                    .map_err(|reason| (side, reason));
                return inner.settle(fate);
            }
            if links.departing.is_under_way(side) {
                let fate = links
                    .depart(inner, side, now)
                    .map_err(|reason| (side, reason));
                return inner.settle(fate);
            }
            let outgoing = links.side_mut(side).own_frame(inner, answer, now);
            inner.settle(Ok(outgoing))
        })
    }
}

impl<'d> Links<'d> {
    const fn side(&self, side: Side) -> &Link<'d> {
        match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut Link<'d> {
        match side {
            Side::Inside => &mut self.inside,
            Side::Outside => &mut self.outside,
        }
    }

    /// Has the NAT judge a datagram, and carries out the verdict.
    fn datagram<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        datagram: &'a mut [u8],
        answer: &'a mut AnswerBuffer,
        arrival: Arrival,
    ) -> Fate<'a> {
        let Arrival {
            from, now, header, ..
        } = arrival;
        let to_all = header.is_some_and(|header| header.destination == Mac::BROADCAST);
        // Some relays and switches send to all stations what is for the address that a DHCP client
        // is offered.
        let many = || {
            ipv4::destination(datagram)
                .is_some_and(|destination| inner.is_for_many(from, destination))
        };
        if to_all && !many() && !inner.is_to_dhcp_client(from, datagram) {
            return Err((from, FrameDrop::LinkBroadcast));
        }
        // The engine knows no more of the outside than its own addresses there.
        if ipv4::source(datagram).is_some_and(|source| inner.is_for_many(from, source)) {
            return Err((from, FrameDrop::BadSource));
        }
        inner.deadline.note_packet();
        match inner.nat.process(datagram, from, now) {
            Verdict::Drop(_) | Verdict::Hold => Ok(None),
            Verdict::Forward { to, len, .. } => {
                let datagram = datagram.get(..len).unwrap_or_default();
                self.forward(inner, to, datagram, arrival)
                    .map_err(|reason| (to, reason))
            }
            Verdict::Fragment { to, len, mtu, .. } => {
                let datagram = datagram.get(..len).unwrap_or_default();
                self.cut(to, datagram, mtu, arrival)
                    .map_err(|reason| (to, reason))
            }
            Verdict::Local { side, len }
                if from == Side::Inside && is_answered_here(inner, datagram, side) =>
            {
                let datagram = datagram.get_mut(..len).unwrap_or_default();
                echo::answer_in_place(datagram);
                let header = header
                    .map(|header| Header::new(header.source, header.destination, EtherType::IPV4));
                self.inside
                    .nic
                    .outgoing(header, datagram)
                    .map(Some)
                    .map_err(|reason| (from, reason))
            }
            Verdict::Local { side, len } => {
                let datagram = datagram.get_mut(..len).unwrap_or_default();
                if inner.is_to_dhcp_client(from, datagram) {
                    dhcp::readdress(datagram);
                }
                let header = header.as_ref().filter(|_| side == from);
                self.side_mut(side)
                    .deliver(inner, header, datagram, now)
                    .map(|()| None)
                    .map_err(|reason| (side, reason))
            }
            // The NAT does not answer what is for many either; that a frame to all is for many was
            // checked above.
            Verdict::Reject(_) if to_all => Err((from, FrameDrop::LinkBroadcast)),
            Verdict::Reject(reply) => {
                let body = reply
                    .emit(datagram, answer)
                    .and_then(|len| answer.get(..len))
                    .unwrap_or_default();
                let header = header
                    .map(|header| Header::new(header.source, header.destination, EtherType::IPV4));
                self.side(from)
                    .nic
                    .outgoing(header, body)
                    .map(Some)
                    .map_err(|reason| (from, reason))
            }
        }
    }

    /// Drops the packets that wait on `side` for a neighbour that has not answered, and tells the
    /// inside hosts that sent them.
    fn drop_unreachable(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        answer: &mut AnswerBuffer,
        now: Instant,
    ) {
        loop {
            let Link {
                neighbours,
                waiting,
                ..
            } = self.side_mut(side);
            let Some(datagram) = waiting.take_orphan(|next_hop| neighbours.contains(next_hop))
            else {
                return;
            };
            let error = inner.nat.host_unreachable(datagram, side, answer, now);
            inner
                .stats
                .side_mut(side)
                .drop_frame(FrameDrop::ArpUnresolved);
            if let Some(error) = error.and_then(|len| answer.get(..len)) {
                self.send_inside(error, now);
            }
        }
    }

    /// Has a datagram of the router's own leave inside, if there is room to wait for its turn:
    /// nothing else is displaced for it.
    fn send_inside(&mut self, datagram: &[u8], now: Instant) {
        let Self {
            inside, departing, ..
        } = self;
        let Some(host) = ipv4::destination(datagram) else {
            return;
        };
        if inside.nic.mac().is_none() {
            departing.take(Side::Inside, datagram, u16::MAX);
        } else if inside.waiting.has_room()
            && inside.neighbours.next_hop(host, now) != NextHop::Full
        {
            inside.waiting.put(host, datagram);
        }
    }

    /// Starts a datagram that leaves in fragments.
    fn cut<'a>(
        &mut self,
        to: Side,
        datagram: &[u8],
        mtu: u16,
        arrival: Arrival,
    ) -> Result<Option<Outgoing<'a>>, FrameDrop> {
        // Where the driver is full for the moment, it waits for its turn like any.
        match arrival
            .blocked
            .filter(|reason| to != arrival.from && *reason != FrameDrop::TxFull)
        {
            Some(reason) => Err(reason),
            None if self.departing.take(to, datagram, mtu) => Ok(None),
            None => Err(FrameDrop::TxFull),
        }
    }

    /// Takes fragments that need wait no longer out of the NAT, as far as there is room for them.
    fn free_fragments(&mut self, inner: &mut Inner<'_, impl Width>, now: Instant) {
        // No more than can be held, whatever the NAT says.
        for _ in 0..HELD {
            let Some(verdict) = self
                .departing
                .room()
                .and_then(|room| inner.nat.release(room, now))
            else {
                return;
            };
            match verdict {
                Verdict::Forward { to, len, .. } => self.departing.begin(to, len, u16::MAX),
                Verdict::Fragment { to, len, mtu, .. } => self.departing.begin(to, len, mtu),
                Verdict::Local { side, len } => self.deliver_fragment(inner, side, len, now),
                Verdict::Drop(_) | Verdict::Hold | Verdict::Reject(_) => {}
            }
        }
    }

    fn deliver_fragment(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        len: usize,
        now: Instant,
    ) {
        let Self {
            inside,
            outside,
            departing,
            ..
        } = self;
        let link = if side == Side::Inside {
            inside
        } else {
            outside
        };
        let datagram = departing
            .room()
            .and_then(|room| room.get(..len))
            .unwrap_or_default();
        if let Err(reason) = link.deliver(inner, None, datagram, now) {
            inner.stats.side_mut(side).drop_frame(reason);
        }
    }

    /// The application's frame, which leaves by `side`.
    fn application_frame(
        &mut self,
        inner: &mut Inner<'d, impl Width>,
        side: Side,
    ) -> Result<Option<Outgoing<'_>>, FrameDrop> {
        let Self {
            inside,
            outside,
            lent,
            ..
        } = self;
        *lent = inner.application_frame.lend(side);
        let frame = lent
            .as_mut()
            .map(|buffer| buffer.frame())
            .unwrap_or_default();
        let link = if side == Side::Inside {
            inside
        } else {
            outside
        };
        let (header, body) = match link.nic.mac() {
            Some(_) => Header::split(frame)
                .map(|(header, body)| (Some(header), body))
                .ok_or(FrameDrop::Runt)?,
            None => (None, frame),
        };
        link.nic.outgoing(header, body).map(Some)
    }

    /// The next frame of the datagram that departs by `side`.
    fn depart(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        now: Instant,
    ) -> Result<Option<Outgoing<'_>>, FrameDrop> {
        let Self {
            inside,
            outside,
            departing,
            ..
        } = self;
        let datagram = departing.next(side).unwrap_or_default();
        let destination = ipv4::destination(datagram).unwrap_or(Ipv4Addr::UNSPECIFIED);
        let next_hop = inner.next_hop(side, destination);
        let link = if side == Side::Inside {
            inside
        } else {
            outside
        };
        link.toward(inner, next_hop, datagram, now)
    }

    /// Finds the way out for a translated datagram.
    fn forward<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        to: Side,
        datagram: &'a [u8],
        arrival: Arrival,
    ) -> Result<Option<Outgoing<'a>>, FrameDrop> {
        if let Some(reason) = arrival.blocked.filter(|_| to != arrival.from) {
            return Err(reason);
        }
        let destination = ipv4::destination(datagram).unwrap_or(Ipv4Addr::UNSPECIFIED);
        if inner.is_for_many(to, destination) {
            return Err(FrameDrop::DirectedBroadcast);
        }
        let next_hop = inner.next_hop(to, destination);
        self.side_mut(to)
            .toward(inner, next_hop, datagram, arrival.now)
    }
}

/// Whether a datagram from inside, which is for the stack of `side`, is a ping that needs no stack:
/// one to an external address, or a fragment of one to the inside address, where those are
/// answered.
fn is_answered_here(inner: &Inner<'_, impl Width>, datagram: &[u8], side: Side) -> bool {
    let config = inner.nat.config();
    let inside = ipv4::destination(datagram) == Some(config.inside.address());
    side == Side::Outside || (config.inside_ping && inside && echo::is_ping_fragment(datagram))
}

impl<W: Width> Inner<'_, W> {
    fn is_to_dhcp_client(&self, from: Side, datagram: &[u8]) -> bool {
        from == Side::Outside && self.nat.config().dhcp_client && dhcp::is_to_client(datagram)
    }

    /// Counts the fate of a frame.
    fn settle<'a>(&mut self, fate: Fate<'a>) -> Option<Outgoing<'a>> {
        match fate {
            Ok(outgoing) => {
                let outgoing = outgoing?;
                let stats = self.stats.side_mut(outgoing.to);
                stats.sent = stats.sent.wrapping_add(1);
                Some(outgoing)
            }
            Err((side, reason)) => {
                self.stats.side_mut(side).drop_frame(reason);
                None
            }
        }
    }
}
