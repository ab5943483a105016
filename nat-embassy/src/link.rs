//! One side of the router: what is known about its driver, its neighbours and its local stack.

use core::net::Ipv4Addr;
use core::time::Duration;

use embassy_net_driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;
use nat_core::{Instant, Side, Width};
use zerocopy::IntoBytes;

use crate::arp::Packet;
use crate::control::Inner;
use crate::discovery::Discovery;
use crate::ethernet::{EtherType, Header, Mac, TAG_LEN, is_tagged, without_priority_tag};
use crate::local::{ChannelState, LocalDevice, StackPort};
use crate::neighbours::{Neighbours, NextHop};
use crate::outgoing::Outgoing;
use crate::port::{Medium, Properties};
use crate::waiting::{Stored, WaitingPackets};
use crate::{FrameDrop, Outside, ipv4};

/// Bytes that some drivers leave at the end of a frame: the frame check sequence.
const CHECK_SEQUENCE_LEN: usize = 4;

/// How long the local stack is expected to remember a neighbour it was told of: far less than it
/// does, because whatever changes its addresses makes it forget.
const INTRODUCTION_HOLDS: Duration = Duration::from_secs(1);

/// What a received frame carries, when it is for us.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Arp,
    Ipv4(Option<Header>),
}

/// What is known about the driver of one side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nic {
    pub(crate) side: Side,
    pub(crate) medium: Medium,
    /// The longest frame it carries, link header included.
    max_frame: usize,
    clear_icmp_checksum: bool,
}

/// One side of the router.
pub(crate) struct Link<'d> {
    pub(crate) nic: Nic,
    pub(crate) up: bool,
    pub(crate) stack: StackPort<'d>,
    pub(crate) neighbours: Neighbours<'d>,
    pub(crate) waiting: WaitingPackets<'d>,
    /// How many of the router's addresses on this side have been announced.
    pub(crate) announced: usize,
    /// When they were announced last because another station claimed one.
    pub(crate) defended_at: Option<Instant>,
}

/// What of a side a datagram needs on its way out.
pub(crate) struct Way<'a, 'd> {
    pub(crate) nic: &'a Nic,
    pub(crate) neighbours: &'a mut Neighbours<'d>,
    pub(crate) waiting: &'a mut WaitingPackets<'d>,
}

impl Nic {
    pub(crate) fn new(side: Side, properties: &Properties) -> Self {
        Self {
            side,
            medium: Medium::of(properties.address),
            max_frame: properties.max_frame,
            clear_icmp_checksum: properties.fills_icmp_checksum,
        }
    }

    /// The address of our station; `None` on a medium without stations.
    pub(crate) const fn mac(&self) -> Option<Mac> {
        match self.medium {
            Medium::Ethernet(mac) => Some(mac),
            Medium::Ip | Medium::Unsupported => None,
        }
    }

    /// Finds out what a received frame carries: the frame, without a priority tag, and its content.
    pub(crate) fn classify<'a>(
        &self,
        frame: &'a mut [u8],
    ) -> Result<(&'a mut [u8], Content), FrameDrop> {
        match self.classify_untagged(frame) {
            Ok(content) => Ok((frame, content)),
            Err(FrameDrop::Vlan) => {
                let frame = without_priority_tag(frame).ok_or(FrameDrop::Vlan)?;
                let content = self.classify_untagged(frame)?;
                Ok((frame, content))
            }
            Err(reason) => Err(reason),
        }
    }

    /// Whether a frame is too long to be taken in. A tag comes on top of what the driver carries.
    fn is_giant(&self, frame: &mut [u8]) -> bool {
        let longest = self.max_frame.saturating_add(CHECK_SEQUENCE_LEN);
        let is_ethernet = matches!(self.medium, Medium::Ethernet(_));
        frame.len() > longest
            && !(is_ethernet && frame.len() <= longest.saturating_add(TAG_LEN) && is_tagged(frame))
    }

    /// Whether the datagram in a frame of Ethernet is longer than this side carries, so that what
    /// is beyond the longest frame is not its check sequence.
    fn exceeds(&self, frame: &[u8]) -> bool {
        let datagram = || frame.get(Header::LEN..).map_or(0, ipv4::total_length);
        frame.len() > self.max_frame && datagram().saturating_add(Header::LEN) > self.max_frame
    }

    fn classify_untagged(&self, frame: &mut [u8]) -> Result<Content, FrameDrop> {
        if self.is_giant(frame) {
            return Err(FrameDrop::Giant);
        }
        let mac = match self.medium {
            Medium::Ethernet(mac) => mac,
            Medium::Ip if ipv4::version(frame) == Some(6) => return Err(FrameDrop::Ipv6),
            Medium::Ip => return Ok(Content::Ipv4(None)),
            Medium::Unsupported => return Err(FrameDrop::LinkDown),
        };
        let (header, _) = Header::split(frame).ok_or(FrameDrop::Runt)?;
        check_stations(&header, mac)?;
        match header.ethertype() {
            EtherType::ARP => Ok(Content::Arp),
            EtherType::IPV4 if self.exceeds(frame) => Err(FrameDrop::Giant),
            EtherType::IPV4 => Ok(Content::Ipv4(Some(header))),
            EtherType::IPV6 => Err(FrameDrop::Ipv6),
            EtherType::VLAN | EtherType::SERVICE_VLAN => Err(FrameDrop::Vlan),
            _ => Err(FrameDrop::OtherEthertype),
        }
    }

    /// A frame to be sent on this side.
    pub(crate) fn outgoing<'a>(
        &self,
        header: Option<Header>,
        body: &'a [u8],
    ) -> Result<Outgoing<'a>, FrameDrop> {
        let outgoing = Outgoing {
            to: self.side,
            header,
            body,
            clear_icmp_checksum: self.clear_icmp_checksum,
        };
        if outgoing.len() > self.max_frame {
            Err(FrameDrop::Giant)
        } else {
            Ok(outgoing)
        }
    }

    /// The header under which the local stack gets a datagram that arrived on this side with
    /// `header`, or otherwise.
    pub(crate) fn stack_header(&self, header: Option<&Header>) -> Option<Header> {
        let mac = self.mac()?;
        let to_all = header.is_some_and(|header| header.destination == Mac::BROADCAST);
        let destination = if to_all { Mac::BROADCAST } else { mac };
        Some(Header::new(
            destination,
            header.map_or(mac, |header| header.source),
            EtherType::IPV4,
        ))
    }
}

fn check_stations(header: &Header, mac: Mac) -> Result<(), FrameDrop> {
    if header.destination != mac && header.destination != Mac::BROADCAST {
        let group = header.destination.is_group();
        return Err(if group {
            FrameDrop::Multicast
        } else {
            FrameDrop::OtherStation
        });
    }
    // An answer to such a sender would go to many stations, or back to us.
    if !header.source.is_station() || header.source == mac {
        Err(FrameDrop::BadSource)
    } else {
        Ok(())
    }
}

impl<'d> Link<'d> {
    pub(crate) const fn new(
        nic: Nic,
        stack: StackPort<'d>,
        neighbours: Neighbours<'d>,
        waiting: WaitingPackets<'d>,
    ) -> Self {
        Self {
            nic,
            up: false,
            stack,
            neighbours,
            waiting,
            announced: 0,
            defended_at: None,
        }
    }

    /// Takes over the state of the driver's link. Returns whether the link went up or down.
    pub(crate) fn update(&mut self, link: LinkState, address: HardwareAddress) -> bool {
        let medium = Medium::of(address);
        if medium != self.nic.medium {
            self.nic.medium = medium;
            self.announced = 0;
            self.stack.state.set_hardware_address(address);
        }
        let up = link == LinkState::Up && medium != Medium::Unsupported;
        if up == self.up {
            return false;
        }
        self.up = up;
        self.stack.discovery = Discovery::default();
        self.stack
            .state
            .set_link_state(if up { LinkState::Up } else { LinkState::Down });
        true
    }

    /// Forgets what was learned on this side, because the link or the address is another, and drops
    /// what waits.
    pub(crate) fn reset(&mut self, inner: &mut Inner<'_, impl Width>) {
        let gateway = inner.outside.and_then(|outside| outside.gateway);
        self.neighbours
            .reset(gateway.filter(|_| self.nic.side == Side::Outside));
        self.announced = 0;
        for _ in 0..self.waiting.retain(|_| false) {
            inner
                .stats
                .side_mut(self.nic.side)
                .drop_frame(FrameDrop::Flushed);
        }
    }

    /// See [`Way::toward`].
    pub(crate) fn toward<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Option<Ipv4Addr>,
        datagram: &'a [u8],
        now: Instant,
    ) -> Result<Option<Outgoing<'a>>, FrameDrop> {
        let Self {
            nic,
            neighbours,
            waiting,
            ..
        } = self;
        Way {
            nic,
            neighbours,
            waiting,
        }
        .toward(inner, next_hop, datagram, now)
    }

    /// Drops the packets that wait for a neighbour who is not asked for any more.
    pub(crate) fn drop_orphans(&mut self, inner: &mut Inner<'_, impl Width>) {
        let Self {
            nic,
            neighbours,
            waiting,
            ..
        } = self;
        Way {
            nic,
            neighbours,
            waiting,
        }
        .drop_orphans(inner);
    }

    /// Hands a datagram, which arrived with `header` if on this side, to the local stack.
    pub(crate) fn deliver(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        header: Option<&Header>,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), FrameDrop> {
        if let Some((header, sender)) = header.zip(ipv4::source(datagram)) {
            match self.nic.side {
                Side::Inside if inner.is_neighbour(Side::Inside, sender) => {
                    self.introduce(inner, header.source, sender, now)?;
                }
                // The way back for the answer to a ping, as the stack takes it: every station there
                // is the router to it.
                Side::Outside if ipv4::is_icmp(datagram) => {
                    if let (Some(mac), Some(hop)) = (self.nic.mac(), inner.stack_hop(sender)) {
                        self.introduce(inner, mac, hop, now)?;
                    }
                }
                Side::Inside | Side::Outside => {}
            }
        }
        self.stack
            .inbox
            .push(self.nic.stack_header(header).as_ref(), datagram)?;
        inner.count_delivery(self.nic.side);
        Ok(())
    }

    /// Tells the local stack, in an ARP reply, which station the neighbour `sender` is, unless it
    /// was told just now.
    ///
    /// Stacks answer a ping at once or not at all: where they would have to ask for the neighbour
    /// first, the answer is lost.
    fn introduce(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        station: Mac,
        sender: Ipv4Addr,
        now: Instant,
    ) -> Result<(), FrameDrop> {
        let known = self.stack.introduced.is_some_and(|(address, mac, at)| {
            (address, mac) == (sender, station)
                && now.saturating_duration_since(at) < INTRODUCTION_HOLDS
        });
        if known {
            return Ok(());
        }
        let (Some(mac), Some(own)) = (self.nic.mac(), inner.own_addresses(self.nic.side).next())
        else {
            return Ok(());
        };
        let reply = Packet::reply((station, sender), (mac, own));
        self.stack.inbox.push(
            Some(&Header::new(mac, station, EtherType::ARP)),
            reply.as_bytes(),
        )?;
        inner.count_delivery(self.nic.side);
        self.stack.introduced = Some((sender, station, now));
        Ok(())
    }
}

impl Way<'_, '_> {
    /// A frame with `datagram` for `next_hop`, or none yet: then the datagram waits until the
    /// neighbour has answered.
    pub(crate) fn toward<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Option<Ipv4Addr>,
        datagram: &'a [u8],
        now: Instant,
    ) -> Result<Option<Outgoing<'a>>, FrameDrop> {
        if datagram.len() + self.nic.medium.header_len() > self.nic.max_frame {
            return Err(FrameDrop::Giant);
        }
        let Some(mac) = self.nic.mac() else {
            inner.check_in_force(self.nic.side)?;
            return self.nic.outgoing(None, datagram).map(Some);
        };
        let next_hop = next_hop
            .filter(|hop| !hop.is_unspecified())
            .ok_or(FrameDrop::NoRoute)?;
        match self.neighbours.next_hop(next_hop, now) {
            NextHop::Known(station) => self
                .nic
                .outgoing(Some(Header::new(station, mac, EtherType::IPV4)), datagram)
                .map(Some),
            NextHop::Full => Err(FrameDrop::NeighboursFull),
            NextHop::Asked => {
                self.drop_orphans(inner);
                match self.waiting.put(next_hop, datagram) {
                    Stored::Kept => Ok(None),
                    Stored::Replaced => Err(FrameDrop::ArpPendingReplaced),
                    Stored::TooLong => Err(FrameDrop::Giant),
                }
            }
        }
    }

    /// Drops the packets that wait for a neighbour who is not asked for any more.
    pub(crate) fn drop_orphans(&mut self, inner: &mut Inner<'_, impl Width>) {
        for _ in 0..self
            .waiting
            .retain(|next_hop| self.neighbours.contains(next_hop))
        {
            inner
                .stats
                .side_mut(self.nic.side)
                .drop_frame(FrameDrop::ArpUnresolved);
        }
    }
}

impl<W: Width> Inner<'_, W> {
    /// The neighbour that the stack outside hands a datagram for `destination` to: its own address
    /// stands for a gateway that is in no network of its own.
    fn stack_hop(&self, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        let Outside {
            address: network,
            gateway,
        } = self.outside?;
        let on_link = |address: &Ipv4Addr| network.contains(*address);
        Some(destination).filter(on_link).or_else(|| {
            gateway.map(|gateway| {
                Some(gateway)
                    .filter(on_link)
                    .unwrap_or_else(|| network.address())
            })
        })
    }
}

/// Makes the lower and the upper end of the virtual device that mirrors a driver with these
/// properties.
pub(crate) fn virtual_device<'d>(
    state: &'d mut ChannelState,
    properties: &Properties,
    mtu: u16,
) -> (StackPort<'d>, LocalDevice<'d>) {
    let (runner, device) = channel::new(state, properties.address);
    let max_frame = usize::from(mtu) + Medium::of(properties.address).header_len();
    (StackPort::new(runner), LocalDevice::new(device, max_frame))
}
