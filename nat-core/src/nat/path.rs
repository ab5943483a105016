//! The slow path: where a packet goes, and how each kind is translated. `fast` is the shortcut for
//! most packets.

mod echo;
mod echo_error;
mod fast;
mod fragment;
mod hairpin;
mod icmp_error;
mod inbound;
mod one_to_one;
mod opening;
mod outbound;
mod route;
mod unreachable;

use core::net::Ipv4Addr;

use crate::packet::{Datagram, Transport};
use crate::state::{Inside, InsideTuple, Origin};
use crate::table::Width;
use crate::translate::{Ttl, mss};
use crate::wire::{ipv4, tcp};
use crate::{DropReason, Nat, Side, Verdict};

use super::admit::{Refusal, Sender};
use super::answers;
use super::hop::Hop;
use super::view::View;
pub(super) use fast::Detour;
use route::{Path, Route};

impl<W: Width> Nat<'_, W> {
    #[inline(never)]
    pub(super) fn process_slow(
        &mut self,
        packet: &mut [u8],
        from: Side,
        origin: Origin,
    ) -> Verdict {
        self.state.clock.note_packet();
        let verdict = self
            .evaluate(packet, from, origin)
            .unwrap_or_else(|refused| refused);
        self.record.stats.count_verdict(&verdict);
        verdict
    }

    fn evaluate(
        &mut self,
        packet: &mut [u8],
        from: Side,
        origin: Origin,
    ) -> Result<Verdict, Verdict> {
        let stats = &mut self.record.stats;
        let len = packet.len();
        let datagram =
            Datagram::parse(packet).inspect_err(|_| stats.count_in(from, origin, len))?;
        stats.count_in(from, origin, datagram.len());
        // Now, because the translation replaces addresses that are part of the key.
        let first_fragment = fragment::first_key(&datagram, from);
        let verdict = match self.follow_route(datagram, from, origin) {
            // Asked here for every reply, so that no path can forget it. A packet that is refused
            // is unchanged, so its headers are those that came.
            Err(Verdict::Reject(reply)) if !answers::is_answerable(packet) => {
                Err(reply.reason().into())
            }
            verdict => verdict,
        };
        // A refusal too: then the other fragments are dropped without waiting.
        if let Some(key) = first_fragment {
            let verdict = verdict.as_ref().unwrap_or_else(|refused| refused);
            self.settle_first_fragment(&key, packet, verdict, origin);
        }
        verdict
    }

    fn follow_route(
        &mut self,
        datagram: Datagram<'_>,
        from: Side,
        origin: Origin,
    ) -> Result<Verdict, Verdict> {
        let route = match from {
            Side::Inside => self.view().route_outbound(&datagram, origin)?,
            Side::Outside => self.view().route_inbound(&datagram)?,
        };
        match route {
            Route::Local(side) => Ok(Verdict::Local {
                side,
                len: datagram.len(),
            }),
            Route::Untouched => {
                self.check_hop(datagram.ip, origin, Side::Outside)?;
                Ok(self.view().forward(Side::Outside, datagram.ip))
            }
            Route::Translated(path) => self.translate(datagram, path),
        }
    }

    /// Translates a packet, or a fragment of one, on the path that its addresses have given.
    fn translate(&mut self, datagram: Datagram<'_>, path: Path) -> Result<Verdict, Verdict> {
        let from = path.arrival();
        // It has no transport header, so its session is unknown: it follows the first fragment.
        if datagram.ip.fragment_offset() != 0 {
            return self.later_fragment(datagram, from);
        }
        // Whether or not there is a session: see `count_error_due`.
        if from == Side::Outside && self.view().check_way_in(datagram.ip).is_err() {
            self.count_error_due();
        }
        self.check_first_fragment(&datagram, from)?;
        if !datagram.is_translatable() {
            return Err(match path {
                Path::Outbound(origin) => self.reply_unknown_protocol(datagram.ip, origin),
                Path::Hairpin(_) => self.reply_unknown_protocol(datagram.ip, Origin::Host),
                Path::Inbound(_) => DropReason::UnknownProtocol.into(),
            });
        }
        let (ip, transport) = datagram.transport()?;
        match path {
            Path::Outbound(origin) => self.outbound(ip, transport, origin),
            Path::Hairpin(external) => self.hairpin(ip, transport, external),
            Path::Inbound(target) => self.inbound(ip, transport, target),
        }
    }

    /// Answers a packet from inside that cannot go on over the link of side `to`.
    fn check_hop(&mut self, ip: &ipv4::Header, origin: Origin, to: Side) -> Result<(), Verdict> {
        let mtu = self.view().mtu(to);
        let hop = Hop::of(ip).check(ttl_of(origin), mtu);
        hop.map_err(|failure| {
            self.reply_icmp(ip.source(), origin, failure.reason(), failure.error())
        })
    }

    /// The verdict on a packet from inside that may not pass.
    fn refuse(&mut self, sender: &Sender<'_>, refusal: Refusal) -> Verdict {
        match refusal {
            Refusal::Drop(reason) => Verdict::Drop(reason),
            Refusal::Exhausted(reason) => self.refuse_session(&sender.tuple, reason),
            Refusal::Reset => self.reset(sender.summary),
        }
    }

    /// The verdict on a packet whose session may not begin.
    fn refuse_session(&mut self, tuple: &InsideTuple, reason: DropReason) -> Verdict {
        self.emit_refusal(tuple, reason);
        let Inside { origin, endpoint } = tuple.inside;
        self.reply_exhausted(endpoint.address, origin, reason)
    }

    /// Gives a packet that may be fragmented, or is a fragment, an identification that no packet of
    /// another inside host has.
    fn renew_id(&mut self, ip: &mut ipv4::Header) {
        if !ip.is_atomic() {
            let id = self.ids.next(ip.destination(), ip.protocol());
            crate::translate::rewrite_id(ip, id);
        }
    }
}

impl<W: Width> View<'_, W> {
    /// The verdict on a packet that leaves by side `to`: in fragments if it is larger than the MTU.
    fn forward(self, to: Side, ip: &ipv4::Header) -> Verdict {
        let destination = Ipv4Addr::from_bits(ip.destination());
        let (len, mtu) = (usize::from(ip.total_length()), self.mtu(to));
        if Hop::of(ip).exceeds(mtu) {
            Verdict::Fragment {
                to,
                destination,
                len,
                mtu,
            }
        } else {
            Verdict::Forward {
                to,
                destination,
                len,
            }
        }
    }

    /// Lowers the MSS of a SYN to what both links carry, where that is configured.
    fn clamp_mss(self, transport: &mut Transport<'_>) {
        // The IPv4 and the TCP header. The MSS leaves options out (RFC 9293 section 3.7.1).
        const HEADERS: u16 = 40;
        if let Transport::Tcp(header, body) = transport
            && self.policy.config.mss_clamp
            && header.flags().contains(tcp::Flags::SYN)
        {
            // The segments that the MSS limits cross both links.
            let mtu = self.mtu(Side::Inside).min(self.mtu(Side::Outside));
            mss::clamp(header, body, mtu.saturating_sub(HEADERS));
        }
    }
}

/// Whether a packet from inside crosses the router: its own do not.
fn ttl_of(origin: Origin) -> Ttl {
    match origin {
        Origin::Host => Ttl::Decrement,
        Origin::Router => Ttl::Keep,
    }
}
