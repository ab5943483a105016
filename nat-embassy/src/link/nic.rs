//! What is known about the driver of one side: its medium, and which frames it may carry.

use nat_core::Side;

use crate::ethernet::{EtherType, Header, Mac, TAG_LEN, is_tagged, without_priority_tag};
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

    /// Finds out what a received frame carries. Returns the frame without a priority tag, and its
    /// content.
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

    fn classify_untagged(&self, frame: &mut [u8]) -> Result<Content, FrameDrop> {
        if self.is_giant(frame) {
            return Err(FrameDrop::Giant);
        }
        match self.medium {
            Medium::Ethernet(mac) => self.classify_ethernet(mac, frame),
            Medium::Ip if ipv4::version(frame) == Some(6) => Err(FrameDrop::Ipv6),
            Medium::Ip => Ok(Content::Ipv4(None)),
            Medium::Unsupported => Err(FrameDrop::LinkDown),
        }
    }

    fn classify_ethernet(&self, mac: Mac, frame: &mut [u8]) -> Result<Content, FrameDrop> {
        let (header, _) = Header::split(frame).ok_or(FrameDrop::Runt)?;
        check_stations(&header, mac)?;
        match header.ethertype() {
            EtherType::ARP => Ok(Content::Arp),
            EtherType::IPV4 if self.datagram_exceeds_mtu(frame) => Err(FrameDrop::Giant),
            EtherType::IPV4 => Ok(Content::Ipv4(Some(header))),
            EtherType::IPV6 => Err(FrameDrop::Ipv6),
            EtherType::VLAN | EtherType::SERVICE_VLAN => Err(FrameDrop::Vlan),
            _ => Err(FrameDrop::OtherEthertype),
        }
    }

    /// Whether a frame is too long to be received. A tag may make it longer than the driver's
    /// limit.
    fn is_giant(&self, frame: &mut [u8]) -> bool {
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
        let frame = TxFrame {
            to: self.side,
            header,
            body,
            clear_icmp_checksum: self.clear_icmp_checksum,
        };
        if frame.len() > self.max_frame {
            Err(FrameDrop::Giant)
        } else {
            Ok(frame)
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

fn check_stations(header: &Header, mac: Mac) -> Result<(), FrameDrop> {
    if header.destination != mac && header.destination != Mac::BROADCAST {
        let group = header.destination.is_group();
        return Err(if group {
            FrameDrop::Multicast
        } else {
            FrameDrop::OtherStation
        });
    }
    // A reply to such a sender would go to many stations, or back to the router.
    if !header.source.is_station() || header.source == mac {
        Err(FrameDrop::BadSource)
    } else {
        Ok(())
    }
}
