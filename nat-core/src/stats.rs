//! Counters: each packet gets one verdict and is counted once.

mod peak_rates;

use crate::state::Origin;
use crate::{DropReason, Instant, Side, Verdict};

use peak_rates::{PeakRates, Volume};

/// Packets and bytes of one side. Bytes are those of IPv4 datagrams, without link headers and
/// padding.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Traffic {
    /// Packets received.
    pub packets_in: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Packets sent, translated or to untranslated destinations. ICMP errors and RSTs of the router
    /// are not included.
    pub packets_out: u64,
    /// Bytes of translated packets sent.
    pub bytes_out: u64,
}

/// What the NAT has done since it was built. Counters have 64 bits and do not wrap in practice.
///
/// Every packet is counted once by its verdict: packets in of both sides, and packets from the
/// router's own stack = forwarded + held + local + rejected + dropped.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Stats {
    /// Traffic on the inside.
    pub inside: Traffic,
    /// Traffic on the outside.
    pub outside: Traffic,
    /// Packets from the router's own stack, passed to
    /// [`Nat::process_local`](crate::Nat::process_local).
    pub from_router: u64,
    /// Packets forwarded.
    pub forwarded: u64,
    /// Fragments held until their first fragment arrives. Those that it has not released after 2 s
    /// are lost: `held` without `released`.
    pub held: u64,
    /// Fragments that were held and were released when their first fragment arrived. They are
    /// counted as `held` in the sum above.
    pub released: u64,
    /// Packets handed to the router's own stacks.
    pub local: u64,
    /// Packets rejected with an ICMP error.
    pub icmp_errors_sent: u64,
    /// Packets rejected with a TCP RST, which only inside hosts get.
    pub resets_sent: u64,
    /// Replies that were not sent because of their limit: ICMP errors, RSTs, and replies to pings
    /// from outside. The packets are counted as dropped.
    pub replies_rate_limited: u64,
    /// Mappings created by traffic.
    pub mappings_created: u64,
    /// Sessions created.
    pub sessions_created: u64,
    /// Sessions that ended by timeout.
    pub sessions_expired: u64,
    /// Finished or half-open sessions that were ended for another session of the same host, see
    /// [`Limits`](crate::Limits).
    pub sessions_evicted: u64,
    /// Of `sessions_evicted`, the TCP sessions in which one end had not answered the other yet.
    pub half_open_evicted: u64,
    /// External ports that left quarantine early, because its memory was full.
    pub ports_released_early: u64,
    pub(crate) tcp: TcpStats,
    /// What the fast path has forwarded since it was last added to the counters above, by the side
    /// that it came from.
    fast: [FastTraffic; 2],
    peaks: PeakRates,
    dropped: Reasons,
    rejected: Reasons,
}

/// Traffic in 32 bits, so that a packet takes two short additions instead of five long ones.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct FastTraffic {
    packets: u32,
    bytes: u32,
}

impl FastTraffic {
    /// Beyond this many bytes they are added to the counters of 64 bits.
    const MAX_BYTES: u32 = 1 << 31;

    fn add_to(self, came: &mut Traffic, left: &mut Traffic) {
        let (packets, bytes) = (u64::from(self.packets), u64::from(self.bytes));
        came.packets_in = came.packets_in.wrapping_add(packets);
        came.bytes_in = came.bytes_in.wrapping_add(bytes);
        left.packets_out = left.packets_out.wrapping_add(packets);
        left.bytes_out = left.bytes_out.wrapping_add(bytes);
    }
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

    /// Packets answered with an error for `reason` instead of being forwarded.
    pub fn rejected(&self, reason: DropReason) -> u64 {
        self.rejected.of(reason)
    }

    /// All packets dropped.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.total()
    }

    /// All packets answered with an error instead of being forwarded.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.total()
    }

    /// The counters under the names that AWS uses for its NAT gateway.
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

    /// Completes measurement windows that have ended. To be called before anything that arrived at
    /// `now` is counted.
    pub(crate) fn advance(&mut self, now: Instant) {
        // In a window of 10 s this is true once, so a packet costs one comparison.
        if now >= self.peaks.due() {
            self.add_fast();
            let packets = self.inside.packets_in.wrapping_add(self.outside.packets_in);
            let bytes = self.inside.bytes_in.wrapping_add(self.outside.bytes_in);
            self.peaks.complete(now, Volume { packets, bytes });
        }
    }

    /// When [`Stats::advance`] next has something to do.
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

    /// Counts a packet that came from a host on side `from` and is forwarded to the other side.
    #[inline(always)]
    pub(crate) fn count_fast(&mut self, from: Side, bytes: u16) {
        let [inside, outside] = &mut self.fast;
        let traffic = match from {
            Side::Inside => inside,
            Side::Outside => outside,
        };
        traffic.packets = traffic.packets.wrapping_add(1);
        traffic.bytes = traffic.bytes.wrapping_add(u32::from(bytes));
        if traffic.bytes > FastTraffic::MAX_BYTES {
            self.add_fast();
        }
    }

    /// Adds what the fast path has counted to the counters of 64 bits.
    #[cold]
    #[inline(never)]
    fn add_fast(&mut self) {
        let [inside, outside] = core::mem::take(&mut self.fast);
        let packets = u64::from(inside.packets).wrapping_add(u64::from(outside.packets));
        self.forwarded = self.forwarded.wrapping_add(packets);
        inside.add_to(&mut self.inside, &mut self.outside);
        outside.add_to(&mut self.outside, &mut self.inside);
    }

    /// The counters up to date.
    pub(crate) fn current(&self) -> Self {
        let mut current = self.clone();
        current.add_fast();
        current
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

    /// Counts the verdict on a fragment that was held. One that is dropped counts as dropped from
    /// then on, and not as held.
    pub(crate) fn count_released(&mut self, verdict: &Verdict) {
        if let Verdict::Drop(reason) = verdict {
            self.held = self.held.wrapping_sub(1);
            self.dropped.count(*reason);
            return;
        }
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

/// The counters under the names of the AWS NAT gateway's CloudWatch metrics: totals since the NAT
/// was built, except for the number of active connections and the peaks.
///
/// The peaks are those of packets received on both sides, whatever their verdict, without packets
/// of the router itself. Time is divided into windows of 10 s that begin at whole multiples of 10
/// s. A peak is the highest average of the last six complete windows, as of the last call that
/// passed the time. So a peak is visible at most 10 s after it began, and for one minute after its
/// window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct GatewayMetrics {
    /// `ActiveConnectionCount`: TCP sessions at present, without closed and reset ones.
    pub active_connection_count: u64,
    /// `ConnectionAttemptCount`: TCP connections attempted.
    pub connection_attempt_count: u64,
    /// `ConnectionEstablishedCount`: TCP connections established.
    pub connection_established_count: u64,
    /// `ErrorPortAllocation`: how often no external port was free.
    pub error_port_allocation: u64,
    /// `IdleTimeoutCount`: TCP connections that ended by idle timeout, without FIN or RST.
    pub idle_timeout_count: u64,
    /// `PacketsDropCount`: packets dropped, including those answered with an error.
    pub packets_drop_count: u64,
    /// `BytesInFromDestination`: bytes received on the outside.
    pub bytes_in_from_destination: u64,
    /// `PacketsInFromDestination`: packets received on the outside.
    pub packets_in_from_destination: u64,
    /// `BytesInFromSource`: bytes received on the inside.
    pub bytes_in_from_source: u64,
    /// `PacketsInFromSource`: packets received on the inside.
    pub packets_in_from_source: u64,
    /// `BytesOutToDestination`: bytes sent on the outside.
    pub bytes_out_to_destination: u64,
    /// `PacketsOutToDestination`: packets sent on the outside.
    pub packets_out_to_destination: u64,
    /// `BytesOutToSource`: bytes sent on the inside.
    pub bytes_out_to_source: u64,
    /// `PacketsOutToSource`: packets sent on the inside.
    pub packets_out_to_source: u64,
    /// `PeakBytesPerSecond`: the highest average of a window, in bytes per second, rounded down.
    pub peak_bytes_per_second: u64,
    /// `PeakPacketsPerSecond`: the highest average of a window, in packets per second, rounded
    /// down.
    pub peak_packets_per_second: u64,
}

impl GatewayMetrics {
    /// Each metric's published name and value.
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
