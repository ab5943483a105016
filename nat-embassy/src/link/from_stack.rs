//! Frames from the local stack.

use core::net::Ipv4Addr;

use nat_core::{Instant, Side, Verdict, Width};
use zerocopy::IntoBytes;

use super::Link;
use super::egress::Egress;
use super::nic::Nic;
use crate::arp::{Operation, Packet};
use crate::ethernet::{EtherType, Header};
use crate::ipv4;
use crate::medium::Medium;
use crate::shared::Inner;
use crate::stack_interface::{Inbox, StackInterface};
use crate::stats::FrameDrop;
use crate::tx_frame::{ReplyBuffer, TxFrame};

/// What becomes of a datagram from the outside stack.
enum Translated<'frame, 'reply> {
    /// This leaves, on the way to this destination.
    Forward(Ipv4Addr, &'frame [u8]),
    /// It is dropped, and the NAT has counted it.
    Dropped,
    /// The stack gets this back: an ICMP error, or what it has sent to itself.
    Reply(&'reply [u8]),
}

impl Link<'_> {
    /// Processes the frame that the local stack sends. The inside stack's frames leave unchanged.
    pub(crate) fn send_from_stack<'a>(
        &'a mut self,
        inner: &mut Inner<'_, impl Width>,
        reply: &mut ReplyBuffer,
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        if !self.up {
            return Err(FrameDrop::LinkDown);
        }
        // Not by `egress()`: the frame lies in the stack's queue, which stays borrowed.
        let Self {
            nic,
            stack,
            neighbours,
            waiting,
            ..
        } = self;
        let StackInterface {
            inbox,
            outbox,
            discovery,
            ..
        } = stack;
        // There is one: `Router::poll_stack` has found it.
        let frame = outbox.try_tx_buf().unwrap_or_default();
        let (header, body) = split_header(nic, frame)?;
        if nic.side == Side::Inside {
            return nic.tx_frame(header, body).map(Some);
        }
        match header.map_or(EtherType::IPV4, |header| header.ethertype()) {
            EtherType::ARP => answer_stack(inner, nic, inbox, body).map(|()| None),
            EtherType::IPV4 if discovery.is_too_soon(body, now) => Err(FrameDrop::DiscoverTooSoon),
            EtherType::IPV4 => {
                let translated = translate(inner, nic.side, body, reply, now)?;
                let mut egress = Egress {
                    nic,
                    neighbours,
                    waiting,
                };
                egress.send_translated(inner, inbox, (header, translated), now)
            }
            EtherType::IPV6 => Err(FrameDrop::Ipv6),
            _ => Err(FrameDrop::OtherEthertype),
        }
    }
}

fn split_header<'a>(
    nic: &Nic,
    frame: &'a mut [u8],
) -> Result<(Option<Header>, &'a mut [u8]), FrameDrop> {
    match nic.medium {
        Medium::Ethernet(_) => {
            let (header, body) = Header::split(frame).ok_or(FrameDrop::Runt)?;
            Ok((Some(header), body))
        }
        Medium::Ip | Medium::Unsupported => Ok((None, frame)),
    }
}

/// Answers an ARP request of the outside stack. The router's own hardware address is the answer for
/// every address, because the router picks the next hop itself. So the stack may have any
/// configuration that lets it send, even one whose gateway is in none of its networks.
fn answer_stack(
    inner: &mut Inner<'_, impl Width>,
    nic: &Nic,
    inbox: &mut Inbox<'_>,
    packet: &[u8],
) -> Result<(), FrameDrop> {
    let (packet, operation) = Packet::parse(packet).ok_or(FrameDrop::BadArp)?;
    let mac = nic.mac().ok_or(FrameDrop::BadArp)?;
    if operation == Operation::Request {
        let header = Header::new(mac, mac, EtherType::ARP);
        inbox.push(Some(&header), packet.answer(mac).as_bytes())?;
        inner.count_delivery(nic.side);
        inner.count_made();
    }
    inner.count_consumed();
    Ok(())
}

impl Egress<'_, '_> {
    /// Sends a translated datagram of the outside stack to the next hop that the router knows, or
    /// to all stations if the stack sent it so.
    fn send_translated<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        inbox: &mut Inbox<'_>,
        (header, translated): (Option<Header>, Translated<'a, '_>),
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        let side = self.nic.side;
        match translated {
            Translated::Forward(destination, datagram) => {
                // A DHCP client broadcasts before there is an address, and so before there is a
                // next hop.
                if header.is_none_or(|header| header.destination.is_group()) {
                    return self.nic.tx_frame(header, datagram).map(Some);
                }
                let next_hop = inner.next_hop(side, destination);
                self.send(inner, next_hop, datagram, now)
            }
            Translated::Dropped => Ok(None),
            Translated::Reply(datagram) => {
                inbox.push(self.nic.stack_header(None).as_ref(), datagram)?;
                inner.count_delivery(side);
                Ok(None)
            }
        }
    }
}

/// Has the NAT process a datagram of the outside stack, as it does those of inside hosts.
fn translate<'frame: 'reply, 'reply>(
    inner: &mut Inner<'_, impl Width>,
    side: Side,
    datagram: &'frame mut [u8],
    reply: &'reply mut ReplyBuffer,
    now: Instant,
) -> Result<Translated<'frame, 'reply>, FrameDrop> {
    inner.deadline.note_packet();
    let returned = match inner.nat.process_local(datagram, now) {
        Verdict::Drop(_) | Verdict::Hold => None,
        Verdict::Forward {
            to,
            destination,
            len,
        } if to == side => {
            check_source(inner, side, datagram)?;
            let datagram = datagram.get(..len).unwrap_or_default();
            return Ok(Translated::Forward(destination, datagram));
        }
        Verdict::Local { side: to, len } if to == side => datagram.get(..len),
        // The outside stack cannot reach inside hosts; the inside stack can.
        Verdict::Forward { .. } | Verdict::Local { .. } => return Err(FrameDrop::NoRoute),
        // The virtual device limits the length of the stack's datagrams to the MTU.
        Verdict::Fragment { .. } => return Err(FrameDrop::Giant),
        Verdict::Reject(error) => {
            let len = error.emit(datagram, reply);
            let error = len.and_then(|len| reply.get(..len));
            if error.is_some() {
                inner.count_made();
            }
            error
        }
    };
    Ok(returned.map_or(Translated::Dropped, Translated::Reply))
}

/// Checks that a datagram may leave: without an outside configuration, only a DHCP client's may,
/// which come from 0.0.0.0.
fn check_source(
    inner: &Inner<'_, impl Width>,
    side: Side,
    datagram: &[u8],
) -> Result<(), FrameDrop> {
    if ipv4::source(datagram).is_some_and(|source| !source.is_unspecified()) {
        inner.check_configured(side)?;
    }
    Ok(())
}
