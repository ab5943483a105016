//! Why a packet is discarded.

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
    /// The checksum of an ICMP error is wrong, or the transport checksum of a packet that would open
    /// a session, change its state or be answered.
    BadChecksum = "bad-checksum",
    /// A fragment that fits no datagram, or would overwrite a header that another has shown (RFC
    /// 1858, RFC 3128).
    BadFragment = "bad-fragment",
    /// The IPv4 header checksum is wrong.
    BadHeaderChecksum = "bad-header-checksum",
    /// The header length is below 20 bytes or beyond the datagram.
    BadHeaderLength = "bad-header-length",
    /// An IPv4 option is malformed.
    BadOptions = "bad-options",
    /// The packet quoted by an ICMP error is malformed, or was not sent from where the error goes; or
    /// the error reports a path MTU below 68 (RFC 5927).
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
    /// A ping to an address of the router that is not answered: it is configured so, the ping is in
    /// fragments, or there are too many.
    EchoRefused = "echo-refused",
    /// There is a mapping, but the filter does not let this sender in (RFC 4787 REQ-8).
    Filtered = "filtered",
    /// A fragment for which there is no memory, or whose datagram was refused.
    Fragment = "fragment",
    /// From inside to an external address, and it cannot be sent back inside.
    Hairpin = "hairpin",
    /// Too many TCP connections of the inside host, or of all, are half open: begun and not answered
    /// (RFC 4987).
    HalfOpenLimit = "half-open-limit",
    /// The inside host has used up its sessions or mappings, or the sessions of one mapping (RFC 6888
    /// REQ-4, REQ-5).
    HostLimit = "host-limit",
    /// The inside host opens sessions or mappings faster than it may (RFC 6888 REQ-4c).
    HostRate = "host-rate",
    /// The table of inside hosts that have mappings is full.
    HostTableFull = "host-table-full",
    /// A bucket of an index is full. There is no further probing, so that a look-up stays bounded.
    IndexFull = "index-full",
    /// The destination is an inside address: a packet from inside does not need the router to reach
    /// it, and one from outside must not.
    InsideDestination = "inside-destination",
    /// Source and destination are the same address (LAND).
    Land = "land",
    /// The mapping table is full.
    MappingTableFull = "mapping-table-full",
    /// A source or destination address that no forwarded packet may carry (RFC 1812 section 5.3.7).
    Martian = "martian",
    /// No mapping has this external port. The packet is unsolicited.
    NoMapping = "no-mapping",
    /// No session matches a packet that cannot open one.
    NoSession = "no-session",
    /// From outside, and not to an address of the router.
    NotForUs = "not-for-us",
    /// Larger than the MTU of the side that it would leave by, and it must not be fragmented.
    PacketTooBig = "packet-too-big",
    /// Every external port of the range is taken (`ErrorPortAllocation`).
    PortsExhausted = "ports-exhausted",
    /// A source or destination port of zero.
    PortZero = "port-zero",
    /// Too soon after the start for a new mapping: its port may have been in use before (RFC 6888
    /// REQ-8).
    Quarantine = "quarantine",
    /// A record route or timestamp option (RFC 7126 sections 4.5 and 4.7).
    RecordRoute = "record-route",
    /// The session table is full.
    SessionTableFull = "session-table-full",
    /// A source route option (RFC 7126 sections 4.3 and 4.4).
    SourceRoute = "source-route",
    /// From inside, with a source address that is not in the inside network; or from the router's
    /// outside stack, with one that is not external.
    SpoofedSource = "spoofed-source",
    /// The packet is shorter than an IPv4 header.
    Truncated = "truncated",
    /// The time to live is used up.
    TtlExpired = "ttl-expired",
    /// An ICMP type that is not translated.
    UnknownIcmpType = "unknown-icmp-type",
    /// A protocol other than UDP, TCP and ICMP. From inside, answered with an ICMP error (RFC 5508
    /// REQ-8).
    UnknownProtocol = "unknown-protocol",
}
