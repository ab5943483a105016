//! What is known about the driver of one side: its medium, and which frames it may carry.

use nat_core::Side;

use crate::ethernet::{EtherType, Header, Mac, TAG_LEN, is_tagged};
use crate::ipv4;
use crate::medium::{Medium, Properties};
use crate::stats::FrameDrop;
use crate::tx_frame::TxFrame;

/// Bytes that some drivers leave at the end of a received frame: the frame check sequence.
const CHECK_SEQUENCE_LEN: usize = 4;

/// What a received frame carries, if it is for the router or to be forwarded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Arp,
    Ipv4(Framing),
}

/// What precedes the datagram in a received frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// An Ethernet header to the router's own address.
    ToRouter,
    /// An Ethernet header to all stations.
    ToAll,
    /// Nothing: the medium has no link headers.
    None,
}

impl Framing {
    /// The length of the link header in bytes.
    pub(crate) const fn header_len(self) -> usize {
        match self {
            Self::ToRouter | Self::ToAll => Header::LEN,
            Self::None => 0,
        }
    }
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

impl Nic {
    pub(crate) fn new(side: Side, properties: &Properties) -> Self {
        Self {
            side,
            medium: Medium::of(properties.address),
            max_frame: properties.max_frame,
            clear_icmp_checksum: properties.fills_icmp_checksum,
        }
    }

    /// The router's hardware address; `None` on a medium without hardware addresses.
    pub(crate) const fn mac(&self) -> Option<Mac> {
        match self.medium {
            Medium::Ethernet(mac) => Some(mac),
            Medium::Ip | Medium::Unsupported => None,
        }
    }

    /// Whether a datagram of `len` bytes fits a frame of this side.
    pub(crate) const fn carries(&self, len: usize) -> bool {
        len + self.medium.header_len() <= self.max_frame
    }

    /// Finds out what a received frame carries. A priority tag counts as one of a VLAN.
    #[inline]
    pub(crate) fn classify(&self, frame: &[u8]) -> Result<Content, FrameDrop> {
        // Nearly all frames are short enough, so what else there is to check is in a function of
        // its own.
        if frame.len() > self.max_frame && self.is_giant(frame) {
            return Err(FrameDrop::Giant);
        }
        match self.medium {
            Medium::Ethernet(mac) => self.classify_ethernet(mac, frame),
            Medium::Ip if ipv4::version(frame) == Some(6) => Err(FrameDrop::Ipv6),
            Medium::Ip => Ok(Content::Ipv4(Framing::None)),
            Medium::Unsupported => Err(FrameDrop::LinkDown),
        }
    }

    #[inline]
    fn classify_ethernet(&self, mac: Mac, frame: &[u8]) -> Result<Content, FrameDrop> {
        match Header::read(frame, |header| check_header(header, mac)).ok_or(FrameDrop::Runt)?? {
            Content::Ipv4(_) if self.datagram_exceeds_mtu(frame) => Err(FrameDrop::Giant),
            content => Ok(content),
        }
    }

    /// Whether a frame is too long to be received. A tag may make it longer than the driver's
    /// limit.
    #[inline(never)]
    fn is_giant(&self, frame: &[u8]) -> bool {
        let longest = self.max_frame.saturating_add(CHECK_SEQUENCE_LEN);
        let is_ethernet = matches!(self.medium, Medium::Ethernet(_));
        frame.len() > longest
            && !(is_ethernet && frame.len() <= longest.saturating_add(TAG_LEN) && is_tagged(frame))
    }

    /// Whether the datagram in an Ethernet frame is longer than this side's MTU, so that the bytes
    /// beyond the longest frame are not a frame check sequence.
    fn datagram_exceeds_mtu(&self, frame: &[u8]) -> bool {
        let datagram_len = || frame.get(Header::LEN..).map_or(0, ipv4::total_length);
        frame.len() > self.max_frame && datagram_len().saturating_add(Header::LEN) > self.max_frame
    }

    /// A frame to transmit on this side.
    pub(crate) fn tx_frame<'a>(
        &self,
        header: Option<Header>,
        body: &'a [u8],
    ) -> Result<TxFrame<'a>, FrameDrop> {
        let is_ipv4 = header
            .as_ref()
            .is_none_or(|header| header.ethertype() == EtherType::IPV4);
        let frame = TxFrame {
            to: self.side,
            header,
            body,
            fills_icmp_checksum_at: (is_ipv4 && self.clear_icmp_checksum).then_some(0),
        };
        if frame.len() > self.max_frame {
            Err(FrameDrop::Giant)
        } else {
            Ok(frame)
        }
    }

    /// A frame to transmit on this side that begins with its Ethernet header, and carries IPv4. The
    /// caller has checked its length.
    #[inline]
    pub(crate) fn whole_tx_frame<'a>(&self, frame: &'a [u8]) -> TxFrame<'a> {
        TxFrame {
            to: self.side,
            header: None,
            body: frame,
            fills_icmp_checksum_at: self.clear_icmp_checksum.then_some(Header::LEN),
        }
    }

    /// The header of a frame for the local stack. `received` is the header with which the datagram
    /// came in on this side, if it did.
    pub(crate) fn stack_header(&self, received: Option<&Header>) -> Option<Header> {
        let mac = self.mac()?;
        let is_broadcast = received.is_some_and(|header| header.destination == Mac::BROADCAST);
        let destination = if is_broadcast { Mac::BROADCAST } else { mac };
        let source = received.map_or(mac, |header| header.source);
        Some(Header::new(destination, source, EtherType::IPV4))
    }
}

/// What a received frame with this header carries, if it is for the router at `mac`.
#[inline]
fn check_header(header: &Header, mac: Mac) -> Result<Content, FrameDrop> {
    let framing = check_stations(header, mac)?;
    match header.ethertype() {
        EtherType::IPV4 => Ok(Content::Ipv4(framing)),
        EtherType::ARP => Ok(Content::Arp),
        EtherType::IPV6 => Err(FrameDrop::Ipv6),
        EtherType::VLAN | EtherType::SERVICE_VLAN => Err(FrameDrop::Vlan),
        _ => Err(FrameDrop::OtherEthertype),
    }
}

/// Checks the addresses of a received frame. Returns to whom it was sent.
#[inline]
fn check_stations(header: &Header, mac: Mac) -> Result<Framing, FrameDrop> {
    let framing = if header.destination == mac {
        Framing::ToRouter
    } else if header.destination == Mac::BROADCAST {
        Framing::ToAll
    } else if header.destination.is_group() {
        return Err(FrameDrop::Multicast);
    } else {
        return Err(FrameDrop::OtherStation);
    };
    // A reply to such a sender would go to many stations, or back to the router.
    if !header.source.is_station() || header.source == mac {
        Err(FrameDrop::BadSource)
    } else {
        Ok(framing)
    }
}
