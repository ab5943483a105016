//! Counters of frames. The NAT counts datagrams: see [`nat_core::Stats`].

use nat_core::Side;

macro_rules! frame_drops {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a frame was dropped before the NAT processed it, or a datagram after that.
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
    /// An ARP packet that claims the address of a neighbour whose hardware address is known to be
    /// another. It is not believed until the known station stops answering. A request for the
    /// router's address is answered all the same.
    ArpConflict = "arp-conflict",
    /// It waited for a neighbour's hardware address, and was evicted by a newer packet.
    ArpPendingReplaced = "arp-pending-replaced",
    /// The neighbour did not answer, or was evicted by another one.
    ArpUnresolved = "arp-unresolved",
    /// An ARP packet that is malformed, or whose hardware address no other station can have.
    BadArp = "bad-arp",
    /// The source hardware address is a group address, zero, or the router's own; or the source IP
    /// address is a multicast or broadcast address.
    BadSource = "bad-source",
    /// Its destination is the broadcast address of the network that it would leave to (RFC 2644).
    DirectedBroadcast = "directed-broadcast",
    /// A DHCPDISCOVER of the router's own stack, which sends them too often (RFC 2131 section 4.1).
    DiscoverTooSoon = "discover-too-soon",
    /// An ARP packet in which another station claims an address of the router (RFC 5227).
    DuplicateAddress = "duplicate-address",
    /// It waited for a neighbour's hardware address when the link went down or the outside address
    /// changed; or some of its fragments had not left when the outside address changed.
    Flushed = "flushed",
    /// Longer than the frames of the driver that it came from or leaves by, or those of the local
    /// stack.
    Giant = "giant",
    /// IPv6, which is not forwarded.
    Ipv6 = "ipv6",
    /// A broadcast frame with the IP address of one host; or the ICMP error that another broadcast
    /// frame would cause (RFC 1122).
    LinkBroadcast = "link-broadcast",
    /// The link that it would leave by is down.
    LinkDown = "link-down",
    /// The queue of the router's own stack is full.
    LocalQueueFull = "local-queue-full",
    /// Sent to a multicast hardware address.
    Multicast = "multicast",
    /// Too many neighbours are being queried.
    NeighboursFull = "neighbours-full",
    /// There is no gateway to its destination, or no outside address.
    NoRoute = "no-route",
    /// Neither IPv4, IPv6 nor ARP.
    OtherEthertype = "other-ethertype",
    /// Sent to another station.
    OtherStation = "other-station",
    /// Too short for its link header.
    Runt = "runt",
    /// The driver that it would leave by has been full for too long.
    TxFull = "tx-full",
    /// Tagged for a VLAN (IEEE 802.1Q), which is not supported. A tag with the VLAN id 0 only gives
    /// a priority, and is ignored.
    Vlan = "vlan",
}

/// The counters of one side. On a side without link headers each datagram is a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SideStats {
    /// Frames received from the driver.
    pub received: u64,
    /// Frames given to the driver.
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

    /// Frames dropped for `reason`. What is wrong with a frame itself is counted on the side that
    /// it came from; what keeps it from leaving, on the side that it would have left by.
    pub fn dropped(&self, reason: FrameDrop) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// All frames dropped.
    pub fn dropped_total(&self) -> u64 {
        self.dropped
            .iter()
            .fold(0, |sum, count| sum.wrapping_add(*count))
    }

    const fn begun(&self) -> u64 {
        self.received.wrapping_add(self.from_stack)
    }

    fn ended(&self) -> u64 {
        self.sent
            .wrapping_add(self.to_stack)
            .wrapping_add(self.dropped_total())
    }

    pub(crate) fn drop_frame(&mut self, reason: FrameDrop) {
        if let Some(counter) = self.dropped.get_mut(reason as usize) {
            *counter = counter.wrapping_add(1);
        }
    }
}

/// The frame counters of a router since it was built.
///
/// Nothing is lost without a counter: [`FrameStats::waiting`] is an equation over all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct FrameStats {
    /// The LAN.
    pub inside: SideStats,
    /// The WAN.
    pub outside: SideStats,
    /// Frames that ended in the router itself: ARP packets that it answered or learned from, and
    /// pings that it answered without its stacks.
    pub consumed: u64,
    /// Frames that began in the router: ARP packets, answers to pings, ICMP errors, RSTs, the
    /// frames of [`Control::send_frame`](crate::Control::send_frame), and of a datagram that
    /// leaves in fragments, each fragment but the first.
    pub made: u64,
    /// How often timers of the NAT were still due after they were handled, and were deferred by a
    /// second. Anything but 0 is a fault of the NAT: please report it.
    pub timers_deferred: u64,
}

impl FrameStats {
    pub(crate) const ZERO: Self = Self {
        inside: SideStats::ZERO,
        outside: SideStats::ZERO,
        consumed: 0,
        made: 0,
        timers_deferred: 0,
    };

    /// The frames that wait in the router: for ARP, or for the driver that they leave by. They are
    /// what all counters leave over, those of the NAT (`nat`) included:
    ///
    /// `received + from_stack + made + nat.released = sent + to_stack + dropped + consumed +
    /// nat.dropped + nat.rejected + nat.held + waiting`
    ///
    /// `nat` must be the statistics of the same moment, and all packets of the NAT must have come
    /// from the router. A side has at most 6 such frames with the default memory: 4 packets that
    /// wait for ARP, a datagram in fragments, and one frame of the application.
    pub fn waiting(&self, nat: &nat_core::Stats) -> u64 {
        let begun = self.inside.begun().wrapping_add(self.outside.begun());
        let ended = self.inside.ended().wrapping_add(self.outside.ended());
        let in_nat = nat.held.wrapping_sub(nat.released);
        let by_nat = nat.dropped_total().wrapping_add(nat.rejected_total());
        begun
            .wrapping_add(self.made)
            .wrapping_sub(ended)
            .wrapping_sub(self.consumed)
            .wrapping_sub(by_nat)
            .wrapping_sub(in_nat)
    }

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
