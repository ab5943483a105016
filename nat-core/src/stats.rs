//! Counters: one packet, one verdict, one count.

mod peaks;

use crate::state::Origin;
use crate::{DropReason, Instant, Side, Verdict};

use peaks::{Peaks, Volume};

/// Packets and bytes of one side. Bytes are those of IPv4 datagrams, link headers and padding left
/// out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Traffic {
    /// Packets that came in.
    pub packets_in: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Translated packets that went out. What the router says itself is counted apart.
    pub packets_out: u64,
    /// Bytes of translated packets that went out.
    pub bytes_out: u64,
}

/// What the engine has done since it was built. Counters never wrap in practice: they have 64 bits.
///
/// Every packet is counted once by its verdict: packets in = forwarded + held + local + rejected +
/// dropped.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Stats {
    /// Traffic of the inside.
    pub inside: Traffic,
    /// Traffic of the outside.
    pub outside: Traffic,
    /// Packets of the router's own stack, given to
    /// [`Nat::process_local`](crate::Nat::process_local).
    pub from_router: u64,
    /// Packets forwarded.
    pub forwarded: u64,
    /// Fragments kept until their first arrives.
    pub held: u64,
    /// Fragments that were held and whose first has come; they count as held only.
    pub released: u64,
    /// Packets handed to the router's own stacks.
    pub local: u64,
    /// Packets whose verdict was an answer by ICMP error.
    pub icmp_errors_sent: u64,
    /// Packets whose verdict was an answer by TCP RST, toward the inside only.
    pub resets_sent: u64,
    /// Answers that were due but beyond their limit (ICMP errors, RSTs, pings from outside); their
    /// packets count as dropped.
    pub answers_withheld: u64,
    /// Mappings created by traffic.
    pub mappings_created: u64,
    /// Sessions created.
    pub sessions_created: u64,
    /// Sessions that ended by their timer.
    pub sessions_expired: u64,
    /// Sessions that were done or half open, and ended to make room for another one of the same
    /// host, see [`Limits`](crate::Limits).
    pub sessions_evicted: u64,
    /// Of those, TCP sessions that one end had not answered yet.
    pub half_open_ended: u64,
    /// External ports that went out of quarantine before their time, because its memory was full.
    pub ports_released_early: u64,
    pub(crate) tcp: TcpStats,
    peaks: Peaks,
    dropped: Reasons,
    rejected: Reasons,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct TcpStats {
    pub(crate) active: u64,
    pub(crate) attempts: u64,
    pub(crate) established: u64,
    pub(crate) idle_timeouts: u64,
    pub(crate) port_errors: u64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Reasons([u64; DropReason::COUNT]);

impl Default for Reasons {
    fn default() -> Self {
        Self([0; DropReason::COUNT])
    }
}

impl Reasons {
    fn count(&mut self, reason: DropReason) {
        if let Some(counter) = self.0.get_mut(reason as usize) {
            *counter = counter.wrapping_add(1);
        }
    }

    fn of(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}

impl Stats {
    /// Packets dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.of(reason)
    }

    /// Packets answered, instead of forwarded, for `reason`.
    pub fn rejected(&self, reason: DropReason) -> u64 {
        self.rejected.of(reason)
    }

    /// All packets dropped.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.total()
    }

    /// All packets answered instead of forwarded.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.total()
    }

    /// The counters under the names that cloud NAT gateways give them.
    pub fn gateway(&self) -> GatewayMetrics {
        let peaks = self.peaks.highest();
        GatewayMetrics {
            active_connection_count: self.tcp.active,
            connection_attempt_count: self.tcp.attempts,
            connection_established_count: self.tcp.established,
            error_port_allocation: self.tcp.port_errors,
            idle_timeout_count: self.tcp.idle_timeouts,
            packets_drop_count: self.dropped_total().wrapping_add(self.rejected_total()),
            bytes_in_from_destination: self.outside.bytes_in,
            packets_in_from_destination: self.outside.packets_in,
            bytes_in_from_source: self.inside.bytes_in,
            packets_in_from_source: self.inside.packets_in,
            bytes_out_to_destination: self.outside.bytes_out,
            packets_out_to_destination: self.outside.packets_out,
            bytes_out_to_source: self.inside.bytes_out,
            packets_out_to_source: self.inside.packets_out,
            peak_bytes_per_second: peaks.bytes,
            peak_packets_per_second: peaks.packets,
        }
    }

    /// Tells the time, before anything is counted that came at `now`.
    pub(crate) fn advance(&mut self, now: Instant) {
        if now >= self.peaks.due() {
            let packets = self.inside.packets_in.wrapping_add(self.outside.packets_in);
            let bytes = self.inside.bytes_in.wrapping_add(self.outside.bytes_in);
            self.peaks.complete(now, Volume { packets, bytes });
        }
    }

    /// When [`Stats::advance`] has work to do.
    pub(crate) fn next_due(&self) -> Instant {
        self.peaks.due()
    }

    pub(crate) fn count_in(&mut self, from: Side, origin: Origin, bytes: usize) {
        if origin == Origin::Router {
            self.from_router = self.from_router.wrapping_add(1);
            return;
        }
        let traffic = self.side(from);
        traffic.packets_in = traffic.packets_in.wrapping_add(1);
        traffic.bytes_in = traffic.bytes_in.wrapping_add(bytes as u64);
    }

    /// Counts a packet that a host sent or gets, which came in from `from` and is forwarded to the
    /// other side.
    pub(crate) fn count_across(&mut self, from: Side, bytes: usize) {
        let (came, left) = match from {
            Side::Inside => (&mut self.inside, &mut self.outside),
            Side::Outside => (&mut self.outside, &mut self.inside),
        };
        came.packets_in = came.packets_in.wrapping_add(1);
        came.bytes_in = came.bytes_in.wrapping_add(bytes as u64);
        left.packets_out = left.packets_out.wrapping_add(1);
        left.bytes_out = left.bytes_out.wrapping_add(bytes as u64);
        self.forwarded = self.forwarded.wrapping_add(1);
    }

    pub(crate) fn count_verdict(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Drop(reason) => self.dropped.count(*reason),
            Verdict::Forward { to, len, .. } | Verdict::Fragment { to, len, .. } => {
                self.forwarded = self.forwarded.wrapping_add(1);
                let traffic = self.side(*to);
                traffic.packets_out = traffic.packets_out.wrapping_add(1);
                traffic.bytes_out = traffic.bytes_out.wrapping_add(*len as u64);
            }
            Verdict::Hold => self.held = self.held.wrapping_add(1),
            Verdict::Local { .. } => self.local = self.local.wrapping_add(1),
            Verdict::Reject(reply) => {
                self.rejected.count(reply.reason());
                let sent = if reply.is_reset() {
                    &mut self.resets_sent
                } else {
                    &mut self.icmp_errors_sent
                };
                *sent = sent.wrapping_add(1);
            }
        }
    }

    /// Counts a fragment that had been held.
    pub(crate) fn count_released(&mut self, verdict: &Verdict) {
        self.released = self.released.wrapping_add(1);
        if let Verdict::Forward { to, len, .. } | Verdict::Fragment { to, len, .. } = verdict {
            let traffic = self.side(*to);
            traffic.packets_out = traffic.packets_out.wrapping_add(1);
            traffic.bytes_out = traffic.bytes_out.wrapping_add(*len as u64);
        }
    }

    fn side(&mut self, side: Side) -> &mut Traffic {
        match side {
            Side::Inside => &mut self.inside,
            Side::Outside => &mut self.outside,
        }
    }
}

/// The counters under the names of the AWS NAT gateway's CloudWatch metrics, as totals since the
/// engine was built; but for the connections there are now, and for the peaks.
///
/// The peaks are of the packets received on both sides, whatever became of them; those of the
/// router itself are not among them. They are as of the last call that told the engine the time:
/// the clock is cut into windows of 10 s, which begin at whole multiples of 10 s, and the six that
/// were complete by then count. So a peak is seen 10 s after its beginning at the latest, and
/// forgotten a minute after its window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct GatewayMetrics {
    /// `ActiveConnectionCount`: TCP sessions there are now.
    pub active_connection_count: u64,
    /// `ConnectionAttemptCount`: TCP connections tried.
    pub connection_attempt_count: u64,
    /// `ConnectionEstablishedCount`: TCP connections established.
    pub connection_established_count: u64,
    /// `ErrorPortAllocation`: times that no external port could be had.
    pub error_port_allocation: u64,
    /// `IdleTimeoutCount`: TCP connections that ended by their idle timer, not closed by FIN or
    /// RST.
    pub idle_timeout_count: u64,
    /// `PacketsDropCount`: packets dropped, the answered ones included.
    pub packets_drop_count: u64,
    /// `BytesInFromDestination`: received outside.
    pub bytes_in_from_destination: u64,
    /// `PacketsInFromDestination`: received outside.
    pub packets_in_from_destination: u64,
    /// `BytesInFromSource`: received inside.
    pub bytes_in_from_source: u64,
    /// `PacketsInFromSource`: received inside.
    pub packets_in_from_source: u64,
    /// `BytesOutToDestination`: sent outside.
    pub bytes_out_to_destination: u64,
    /// `PacketsOutToDestination`: sent outside.
    pub packets_out_to_destination: u64,
    /// `BytesOutToSource`: sent inside.
    pub bytes_out_to_source: u64,
    /// `PacketsOutToSource`: sent inside.
    pub packets_out_to_source: u64,
    /// `PeakBytesPerSecond`: the highest average of a window, in bytes a second, rounded down.
    pub peak_bytes_per_second: u64,
    /// `PeakPacketsPerSecond`: the highest average of a window, in packets a second, rounded down.
    pub peak_packets_per_second: u64,
}

impl GatewayMetrics {
    /// Each metric's published name with its value, for reports.
    pub const fn named(&self) -> [(&'static str, u64); 16] {
        [
            ("ActiveConnectionCount", self.active_connection_count),
            ("ConnectionAttemptCount", self.connection_attempt_count),
            (
                "ConnectionEstablishedCount",
                self.connection_established_count,
            ),
            ("ErrorPortAllocation", self.error_port_allocation),
            ("IdleTimeoutCount", self.idle_timeout_count),
            ("PacketsDropCount", self.packets_drop_count),
            ("BytesInFromDestination", self.bytes_in_from_destination),
            ("PacketsInFromDestination", self.packets_in_from_destination),
            ("BytesInFromSource", self.bytes_in_from_source),
            ("PacketsInFromSource", self.packets_in_from_source),
            ("BytesOutToDestination", self.bytes_out_to_destination),
            ("PacketsOutToDestination", self.packets_out_to_destination),
            ("BytesOutToSource", self.bytes_out_to_source),
            ("PacketsOutToSource", self.packets_out_to_source),
            ("PeakBytesPerSecond", self.peak_bytes_per_second),
            ("PeakPacketsPerSecond", self.peak_packets_per_second),
        ]
    }
}
