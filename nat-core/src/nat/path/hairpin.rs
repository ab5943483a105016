//! Packets from inside to an external address, which are sent back inside (RFC 4787 REQ-9, RFC 5382
//! REQ-8, RFC 5508 REQ-7).
//!
//! The receiver sees the sender's external endpoint, as it would from outside. Each end has a
//! session of its own: for the sender's the packet is one that leaves, for the receiver's one that
//! comes in. A host that talks to its own external endpoint has one session, to which both apply.
//!
//! Both halves are decided before anything changes. The sender's commit may add a session or end
//! others, so nothing that was found in the tables before it is used afterwards: the receiver's
//! half is decided again.

use crate::features::HAIRPINNING;
use crate::packet::{Content, Summary, Transport};
use crate::state::tcp::Kind;
use crate::state::{Endpoint, Origin, OutsideTuple};
use crate::table::{SlotIndex, Width};
use crate::translate;
use crate::wire::icmp::MessageClass;
use crate::wire::ipv4;
use crate::{DropReason, Hairpinning, Nat, Side, Verdict};

use crate::nat::admit::{PortSearch, Received, Refusal, Sender, SenderDecision};
use crate::nat::effect::Decision;
use crate::nat::view::View;
use crate::nat::view::receiver::Receiver;

/// Both halves of a hairpinned packet.
struct HairpinDecision<'p, W> {
    sender: SenderDecision<'p, W>,
    /// The inside endpoint that the packet goes to.
    receiver: Endpoint,
    /// The receiver's half, if it has a session with the sender.
    second_half: Option<SecondHalf<'p>>,
}

/// The receiver's half of a hairpinned packet, to be decided once the sender's is committed.
struct SecondHalf<'p> {
    summary: &'p Summary,
    /// The number of the external address that the packet was sent to.
    external: u8,
}

/// Both ends of a hairpinned packet when it arrives.
struct HairpinEnds {
    sender: Endpoint,
    receiver: Endpoint,
}

impl<W: Width> Nat<'_, W> {
    pub(super) fn hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        external: u8,
    ) -> Result<Verdict, Verdict> {
        if !HAIRPINNING {
            return self.without_hairpin(ip, transport);
        }
        let Transport::Icmp(header, body) = transport else {
            return self.session_hairpin(ip, transport, external);
        };
        match header.class() {
            MessageClass::Error => Ok(self.error_hairpin(ip, header, body)?),
            MessageClass::Request if self.view().is_ping_for_router(ip, header) => {
                self.ping_inbound(ip, header, body)
            }
            MessageClass::Request => self.query_hairpin(ip, Transport::Icmp(header, body)),
            MessageClass::Reply => self.reply_hairpin(ip, Transport::Icmp(header, body), external),
            MessageClass::Other => Err(DropReason::Hairpin.into()),
        }
    }

    /// What is left of hairpinning without its feature: the router answers pings.
    fn without_hairpin(
        &mut self,
        ip: &ipv4::Header,
        transport: Transport<'_>,
    ) -> Result<Verdict, Verdict> {
        match transport {
            Transport::Icmp(header, body) if self.view().is_ping_for_router(ip, header) => {
                self.ping_inbound(ip, header, body)
            }
            _ => Err(DropReason::Hairpin.into()),
        }
    }

    fn session_hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        mut transport: Transport<'_>,
        external: u8,
    ) -> Result<Verdict, Verdict> {
        // Before the decision, so that a packet that cannot go on changes nothing.
        self.check_hop(ip, Origin::Host, Side::Inside)?;
        let summary = transport.summary(ip);
        let tuple = self.view().outbound_tuple(&summary, Origin::Host);
        // With an expired session its mapping may end, by which the receiver would know the sender.
        let found = self.view().find_session(&tuple);
        self.end_if_expired(found);
        let ends = self.commit_hairpin(
            &Sender {
                ip,
                transport: &transport,
                summary: &summary,
                tuple,
            },
            external,
        )?;
        self.view().clamp_mss(&mut transport);
        translate::rewrite_both(ip, transport, ends.sender, ends.receiver);
        // The receiver sees several hosts under one address, whose identifications could be equal.
        self.renew_id(ip);
        Ok(self.view().forward(Side::Inside, ip))
    }

    fn commit_hairpin(
        &mut self,
        sender: &Sender<'_>,
        external: u8,
    ) -> Result<HairpinEnds, Verdict> {
        self.settle(|view, search| view.decide_hairpin(sender, external, search))
            .map_err(|refusal| self.refuse(sender, refusal))
    }

    /// Decides and commits the receiver's half of a packet from `sender`, if the receiver's session
    /// is still there.
    fn step_receiver(&mut self, half: &SecondHalf<'_>, sender: Endpoint) {
        let summary = half.summary;
        let view = self.view();
        let mapping = view.tables.mapping_of_outside(&OutsideTuple {
            proto: summary.proto,
            external: half.external,
            external_port: summary.destination.port,
            remote: sender,
        });
        let session = mapping.and_then(|mapping| view.live_session(mapping, sender));
        // If the sender's commit has ended the receiver's session, or moved it on, the packet still
        // passes as decided, and only its effect on the receiver's session is left out.
        if let Some(session) = session
            && let Ok(pending) = self.step(session, Side::Outside, &summary.content)
        {
            pending.commit();
        }
    }
}

impl<W: Width> Decision<W> for HairpinDecision<'_, W> {
    type Outcome = HairpinEnds;

    fn carry_out(&self, nat: &mut Nat<'_, W>) -> HairpinEnds {
        let sender = self.sender.carry_out(nat);
        if let Some(half) = &self.second_half {
            nat.step_receiver(half, sender);
        }
        HairpinEnds {
            sender,
            receiver: self.receiver,
        }
    }
}

impl<W: Width> View<'_, W> {
    fn decide_hairpin<'p>(
        self,
        sender: &'p Sender<'p>,
        external: u8,
        search: &mut PortSearch<'_>,
    ) -> Result<HairpinDecision<'p, W>, Refusal> {
        let (receiver, received) = self
            .hairpin_receiver(sender, external)
            .map_err(|reason| refusal_of_stray(sender, reason))?;
        Ok(HairpinDecision {
            sender: self.decide_sender(sender, received, search)?,
            receiver,
            second_half: received.session.map(|_| SecondHalf {
                summary: sender.summary,
                external,
            }),
        })
    }

    /// The inside endpoint that a packet comes back to, and what that has in the tables.
    fn hairpin_receiver(
        self,
        sender: &Sender<'_>,
        external: u8,
    ) -> Result<(Endpoint, Received<W>), DropReason> {
        let summary = sender.summary;
        // A port is drawn only for a packet that may pass, so the endpoint may be unknown yet.
        let from = self.sender_endpoint(&sender.tuple);
        let Receiver { inside, mapping } = self.receiver_at(&OutsideTuple {
            proto: summary.proto,
            external,
            external_port: summary.destination.port,
            remote: from.unwrap_or(summary.source),
        })?;
        if inside.origin == Origin::Router {
            return Err(DropReason::Hairpin);
        }
        let session = match (from, mapping) {
            (Some(from), Some(mapping)) => self.live_session(mapping, from),
            _ => None,
        };
        if session.is_none() {
            let admitted = self.admits_hairpin(mapping, from);
            summary.content.check_unsolicited(admitted)?;
        }
        // The sender's own mapping is not evicted for a session of its own.
        let other = inside != sender.tuple.inside;
        let received = Received {
            mapping: mapping.filter(|_| other),
            session,
        };
        Ok((inside.endpoint, received))
    }

    /// Whether a hairpinned packet may pass that matches no session of the receiver's `mapping`.
    /// Without a mapping, a static mapping has given the receiver, and that is open to all.
    fn admits_hairpin(self, mapping: Option<SlotIndex<W>>, from: Option<Endpoint>) -> bool {
        let unfiltered = self.policy.config.hairpinning == Hairpinning::Unfiltered;
        let Some(mapping) = mapping else {
            return true;
        };
        // With a backlog, the mapping may be one that should have ended: see `has_expiry_backlog`.
        unfiltered && !self.has_expiry_backlog()
            || self.is_forwarded(mapping)
            || from.is_some_and(|from| self.admits(mapping, from.address))
    }
}

/// What becomes of a packet that finds no session to come back to: a RST answers a segment that
/// belongs to none, as it does toward the outside.
fn refusal_of_stray(sender: &Sender<'_>, reason: DropReason) -> Refusal {
    let stray = matches!(
        sender.summary.content,
        Content::Tcp(Kind::SynAck | Kind::Fin | Kind::Other, _)
    );
    // The ports of a damaged segment may be wrong: its RST could end another connection.
    if stray && sender.transport.checksum_holds(sender.ip) {
        Refusal::Reset
    } else {
        Refusal::Drop(reason)
    }
}
