//! The ICMP error to an inside host whose packet's next hop does not answer.

use zerocopy::FromBytes;

use crate::packet::{Datagram, Transport};
use crate::reply::{self, Error};
use crate::state::Origin;
use crate::table::Width;
use crate::translate::{self, End, Ttl};
use crate::wire::ipv4;
use crate::{Instant, Nat, Side, Verdict};

use crate::nat::answers;
use crate::nat::clock::EXPIRED_PER_PACKET;
use crate::nat::view::receiver::Target;

impl<W: Width> Nat<'_, W> {
    /// Writes to `buffer` the ICMP error for the inside host that has sent `packet`, which cannot be
    /// delivered: destination unreachable, host unreachable, from the router's inside address (RFC
    /// 1812 sections 3.3.2 and 5.2.7.1). Returns its length in bytes. The caller sends it inside, to
    /// the destination in its header.
    ///
    /// `packet` is a translated datagram as [`Verdict::Forward`] had it leave by `side`, for whose
    /// next hop no station answered. The error quotes the host's own packet, as far as the session
    /// says.
    ///
    /// Returns `None`, with `buffer` in an unspecified state, if
    ///
    /// - the packet was not sent by an inside host, or its session has ended;
    /// - no error may answer such a packet (RFC 1812 section 4.3.2.7);
    /// - the errors are off: [`Config::inside_icmp_errors`](crate::Config::inside_icmp_errors);
    /// - the host has received too many errors, which is counted in
    ///   [`Stats::replies_rate_limited`](crate::Stats::replies_rate_limited); or
    /// - `buffer` is shorter than [`Reply::MAX_LEN`](crate::Reply::MAX_LEN).
    pub fn host_unreachable(
        &mut self,
        packet: &[u8],
        side: Side,
        buffer: &mut [u8],
        now: Instant,
    ) -> Option<usize> {
        self.advance(now, EXPIRED_PER_PACKET);
        if !self.state.policy.config.inside_icmp_errors || !answers::is_answerable(packet) {
            return None;
        }
        let len = self.write_unreachable(packet, buffer)?;
        // Before the limit is asked, because only the translation tells which host it is.
        let host = self.return_to_sender(buffer.get_mut(..len)?, side)?;
        if self.may_reply_icmp(Origin::Host, host, Error::HostUnreachable) {
            Some(len)
        } else {
            self.record.count_rate_limited();
            None
        }
    }

    /// Writes the error as if a router behind the NAT had sent it to the translated source.
    fn write_unreachable(&self, packet: &[u8], buffer: &mut [u8]) -> Option<usize> {
        let (ip, _) = ipv4::Header::ref_from_prefix(packet).ok()?;
        let datagram = packet.get(..usize::from(ip.total_length()))?;
        let ends = (
            self.state.policy.config.inside.address().to_bits(),
            ip.source(),
        );
        reply::emit_error(ip, datagram, ends, Error::HostUnreachable, buffer)
    }

    /// Translates the error like one that comes back. Returns the inside host that it goes to.
    fn return_to_sender(&mut self, error: &mut [u8], side: Side) -> Option<u32> {
        let (ip, transport) = Datagram::parse(error).ok()?.transport().ok()?;
        let Verdict::Forward { to, .. } = self.translate_error(ip, transport, side)? else {
            return None;
        };
        // Only inside hosts get this error.
        if to == Side::Outside {
            return None;
        }
        let router = self.state.policy.config.inside.address().to_bits();
        translate::rewrite_address(ip, End::Source, router, Ttl::Keep);
        Some(ip.destination())
    }

    /// `None` if the packet that the error quotes came from outside, or has no session.
    fn translate_error(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        side: Side,
    ) -> Option<Verdict> {
        let Transport::Icmp(header, body) = transport else {
            return None;
        };
        let external = self.view().external_number(ip.destination());
        let verdict = match (side, external) {
            (Side::Outside, external) => {
                let target = external.map_or(Target::Untranslated, Target::External);
                self.view().error_inbound(ip, header, body, target)
            }
            (Side::Inside, Some(_)) => self.error_hairpin(ip, header, body),
            (Side::Inside, None) => return None,
        };
        verdict.ok()
    }
}
