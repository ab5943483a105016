//! What the router answers itself about packets that go no further: to whom, about what, and how
//! often.

use zerocopy::FromBytes;

use crate::packet::{Content, Summary};
use crate::policy::addresses::is_unicast;
use crate::policy::{Ends, ErrorLoad, RateBuckets, ReplyLimit, ResetLimit, Urgency};
use crate::reply::{Error, Reply};
use crate::state::Origin;
use crate::state::tcp::Kind;
use crate::table::{SlotIndex, Width};
use crate::wire::icmp::{self, MessageClass};
use crate::wire::ipv4;
use crate::{Config, DropReason, ExhaustionError, InsideResets, Nat, Verdict};

/// The limits on answers that are not in an entry of the tables, see [`rate`](crate::policy).
pub(super) struct AnswerLimits {
    allowance: ReplyLimit,
    /// Of inside hosts without an entry in the table of hosts.
    inside: RateBuckets<64>,
    /// Of those outside who ping.
    pings: RateBuckets<32>,
    outside: ErrorLoad,
    resets: ResetLimit,
}

impl AnswerLimits {
    pub(super) fn new(config: &Config, secret: u32) -> Self {
        Self {
            allowance: ReplyLimit::new(&config.limits),
            inside: RateBuckets::new(),
            pings: RateBuckets::new(),
            outside: ErrorLoad::new(&config.limits, secret),
            resets: ResetLimit::new(),
        }
    }
}

/// Whether a packet may be answered at all, by an ICMP error or a RST (RFC 1812 section 4.3.2.7,
/// RFC 1122 section 3.2.2): it is no ICMP error, and nothing else than a query of ICMP; no later
/// fragment; from one host, to one other.
pub(super) fn is_answerable(packet: &[u8]) -> bool {
    let Ok((ip, rest)) = ipv4::Header::ref_from_prefix(packet) else {
        return false;
    };
    let options = ip.header_length().saturating_sub(ipv4::Header::LEN);
    let message = rest
        .get(options..)
        .and_then(|payload| icmp::Header::ref_from_prefix(payload).ok());
    let query = |(header, _): (&icmp::Header, _)| {
        matches!(header.class(), MessageClass::Request | MessageClass::Reply)
    };
    let (source, destination) = (ip.source(), ip.destination());
    let between_hosts = is_unicast(source) && is_unicast(destination) && source != destination;
    between_hosts
        && ip.fragment_offset() == 0
        && (ip.protocol() != ipv4::ICMP || message.is_some_and(query))
}

impl<W: Width> Nat<'_, W> {
    /// Refuses a session for want of room, ports or leave.
    pub(super) fn reply_exhausted(
        &mut self,
        ip: &ipv4::Header,
        origin: Origin,
        reason: DropReason,
    ) -> Verdict {
        match self.config.exhaustion_error {
            ExhaustionError::AdministrativelyProhibited => {
                self.reply_icmp(ip, origin, reason, Error::AdministrativelyProhibited)
            }
            ExhaustionError::HostUnreachable => {
                self.reply_icmp(ip, origin, reason, Error::HostUnreachable)
            }
            ExhaustionError::None => Verdict::Drop(reason),
        }
    }

    /// Refuses a packet from inside of a protocol that is not translated (RFC 5508 REQ-8).
    pub(super) fn reply_unknown_protocol(&mut self, ip: &ipv4::Header, origin: Origin) -> Verdict {
        if origin == Origin::Host && ip.ttl() <= 1 {
            return self.reply_icmp(ip, origin, DropReason::TtlExpired, Error::TimeExceeded);
        }
        self.reply_icmp(
            ip,
            origin,
            DropReason::UnknownProtocol,
            Error::AdministrativelyProhibited,
        )
    }

    /// Answers a packet from a host with `error`, from the router's inside address; what the router
    /// sends itself is dropped silently. So is the packet where errors are off or the host has
    /// got too many.
    pub(super) fn reply_icmp(
        &mut self,
        ip: &ipv4::Header,
        origin: Origin,
        reason: DropReason,
        error: Error,
    ) -> Verdict {
        if origin == Origin::Router || !self.config.inside_icmp_errors {
            return Verdict::Drop(reason);
        }
        if self.may_reply_icmp(origin, ip.source(), error) {
            Verdict::Reject(Reply::error(
                reason,
                self.config.inside.address().to_bits(),
                ip.source(),
                error,
            ))
        } else {
            self.drop_rate_limited(reason)
        }
    }

    /// Whether the inside host `source` may be sent `error` now; if so it is taken as sent.
    pub(super) fn may_reply_icmp(&mut self, origin: Origin, source: u32, error: Error) -> bool {
        let now = self.now;
        let AnswerLimits {
            allowance, inside, ..
        } = &mut self.answers;
        let shared = inside.of(self.tables.key(), source);
        let due = self
            .tables
            .host_mut(origin, source)
            .map(|host| &mut host.errors)
            .or(shared);
        due.is_some_and(|due| allowance.take(due, now, urgency(error)))
    }

    /// Counts a packet from outside that is due an error if it is of a session. To be called before
    /// that is looked up, about each such packet: what follows from it must not depend on the
    /// session.
    pub(super) fn count_error_due(&mut self) {
        self.answers.outside.count(self.now);
    }

    /// Answers a packet from outside, which is of `session`, with `error`, from the external
    /// address that it was sent to, or else from the router's inside address. Or drops it,
    /// where errors are off or too many are due.
    pub(super) fn reply_icmp_outside(
        &mut self,
        session: SlotIndex<W>,
        ip: &ipv4::Header,
        reason: DropReason,
        error: Error,
    ) -> Verdict {
        if !self.config.outside_icmp_errors {
            return Verdict::Drop(reason);
        }
        let now = self.now;
        let AnswerLimits {
            allowance, outside, ..
        } = &self.answers;
        let due = self
            .tables
            .errors_about(session)
            .filter(|_| outside.answers());
        if !due.is_some_and(|due| allowance.take(due, now, urgency(error))) {
            return self.drop_rate_limited(reason);
        }
        // Only what is not translated comes to any other address than an external one.
        let external = self.external_number(ip.destination()).is_some();
        let router = if external {
            ip.destination()
        } else {
            self.config.inside.address().to_bits()
        };
        Verdict::Reject(Reply::error(reason, router, ip.source(), error))
    }

    /// Whether a ping from outside, sent by `source`, may be answered; if so it is taken as
    /// answered.
    pub(super) fn may_answer_ping(&mut self, source: u32) -> bool {
        let now = self.now;
        let AnswerLimits {
            allowance, pings, ..
        } = &mut self.answers;
        let due = pings.of(self.tables.key(), source);
        due.is_some_and(|due| allowance.take(due, now, Urgency::Ordinary))
    }

    /// A RST for a segment from inside that belongs to no session, as far as that is configured.
    pub(super) fn reset(&mut self, summary: &Summary) -> Verdict {
        let Summary {
            source,
            destination,
            ..
        } = summary;
        let due = match self.config.inside_resets {
            InsideResets::Always => true,
            InsideResets::NotForBareAck => !is_bare_ack(&summary.content),
            InsideResets::Never => false,
        };
        if !due {
            return Verdict::Drop(DropReason::NoSession);
        }
        let ports = [source.port, destination.port];
        let ends = Ends {
            source: source.address,
            destination: destination.address,
            ports,
        };
        let (key, tick) = (self.tables.key().clone(), self.tick());
        let allowed = match self.tables.host_mut(Origin::Host, source.address) {
            Some(host) => host.reset.take(&key, &ends, tick),
            None => self.answers.resets.take(&key, ends, self.now),
        };
        if allowed {
            Verdict::Reject(Reply::reset(DropReason::NoSession, source.address))
        } else {
            self.drop_rate_limited(DropReason::NoSession)
        }
    }

    /// Counts an answer that is beyond its limit.
    pub(super) fn count_rate_limited(&mut self) {
        self.stats.replies_rate_limited = self.stats.replies_rate_limited.wrapping_add(1);
    }

    /// The silent drop of a packet whose answer is beyond its limit.
    pub(super) fn drop_rate_limited(&mut self, reason: DropReason) -> Verdict {
        self.count_rate_limited();
        Verdict::Drop(reason)
    }
}

fn urgency(error: Error) -> Urgency {
    match error {
        Error::FragmentationNeeded { .. } => Urgency::Urgent,
        _ => Urgency::Ordinary,
    }
}

/// Whether a segment carries nothing but an acknowledgment.
fn is_bare_ack(content: &Content) -> bool {
    matches!(content, Content::Tcp(Kind::Other, segment) if segment.acknowledgment.is_some() && segment.length == 0)
}
