//! Frames from the local stacks.

use core::net::Ipv4Addr;

use nat_core::{Instant, Side, Verdict, Width};
use zerocopy::IntoBytes;

use crate::arp::{Operation, Packet};
use crate::control::Inner;
use crate::ethernet::{EtherType, Header};
use crate::link::{Link, Nic, Way};
use crate::local::{Inbox, StackPort};
use crate::outgoing::Outgoing;
use crate::port::Medium;
use crate::router::AnswerBuffer;
use crate::{FrameDrop, ipv4};

/// What becomes of a datagram from the local stack.
enum Judged<'a> {
    /// So many of its first bytes leave.
    Leaves(usize),
    /// It goes nowhere.
    Lost,
    /// The stack gets this back: an answer, or what it has sent to itself.
    Returns(&'a [u8]),
}

impl Link<'_> {
    /// Takes in the frame that the local stack sends. Inside it leaves as it is. Outside, datagrams
    /// go through the NAT like those of an inside host, and then to the next hop that the
    /// router knows, unless they are for all. The stack's own questions go no further: every
    /// address is answered for here, so the stack may have any configuration that lets it send,
    /// also where its gateway is in no network of its own.
    pub(crate) fn send_for_stack<'a>(
        &'a mut self,
        inner: &mut Inner<'_, impl Width>,
        answer: &mut AnswerBuffer,
        now: Instant,
    ) -> Result<Option<Outgoing<'a>>, FrameDrop> {
        if !self.up {
            return Err(FrameDrop::LinkDown);
        }
        let Self {
            nic,
            stack:
                StackPort {
                    inbox,
                    outbox,
                    discovery,
                    ..
                },
            neighbours,
            waiting,
            ..
        } = self;
        let frame = outbox.try_tx_buf().unwrap_or_default();
        let (header, body) = match nic.medium {
            Medium::Ethernet(_) => Header::split(frame)
                .map(|(header, body)| (Some(header), body))
                .ok_or(FrameDrop::Runt)?,
            Medium::Ip | Medium::Unsupported => (None, frame),
        };
        let ethertype = header.map_or(EtherType::IPV4, |header| header.ethertype());
        match (nic.side, ethertype) {
            (Side::Inside, _) => nic.outgoing(header, body).map(Some),
            (Side::Outside, EtherType::ARP) => answer_stack(inner, nic, inbox, body).map(|()| None),
            (Side::Outside, EtherType::IPV4) if discovery.is_too_soon(body, now) => {
                Err(FrameDrop::DiscoverTooSoon)
            }
            (Side::Outside, EtherType::IPV4) => {
                match translate(inner, nic.side, body, answer, now)? {
                    Judged::Leaves(len) => {
                        let datagram = body.get(..len).unwrap_or_default();
                        if header.is_none_or(|header| header.destination.is_group()) {
                            return nic.outgoing(header, datagram).map(Some);
                        }
                        let destination =
                            ipv4::destination(datagram).unwrap_or(Ipv4Addr::UNSPECIFIED);
                        let next_hop = inner.next_hop(nic.side, destination);
                        Way {
                            nic,
                            neighbours,
                            waiting,
                        }
                        .toward(inner, next_hop, datagram, now)
                    }
                    Judged::Lost => Ok(None),
                    Judged::Returns(datagram) => {
                        inbox.push(nic.stack_header(None).as_ref(), datagram)?;
                        inner.count_delivery(nic.side);
                        Ok(None)
                    }
                }
            }
            (Side::Outside, EtherType::IPV6) => Err(FrameDrop::Ipv6),
            (Side::Outside, _) => Err(FrameDrop::OtherEthertype),
        }
    }
}

/// Answers a question of the outside stack for the station of an address: whatever it is, the
/// router is on the way there.
fn answer_stack(
    inner: &mut Inner<'_, impl Width>,
    nic: &Nic,
    inbox: &mut Inbox<'_>,
    packet: &[u8],
) -> Result<(), FrameDrop> {
    let (packet, operation) = Packet::parse(packet).ok_or(FrameDrop::BadArp)?;
    let mac = nic.mac().ok_or(FrameDrop::BadArp)?;
    if operation == Operation::Request {
        inbox.push(
            Some(&Header::new(mac, mac, EtherType::ARP)),
            packet.answer(mac).as_bytes(),
        )?;
        inner.count_delivery(nic.side);
    }
    Ok(())
}

/// Has the NAT judge a datagram of the router's outside stack.
fn translate<'a>(
    inner: &mut Inner<'_, impl Width>,
    side: Side,
    datagram: &'a mut [u8],
    answer: &'a mut AnswerBuffer,
    now: Instant,
) -> Result<Judged<'a>, FrameDrop> {
    inner.deadline.note_packet();
    let back = match inner.nat.process_local(datagram, now) {
        Verdict::Drop(_) | Verdict::Hold => return Ok(Judged::Lost),
        Verdict::Forward { to, len, .. } if to == side => {
            // A DHCP client speaks before there is an address.
            if ipv4::source(datagram).is_some_and(|source| !source.is_unspecified()) {
                inner.check_in_force(side)?;
            }
            return Ok(Judged::Leaves(len));
        }
        Verdict::Local { side: to, len } if to == side => datagram.get(..len),
        // This stack has no way to the other side: hosts there are reached by the stack of that
        // side.
        Verdict::Forward { .. } | Verdict::Local { .. } => return Err(FrameDrop::NoRoute),
        // The virtual device has told the stack how long its datagrams may be.
        Verdict::Fragment { .. } => return Err(FrameDrop::Giant),
        Verdict::Reject(reply) => reply
            .emit(datagram, answer)
            .and_then(|len| answer.get(..len)),
    };
    Ok(back.map_or(Judged::Lost, Judged::Returns))
}
