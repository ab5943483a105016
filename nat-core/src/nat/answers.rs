//! The router's own answers to packets that it does not forward, and their limits.

use zerocopy::FromBytes;

use crate::packet::{Content, Summary};
use crate::policy::{Ends, ErrorLoad, RateBuckets, ReplyLimit, ResetLimit, Urgency};
use crate::reply::{Error, Reply};
use crate::state::Origin;
use crate::state::tcp::Kind;
use crate::table::{SlotIndex, Width};
use crate::wire::addresses::is_unicast;
use crate::wire::icmp::{self, MessageClass};
use crate::wire::ipv4;
use crate::{Config, DropReason, ExhaustionError, InsideResets, Nat, Verdict};

use super::hop::HopFailure;
use super::view::State;

/// The limits on answers, other than those that each host and session has in the tables. See
/// [`rate`](crate::policy).
#[cfg_attr(feature = "audit", derive(Clone))]
pub(super) struct AnswerLimits {
    allowance: ReplyLimit,
    /// ICMP errors to inside hosts that are not in the table of hosts.
    inside: RateBuckets<64>,
    /// Answers to pings from outside, by source.
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
/// RFC 1122 section 3.2.2): it is not a later fragment, goes from one host to one other, and if it
/// is ICMP, it is a query.
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
    /// Refuses a session that a limit, the tables, the ports or the rules do not allow.
    pub(super) fn reply_exhausted(
        &mut self,
        source: u32,
        origin: Origin,
        reason: DropReason,
    ) -> Verdict {
        match self.state.policy.config.exhaustion_error {
            ExhaustionError::AdministrativelyProhibited => {
                self.reply_icmp(source, origin, reason, Error::AdministrativelyProhibited)
            }
            ExhaustionError::HostUnreachable => {
                self.reply_icmp(source, origin, reason, Error::HostUnreachable)
            }
            ExhaustionError::None => Verdict::Drop(reason),
        }
    }

    /// Refuses a packet from inside of a protocol that is not translated (RFC 5508 REQ-8).
    pub(super) fn reply_unknown_protocol(&mut self, ip: &ipv4::Header, origin: Origin) -> Verdict {
        // The time to live first, as in `Hop::check`.
        if origin == Origin::Host && ip.ttl() <= 1 {
            return self.reply_icmp(
                ip.source(),
                origin,
                DropReason::TtlExpired,
                Error::TimeExceeded,
            );
        }
        self.reply_icmp(
            ip.source(),
            origin,
            DropReason::UnknownProtocol,
            Error::AdministrativelyProhibited,
        )
    }

    /// Answers a packet of the host `source` with `error`, from the router's inside address. Drops
    /// it silently if the router sent it, if errors are off, or if the host has received too many.
    pub(super) fn reply_icmp(
        &mut self,
        source: u32,
        origin: Origin,
        reason: DropReason,
        error: Error,
    ) -> Verdict {
        if origin == Origin::Router || !self.state.policy.config.inside_icmp_errors {
            return Verdict::Drop(reason);
        }
        if self.may_reply_icmp(origin, source, error) {
            let router = self.state.policy.config.inside.address().to_bits();
            Verdict::Reject(Reply::error(reason, router, source, error))
        } else {
            self.drop_rate_limited(reason)
        }
    }

    /// Whether the inside host `source` may be sent `error` now. If so, it is counted as sent.
    pub(super) fn may_reply_icmp(&mut self, origin: Origin, source: u32, error: Error) -> bool {
        let now = self.state.clock.now();
        let AnswerLimits {
            allowance, inside, ..
        } = &mut self.answers;
        // Only for a host without an entry: it has no session that a shared limit could reveal.
        let shared = inside.of(self.state.tables.key(), source);
        let due = self
            .state
            .tables
            .host_mut(origin, source)
            .map(|host| &mut host.errors)
            .or(shared);
        due.is_some_and(|due| allowance.take(due, now, urgency(error)))
    }

    /// Counts a packet from outside that is due an error if it belongs to a session. Called for each
    /// such packet, before the session is looked up: the count must not depend on the session, or an
    /// attacker could find sessions by it.
    pub(super) fn count_error_due(&mut self) {
        self.answers.outside.count(self.state.clock.now());
    }

    /// Answers a packet from outside that belongs to `session` and cannot go on, from the external
    /// address that it was sent to, or else from the router's inside address. Drops it if errors are
    /// off or too many are due.
    pub(super) fn reply_icmp_outside(
        &mut self,
        session: SlotIndex<W>,
        ip: &ipv4::Header,
        failure: HopFailure,
    ) -> Verdict {
        let (reason, error) = (failure.reason(), failure.error());
        let State {
            policy,
            tables,
            clock,
            ..
        } = &mut self.state;
        if !policy.config.outside_icmp_errors {
            return Verdict::Drop(reason);
        }
        let AnswerLimits {
            allowance, outside, ..
        } = &self.answers;
        // The total first: where it refuses, the session keeps its tokens.
        let allowed = outside.answers()
            && tables
                .errors_about(session)
                .is_some_and(|due| allowance.take(due, clock.now(), urgency(error)));
        if !allowed {
            return self.drop_rate_limited(reason);
        }
        // Only untranslated packets come to another address than an external one.
        let router = match self.view().external_number(ip.destination()) {
            Some(_) => ip.destination(),
            None => self.state.policy.config.inside.address().to_bits(),
        };
        Verdict::Reject(Reply::error(reason, router, ip.source(), error))
    }

    /// Whether a ping from outside, sent by `source`, may be answered. If so, it is counted as
    /// answered.
    pub(super) fn may_answer_ping(&mut self, source: u32) -> bool {
        let now = self.state.clock.now();
        let AnswerLimits {
            allowance, pings, ..
        } = &mut self.answers;
        let due = pings.of(self.state.tables.key(), source);
        due.is_some_and(|due| allowance.take(due, now, Urgency::Ordinary))
    }

    /// The verdict on a segment from inside that belongs to no session: a RST, where configured.
    pub(super) fn reset(&mut self, summary: &Summary) -> Verdict {
        let Summary {
            source,
            destination,
            ..
        } = summary;
        let due = match self.state.policy.config.inside_resets {
            InsideResets::Always => true,
            InsideResets::NotForBareAck => !is_bare_ack(&summary.content),
            InsideResets::Never => false,
        };
        if !due {
            return Verdict::Drop(DropReason::NoSession);
        }
        let ends = Ends {
            source: source.address,
            destination: destination.address,
            ports: [source.port, destination.port],
        };
        if self.may_reset(ends) {
            Verdict::Reject(Reply::reset(DropReason::NoSession, source.address))
        } else {
            self.drop_rate_limited(DropReason::NoSession)
        }
    }

    /// Whether the sender of a segment may be sent a RST now. If so, it is counted as sent.
    fn may_reset(&mut self, ends: Ends) -> bool {
        let State { tables, clock, .. } = &mut self.state;
        // A copy, because the host is borrowed from the same tables for a change.
        let key = tables.key().clone();
        match tables.host_mut(Origin::Host, ends.source) {
            Some(host) => host.reset.take(&key, &ends, clock.tick()),
            // A host without a mapping shares a limit with others.
            None => self.answers.resets.take(&key, ends, clock.now()),
        }
    }

    /// The silent drop of a packet whose answer is beyond its limit.
    pub(super) fn drop_rate_limited(&mut self, reason: DropReason) -> Verdict {
        self.record.count_rate_limited();
        Verdict::Drop(reason)
    }
}

fn urgency(error: Error) -> Urgency {
    match error {
        // Path MTU discovery depends on it (RFC 1191 section 4).
        Error::FragmentationNeeded { .. } => Urgency::Urgent,
        _ => Urgency::Ordinary,
    }
}

/// Whether a segment carries nothing but an acknowledgment.
fn is_bare_ack(content: &Content) -> bool {
    matches!(content, Content::Tcp(Kind::Other, segment) if segment.acknowledgment.is_some() && segment.length == 0)
}
