//! What happens to a packet.

use core::net::Ipv4Addr;

use crate::Reply;

/// A side of the router.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Side {
    /// The private network, whose addresses never leave.
    Inside,
    /// The network that sees the external addresses only.
    Outside,
}

impl Side {
    /// The other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Inside => Self::Outside,
            Self::Outside => Self::Inside,
        }
    }
}

impl core::fmt::Display for Side {
    /// `inside` or `outside`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        })
    }
}

/// What the caller does with a packet that [`Nat::process`](crate::Nat::process) has judged.
///
/// Exhaustive on purpose: a new verdict must break every adapter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a packet without its verdict carried out is lost without a trace"]
pub enum Verdict {
    /// Discard the packet. The tables are as they were, counters aside.
    Drop(DropReason),
    /// Send the first `len` bytes of the buffer out of side `to`: they hold the translated
    /// datagram.
    Forward {
        /// The side to send it out of.
        to: Side,
        /// The datagram's destination, whose next hop gets it.
        destination: Ipv4Addr,
        /// The length of the datagram in bytes, link padding left out.
        len: usize,
    },
    /// Send the first `len` bytes of the buffer, the translated datagram, out of side `to` in
    /// fragments: see [`Fragmenter`](crate::Fragmenter).
    Fragment {
        /// The side to send it out of.
        to: Side,
        /// The datagram's destination, whose next hop gets it.
        destination: Ipv4Addr,
        /// The length of the datagram in bytes, link padding left out.
        len: usize,
        /// The largest fragment, in bytes.
        mtu: u16,
    },
    /// The engine has kept a copy of the packet, a fragment that waits for its first. Discard the
    /// buffer.
    Hold,
    /// Hand the first `len` bytes of the buffer to the router's own stack on side `side`.
    ///
    /// That can be the outside stack for a packet from inside: a ping to an external address, where
    /// [`Config::outside_ping`](crate::Config::outside_ping) is set. Its answer goes back inside,
    /// and not through the NAT.
    Local {
        /// The side whose stack the packet is for.
        side: Side,
        /// The length of the datagram in bytes, link padding left out.
        len: usize,
    },
    /// Discard the packet and send exactly one answer back out of the side it came from: see
    /// [`Reply::emit`].
    Reject(Reply),
}

impl From<DropReason> for Verdict {
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a packet was discarded, or answered with an error instead of being forwarded.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// Every reason, in the order of the variants.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// The number of reasons.
            pub const COUNT: usize = Self::ALL.len();

            /// The reason as a word for logs and reports, such as `bad-header-checksum`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        impl core::fmt::Display for DropReason {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

drop_reasons! {
    /// No external address is set.
    AddressMissing = "address-missing",
    /// The checksum of an ICMP error is wrong, or the transport checksum of a packet that would open a session, change its
    /// state or be answered.
    BadChecksum = "bad-checksum",
    /// A fragment that fits no datagram, or would overwrite a header that another has shown (RFC 1858, RFC 3128).
    BadFragment = "bad-fragment",
    /// The IPv4 header checksum is wrong.
    BadHeaderChecksum = "bad-header-checksum",
    /// The header length is below 20 bytes or beyond the datagram.
    BadHeaderLength = "bad-header-length",
    /// An IPv4 option is malformed.
    BadOptions = "bad-options",
    /// The packet quoted by an ICMP error is malformed, or is not one that was sent from where the error goes; or the
    /// error tells of a path MTU that cannot be (RFC 5927).
    BadQuote = "bad-quote",
    /// TCP flags that no legal segment carries.
    BadTcpFlags = "bad-tcp-flags",
    /// The total length is beyond the packet, or below the headers.
    BadTotalLength = "bad-total-length",
    /// The transport header does not fit, or its own length field is wrong.
    BadTransportLength = "bad-transport-length",
    /// The IP version is not 4.
    BadVersion = "bad-version",
    /// A multicast or broadcast destination, which is never translated.
    Broadcast = "broadcast",
    /// A ping to an address of the router that does not answer it: as configured, as a fragment, or beyond the limit.
    EchoRefused = "echo-refused",
    /// A mapping exists, but the filter does not let this sender in (RFC 4787 REQ-8).
    Filtered = "filtered",
    /// A fragment for which there is no room, or whose datagram was refused.
    Fragment = "fragment",
    /// From inside to an external address, and nothing that can be turned back inside.
    Hairpin = "hairpin",
    /// Too many TCP connections of the inside host, or of all, have been begun and not answered (RFC 4987).
    HalfOpenLimit = "half-open-limit",
    /// The inside host has used up its sessions or mappings, or the sessions of one mapping (RFC 6888 REQ-4, REQ-5).
    HostLimit = "host-limit",
    /// The inside host gets its sessions or mappings faster than it may (RFC 6888 REQ-4c).
    HostRate = "host-rate",
    /// As many inside hosts as the table holds have mappings already.
    HostTableFull = "host-table-full",
    /// An index bucket is full: the bound on probes is kept by refusing, not by searching on.
    IndexFull = "index-full",
    /// The destination is an inside address that the packet has no need of the router to reach, or must not reach.
    InsideDestination = "inside-destination",
    /// Source and destination are the same address (LAND).
    Land = "land",
    /// The mapping table is full.
    MappingTableFull = "mapping-table-full",
    /// A source or destination address that no forwarded packet may carry (RFC 1812 section 5.3.7).
    Martian = "martian",
    /// No mapping has this external port: unsolicited.
    NoMapping = "no-mapping",
    /// No session matches a packet that cannot open one.
    NoSession = "no-session",
    /// From outside, and not to an address of the router.
    NotForUs = "not-for-us",
    /// Larger than the MTU of the side it would leave by, and not to be fragmented.
    PacketTooBig = "packet-too-big",
    /// Every external port of the range is taken (`ErrorPortAllocation`).
    PortsExhausted = "ports-exhausted",
    /// A source or destination port of zero.
    PortZero = "port-zero",
    /// Too soon after the start for a new mapping: its port may have been in use before (RFC 6888 REQ-8).
    Quarantine = "quarantine",
    /// A record route or timestamp option (RFC 7126 sections 4.5 and 4.7).
    RecordRoute = "record-route",
    /// The session table is full.
    SessionTableFull = "session-table-full",
    /// A source route option (RFC 7126 sections 4.3 and 4.4).
    SourceRoute = "source-route",
    /// From inside, with a source address that is not of the inside network.
    SpoofedSource = "spoofed-source",
    /// The packet is shorter than an IPv4 header.
    Truncated = "truncated",
    /// The time to live is used up.
    TtlExpired = "ttl-expired",
    /// An ICMP type that is not translated.
    UnknownIcmpType = "unknown-icmp-type",
    /// A protocol other than UDP, TCP and ICMP. From inside, answered with an ICMP error (RFC 5508 REQ-8).
    UnknownProtocol = "unknown-protocol",
}
