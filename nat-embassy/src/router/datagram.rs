//! The way of a datagram: checks that the NAT cannot make, the NAT's verdict, and what it leads to.

use core::net::Ipv4Addr;

use nat_core::{Instant, Reply, Side, Verdict, Width};

use super::{Arrival, Links};
use crate::ethernet::Header;
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
    pub(super) fn datagram<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        datagram: &'a mut [u8],
        reply: &'a mut ReplyBuffer,
        arrival: Arrival,
    ) -> Disposition<'a> {
        let Arrival { from, now, .. } = arrival;
        check_addresses(inner, datagram, &arrival).map_err(|reason| (from, reason))?;
        inner.deadline.note_packet();
        let (side, outcome) = match inner.nat.process(datagram, from, now) {
            Verdict::Drop(_) | Verdict::Hold => return Ok(None),
            Verdict::Forward {
                to,
                destination,
                len,
            } => {
                let datagram = prefix(datagram, len);
                let outcome = self.forward(inner, (to, destination), datagram, arrival);
                (to, outcome)
            }
            Verdict::Fragment {
                to,
                destination,
                len,
                mtu,
            } => {
                let datagram = prefix(datagram, len);
                let outcome = self.start_fragments((to, destination), datagram, mtu, arrival);
                (to, outcome)
            }
            Verdict::Local { side, len } => {
                let is_ping = from == Side::Inside && is_answered_here(inner, datagram, side);
                let datagram = datagram.get_mut(..len).unwrap_or_default();
                if is_ping {
                    (from, self.answer_ping(datagram, arrival))
                } else {
                    (side, self.deliver(inner, side, datagram, arrival))
                }
            }
            Verdict::Reject(error) => (from, self.reply_icmp(&error, datagram, reply, arrival)),
        };
        outcome.map_err(|reason| (side, reason))
    }

    /// Sends a translated datagram to the next hop on the way to its destination.
    fn forward<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        (to, destination): (Side, Ipv4Addr),
        datagram: &'a [u8],
        arrival: Arrival,
    ) -> Outcome<'a> {
        if let Some(reason) = arrival.blocked_toward(to) {
            return Err(reason);
        }
        if inner.is_multicast_or_broadcast(to, destination) {
            return Err(FrameDrop::DirectedBroadcast);
        }
        let next_hop = inner.next_hop(to, destination);
        self.link_mut(to)
            .send(inner, next_hop, datagram, arrival.now)
    }

    /// Answers a ping of an inside host in place.
    fn answer_ping<'a>(&self, datagram: &'a mut [u8], arrival: Arrival) -> Outcome<'a> {
        echo::answer_in_place(datagram);
        let header = arrival.header.as_ref().map(Header::reply);
        let nic = &self.link(arrival.from).nic;
        nic.tx_frame(header, datagram).map(Some)
    }

    /// Hands a datagram to the local stack of `side`.
    fn deliver<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        datagram: &mut [u8],
        arrival: Arrival,
    ) -> Outcome<'a> {
        if inner.is_to_dhcp_client(arrival.from, datagram) {
            dhcp::make_broadcast(datagram);
        }
        let header = arrival.header.as_ref().filter(|_| side == arrival.from);
        self.link_mut(side)
            .deliver(inner, header, datagram, arrival.now)?;
        Ok(None)
    }

    /// Sends an ICMP error or a TCP RST back to the sender.
    fn reply_icmp<'a>(
        &self,
        error: &Reply,
        datagram: &[u8],
        reply: &'a mut ReplyBuffer,
        arrival: Arrival,
    ) -> Outcome<'a> {
        // No ICMP error is sent about a frame to all stations. The NAT makes none about a datagram
        // to a broadcast address either, but it does not see the frame.
        if arrival.is_broadcast() {
            return Err(FrameDrop::LinkBroadcast);
        }
        let len = error.emit(datagram, reply);
        let body = len.and_then(|len| reply.get(..len)).unwrap_or_default();
        let header = arrival.header.as_ref().map(Header::reply);
        let nic = &self.link(arrival.from).nic;
        nic.tx_frame(header, body).map(Some)
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
                self.queue_inside(error, now);
            }
        }
    }
}

/// The first `len` bytes of a frame's payload: the datagram without the frame's padding.
fn prefix(payload: &[u8], len: usize) -> &[u8] {
    payload.get(..len).unwrap_or_default()
}

/// Checks a datagram's addresses for what the NAT cannot know: whether the frame was sent to all
/// stations, and the broadcast address of the network outside.
fn check_addresses(
    inner: &Inner<'_, impl Width>,
    datagram: &[u8],
    arrival: &Arrival,
) -> Result<(), FrameDrop> {
    let from = arrival.from;
    if arrival.is_broadcast() {
        let to_many = ipv4::destination(datagram)
            .is_some_and(|destination| inner.is_multicast_or_broadcast(from, destination));
        // Some relays and switches broadcast the frames for an address that a DHCP client is
        // offered.
        if !to_many && !inner.is_to_dhcp_client(from, datagram) {
            return Err(FrameDrop::LinkBroadcast);
        }
    }
    let from_many =
        ipv4::source(datagram).is_some_and(|source| inner.is_multicast_or_broadcast(from, source));
    if from_many {
        return Err(FrameDrop::BadSource);
    }
    Ok(())
}

/// Whether an inside host's datagram for the stack of `side` is a ping that the router answers
/// without its stacks: one to an external address, or a fragment of one to the inside address
/// where that answers pings.
fn is_answered_here(inner: &Inner<'_, impl Width>, datagram: &[u8], side: Side) -> bool {
    let config = inner.nat.config();
    let to_inside = ipv4::destination(datagram) == Some(config.inside.address());
    side == Side::Outside || (config.inside_ping && to_inside && echo::is_ping_fragment(datagram))
}
