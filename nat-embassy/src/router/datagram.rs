//! The way of a datagram: checks that the NAT cannot make, the NAT's verdict, and what it leads to.

use core::net::Ipv4Addr;

use nat_core::{Instant, Reply, Side, Verdict, Width};

use super::{Arrival, Links};
use crate::ethernet::Header;
use crate::link::Framing;
use crate::shared::Inner;
use crate::stats::FrameDrop;
use crate::tx_frame::{Disposition, ReplyBuffer, TxFrame};
use crate::{dhcp, echo, ipv4};

/// What a step of a datagram leads to: a frame to transmit, nothing, or a drop.
type Outcome<'a> = Result<Option<TxFrame<'a>>, FrameDrop>;

impl Links<'_> {
    /// Has the NAT process a datagram, and carries out the verdict. A drop is counted on the side
    /// that it concerns: that of arrival for what the datagram is, that of departure for the way
    /// out.
    #[inline]
    pub(super) fn datagram<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        (frame, framing): (&'a mut [u8], Framing),
        reply: &'a mut ReplyBuffer,
        arrival: &Arrival,
    ) -> Disposition<'a> {
        let &Arrival { from, now, .. } = arrival;
        let datagram = frame.get_mut(framing.header_len()..).unwrap_or_default();
        // Before the NAT, so that a datagram that is dropped here changes no session.
        check_addresses(inner, datagram, from, framing).map_err(|reason| (from, reason))?;
        inner.deadline.note_packet();
        match inner.nat.process(datagram, from, now) {
            Verdict::Forward {
                to,
                destination,
                len,
            } => {
                if ipv4::is_fragment(datagram) {
                    // The NAT may release the fragments that have waited for this one.
                    self.may_have_queued = true;
                }
                let frame = (frame, framing.header_len(), len);
                self.forward(inner, (to, destination), frame, arrival)
                    .map_err(|reason| (to, reason))
            }
            verdict => self.carry_out(inner, (verdict, frame, framing), reply, arrival),
        }
    }

    /// Carries out the verdicts that are rare. Not inlined, so that they cost a forwarded datagram
    /// no registers.
    #[inline(never)]
    fn carry_out<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        (verdict, frame, framing): (Verdict, &'a mut [u8], Framing),
        reply: &'a mut ReplyBuffer,
        arrival: &Arrival,
    ) -> Disposition<'a> {
        let from = arrival.from;
        // A reply, a fragment or a delivery may leave something to send in a later round.
        self.may_have_queued = true;
        let (header, datagram) = split(frame, framing);
        let header = header.as_ref();
        match verdict {
            Verdict::Drop(_) | Verdict::Hold => Ok(None),
            // `datagram` forwards it.
            Verdict::Forward { to, .. } => Err((to, FrameDrop::NoRoute)),
            Verdict::Fragment {
                to,
                destination,
                len,
                mtu,
            } => self
                .start_fragments((to, destination), prefix(datagram, len), mtu, arrival)
                .map_err(|reason| (to, reason)),
            Verdict::Local { side, len } => {
                let datagram = datagram.get_mut(..len).unwrap_or_default();
                self.local(inner, side, (header, datagram), arrival)
            }
            // RFC 1122 section 3.2.2: no error about a frame to all stations.
            Verdict::Reject(_) if framing == Framing::ToAll => {
                inner.count_made();
                Err((from, FrameDrop::LinkBroadcast))
            }
            Verdict::Reject(error) => {
                inner.count_made();
                self.reply_icmp(&error, (header, datagram), reply, from)
                    .map_err(|reason| (from, reason))
            }
        }
    }

    /// Answers a ping that is answered here, or hands a datagram to the local stack of `side`.
    fn local<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        (header, datagram): (Option<&Header>, &'a mut [u8]),
        arrival: &Arrival,
    ) -> Disposition<'a> {
        let from = arrival.from;
        if from == Side::Inside && is_answered_here(inner, datagram, side) {
            let answer = self.answer_ping(header, datagram, from);
            if answer.is_ok() {
                inner.count_consumed();
                inner.count_made();
            }
            answer.map_err(|reason| (from, reason))
        } else {
            self.deliver(inner, side, (header, datagram), arrival)
                .map_err(|reason| (side, reason))
        }
    }

    /// Sends a translated datagram to the next hop on the way to its destination.
    #[inline]
    fn forward<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        (to, destination): (Side, Ipv4Addr),
        frame: (&'a mut [u8], usize, usize),
        arrival: &Arrival,
    ) -> Outcome<'a> {
        // Only now, because the NAT says by which side a datagram leaves. Its session exists all
        // the same, as if the datagram were lost on the wire.
        if let Some(reason) = arrival.blocked_toward(to) {
            return Err(reason);
        }
        // The NAT does not know the network outside. RFC 2644: directed broadcasts are not
        // forwarded.
        if inner.is_multicast_or_broadcast(to, destination) {
            return Err(FrameDrop::DirectedBroadcast);
        }
        let next_hop = inner.next_hop(to, destination);
        let link = self.link_mut(to);
        let outcome = link.forward(inner, next_hop, frame, arrival.now);
        // A query may have begun, which `prepare_queued` sends.
        if link.neighbours.due().is_some() {
            self.may_have_queued = true;
        }
        outcome
    }

    /// Answers a ping of an inside host in place.
    fn answer_ping<'a>(
        &self,
        header: Option<&Header>,
        datagram: &'a mut [u8],
        from: Side,
    ) -> Outcome<'a> {
        echo::answer_in_place(datagram);
        let nic = &self.link(from).nic;
        nic.tx_frame(header.map(Header::reply), datagram).map(Some)
    }

    /// Hands a datagram to the local stack of `side`.
    fn deliver<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        (header, datagram): (Option<&Header>, &mut [u8]),
        arrival: &Arrival,
    ) -> Outcome<'a> {
        if inner.is_to_dhcp_client(arrival.from, datagram) {
            dhcp::make_broadcast(datagram);
        }
        // The stations of the other side are unknown on this one.
        let header = header.filter(|_| side == arrival.from);
        self.link_mut(side)
            .deliver(inner, header, datagram, arrival.now)?;
        Ok(None)
    }

    /// Sends an ICMP error or a TCP RST back to the sender. The caller has checked that the frame
    /// was not sent to all stations: the NAT makes no ICMP error about a datagram to a broadcast
    /// address, but does not see the frame.
    fn reply_icmp<'a>(
        &self,
        error: &Reply,
        (header, datagram): (Option<&Header>, &[u8]),
        reply: &'a mut ReplyBuffer,
        from: Side,
    ) -> Outcome<'a> {
        let len = error.emit(datagram, reply);
        let body = len.and_then(|len| reply.get(..len)).unwrap_or_default();
        let nic = &self.link(from).nic;
        nic.tx_frame(header.map(Header::reply), body).map(Some)
    }

    /// Drops the packets that wait for neighbours that have not answered, and sends the inside
    /// hosts that sent them "host unreachable".
    pub(super) fn drop_failed_queries(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        reply: &mut ReplyBuffer,
        now: Instant,
    ) {
        for side in [Side::Inside, Side::Outside] {
            if self.link_mut(side).neighbours.remove_failed(now) {
                self.drop_unreachable(inner, side, reply, now);
            }
        }
    }

    fn drop_unreachable(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        reply: &mut ReplyBuffer,
        now: Instant,
    ) {
        while let Some(datagram) = self.link_mut(side).take_unresolved() {
            let error = inner.nat.host_unreachable(datagram, side, reply, now);
            inner.count_drop(side, FrameDrop::ArpUnresolved);
            if let Some(error) = error.and_then(|len| reply.get(..len)) {
                self.queue_inside(inner, error, now);
            }
        }
    }
}

/// The first `len` bytes of a frame's payload: the datagram without the frame's padding.
fn prefix(payload: &[u8], len: usize) -> &[u8] {
    payload.get(..len).unwrap_or_default()
}

/// Splits a frame into its link header, if it has one, and its datagram.
fn split(frame: &mut [u8], framing: Framing) -> (Option<Header>, &mut [u8]) {
    match framing {
        Framing::None => (None, frame),
        Framing::ToRouter | Framing::ToAll => match Header::split(frame) {
            Some((header, datagram)) => (Some(header), datagram),
            None => (None, &mut []),
        },
    }
}

/// Checks a datagram's addresses for what the NAT cannot know: whether the frame was sent to all
/// stations, and the broadcast address of the network outside.
#[inline]
fn check_addresses(
    inner: &Inner<'_, impl Width>,
    datagram: &[u8],
    from: Side,
    framing: Framing,
) -> Result<(), FrameDrop> {
    if framing == Framing::ToAll {
        check_broadcast(inner, datagram, from)?;
    }
    let from_many =
        ipv4::source(datagram).is_some_and(|source| inner.is_multicast_or_broadcast(from, source));
    if from_many {
        return Err(FrameDrop::BadSource);
    }
    Ok(())
}

/// Checks that the datagram of a frame to all stations is for all of them, too.
#[inline(never)]
fn check_broadcast(
    inner: &Inner<'_, impl Width>,
    datagram: &[u8],
    from: Side,
) -> Result<(), FrameDrop> {
    let to_many = ipv4::destination(datagram)
        .is_some_and(|destination| inner.is_multicast_or_broadcast(from, destination));
    // Some relays and switches broadcast the frames for an address that a DHCP client is offered.
    if to_many || inner.is_to_dhcp_client(from, datagram) {
        Ok(())
    } else {
        Err(FrameDrop::LinkBroadcast)
    }
}

/// Whether an inside host's datagram for the stack of `side` is a ping that the router answers
/// without its stacks: one to an external address, or a fragment of one to the inside address
/// where that answers pings.
fn is_answered_here(inner: &Inner<'_, impl Width>, datagram: &[u8], side: Side) -> bool {
    let config = inner.nat.config();
    let to_inside = ipv4::destination(datagram) == Some(config.inside.address());
    side == Side::Outside || (config.inside_ping && to_inside && echo::is_ping_fragment(datagram))
}
