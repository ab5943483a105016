//! Counters of frames. What happens to datagrams is counted by the NAT: see [`nat_core::Stats`].

use nat_core::Side;

macro_rules! frame_drops {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a frame was discarded before the NAT saw it, or a datagram after.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub enum FrameDrop {
            $($(#[$doc])* $name,)*
        }

        impl FrameDrop {
            /// Every reason, in the order of the variants.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// The number of reasons.
            pub const COUNT: usize = Self::ALL.len();

            /// The reason as a word for logs and reports, such as `tx-full`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        impl core::fmt::Display for FrameDrop {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

frame_drops! {
    /// An ARP packet that claims the address of a neighbour for another station than the one known, which is asked first. Not
    /// believed, but answered where it asks for the router.
    ArpConflict = "arp-conflict",
    /// It waited for a neighbour's address, and a newer packet took its place.
    ArpPendingReplaced = "arp-pending-replaced",
    /// The neighbour did not answer, or had to make room for another.
    ArpUnresolved = "arp-unresolved",
    /// An ARP packet that is malformed, or claims what cannot be.
    BadArp = "bad-arp",
    /// The sender's hardware address is that of a group, of nobody, or of the router; or its IP address is that of all hosts.
    BadSource = "bad-source",
    /// For the broadcast address of the network it would have to leave to (RFC 2644).
    DirectedBroadcast = "directed-broadcast",
    /// A DHCPDISCOVER of the router's own stack, which looks for a server too often (RFC 2131 section 4.1).
    DiscoverTooSoon = "discover-too-soon",
    /// An ARP packet in which another station claims an address of the router (RFC 5227).
    DuplicateAddress = "duplicate-address",
    /// It waited for a neighbour's address when the link went down or the outside address changed; or it had not left in all
    /// its fragments when the outside address changed.
    Flushed = "flushed",
    /// Longer than what carries it: the driver it came from or leaves by, or a frame of the local stack.
    Giant = "giant",
    /// IPv6, which is not forwarded.
    Ipv6 = "ipv6",
    /// Sent to every station, but to one IP address; or an answer to a broadcast frame would have been due (RFC 1122).
    LinkBroadcast = "link-broadcast",
    /// The link it would leave by is down.
    LinkDown = "link-down",
    /// The router's own stack does not keep up.
    LocalQueueFull = "local-queue-full",
    /// Sent to a group of stations.
    Multicast = "multicast",
    /// As many neighbours as may be are being asked for.
    NeighboursFull = "neighbours-full",
    /// No gateway leads to its destination, or there is no outside address yet.
    NoRoute = "no-route",
    /// Neither IPv4, IPv6 nor ARP.
    OtherEthertype = "other-ethertype",
    /// Sent to another station.
    OtherStation = "other-station",
    /// Too short for its link header.
    Runt = "runt",
    /// The driver it would leave by has had no room for too long.
    TxFull = "tx-full",
    /// Tagged for a VLAN (IEEE 802.1Q), which is not supported. A tag with the VLAN id 0 names none, and is ignored.
    Vlan = "vlan",
}

/// Frames of one side. On a side without link headers each datagram is a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SideStats {
    /// Frames that the driver handed up.
    pub received: u64,
    /// Frames that the driver was given.
    pub sent: u64,
    /// Frames handed to the router's own stack.
    pub to_stack: u64,
    /// Frames taken from the router's own stack.
    pub from_stack: u64,
    dropped: [u64; FrameDrop::COUNT],
}

impl SideStats {
    const ZERO: Self = Self {
        received: 0,
        sent: 0,
        to_stack: 0,
        from_stack: 0,
        dropped: [0; FrameDrop::COUNT],
    };

    /// Frames dropped for `reason`: on the side they came from if it concerns what they are, and on
    /// the side they would have left by if it concerns the way out.
    pub fn dropped(&self, reason: FrameDrop) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// All frames dropped.
    pub fn dropped_total(&self) -> u64 {
        self.dropped
            .iter()
            .fold(0, |sum, count| sum.wrapping_add(*count))
    }

    pub(crate) fn drop_frame(&mut self, reason: FrameDrop) {
        if let Some(counter) = self.dropped.get_mut(reason as usize) {
            *counter = counter.wrapping_add(1);
        }
    }
}

/// What the adapter has done since it was built, frame by frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct FrameStats {
    /// The LAN.
    pub inside: SideStats,
    /// The WAN.
    pub outside: SideStats,
    /// How often the NAT had work to do that it had just been told to do, which is then put off by
    /// a second. Always 0, or else a fault of the NAT: please report it.
    pub timers_put_off: u64,
}

impl FrameStats {
    pub(crate) const ZERO: Self = Self {
        inside: SideStats::ZERO,
        outside: SideStats::ZERO,
        timers_put_off: 0,
    };

    /// The counters of `side`.
    pub const fn side(&self, side: Side) -> &SideStats {
        match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        }
    }

    pub(crate) const fn side_mut(&mut self, side: Side) -> &mut SideStats {
        match side {
            Side::Inside => &mut self.inside,
            Side::Outside => &mut self.outside,
        }
    }
}
