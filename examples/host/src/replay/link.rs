//! Link headers: where in a record the IPv4 packet is, and who sent it to whom on the link.

mod ethernet;
mod others;
mod point_to_point;
mod wireless;

use core::fmt;

use super::link_type::LinkType;

/// The address of an interface.
pub(crate) type Mac = [u8; 6];

/// Who sent a frame to whom, as far as its header says so.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stations {
    pub(crate) from: Option<Mac>,
    pub(crate) to: Option<Mac>,
}

/// What is behind a link header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Frame<'a> {
    pub(crate) stations: Stations,
    pub(crate) content: Content<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content<'a> {
    /// What may be an IPv4 packet, by what the link header says. It may be empty, and something may
    /// follow the packet.
    Ipv4(&'a [u8]),
    Other(Kind),
}

/// What a frame carries that is no IPv4 packet.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Arp,
    Ipv6,
    /// By the number of IEEE 802.
    EtherType(u16),
    /// By the service access point of IEEE 802.2: spanning tree and the like.
    Llc(u8),
    /// By the number of the point-to-point protocol: its negotiation, or compressed packets.
    Ppp(u16),
    /// By the number that a system has for a family of protocols.
    Family(u32),
    /// Frames of IEEE 802.11 that carry no data.
    WirelessManagement,
    /// Frames of IEEE 802.11 that only those with the key can read.
    Encrypted,
    /// Messages to or from the kernel.
    Netlink,
    /// Frames that end within their link header.
    Short,
    /// Frames whose link header is of a kind that is not known.
    Unsupported(LinkType),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp => f.write_str("ARP"),
            Self::Ipv6 => f.write_str("IPv6"),
            Self::EtherType(number) => write!(f, "EtherType 0x{number:04x}"),
            Self::Llc(number) => write!(f, "LLC 0x{number:02x}"),
            Self::Ppp(number) => write!(f, "PPP protocol 0x{number:04x}"),
            Self::Family(number) => write!(f, "protocol family {number}"),
            Self::WirelessManagement => f.write_str("802.11 management or control"),
            Self::Encrypted => f.write_str("encrypted 802.11"),
            Self::Netlink => f.write_str("netlink"),
            Self::Short => f.write_str("shorter than their link header"),
            Self::Unsupported(link_type) => {
                write!(f, "of link type {link_type}, which is not supported")
            }
        }
    }
}

/// Reads the header of one link type; `None` if the frame ends within it.
type Header = fn(&[u8]) -> Option<Frame<'_>>;

/// Looks behind the link header of `data`.
pub(crate) fn open(link_type: LinkType, data: &[u8]) -> Frame<'_> {
    match header(link_type) {
        Some(header) => header(data).unwrap_or_else(|| Frame::other(Kind::Short)),
        None => Frame::other(Kind::Unsupported(link_type)),
    }
}

/// Whether packets are found behind headers of this link type.
pub(crate) fn is_supported(link_type: LinkType) -> bool {
    header(link_type).is_some()
}

/// Whether records of this link type begin with the IPv4 packet itself.
pub(crate) fn is_raw(link_type: LinkType) -> bool {
    matches!(
        link_type,
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4
    )
}

fn header(link_type: LinkType) -> Option<Header> {
    Some(match link_type {
        LinkType::ETHERNET => ethernet::ethernet,
        LinkType::LINUX_SLL => ethernet::linux_sll,
        LinkType::LINUX_SLL2 => ethernet::linux_sll2,
        LinkType::NETANALYZER => |data| ethernet::ethernet(data.get(4..)?),
        LinkType::NULL => others::null,
        LinkType::LOOP => others::loopback,
        LinkType::ENC => others::enc,
        LinkType::PFLOG => others::pflog,
        LinkType::NFLOG => others::nflog,
        LinkType::PPI => others::ppi,
        LinkType::PKTAP => others::pktap,
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 => others::raw,
        LinkType::IPV6 => |_| Some(Frame::other(Kind::Ipv6)),
        LinkType::PPP | LinkType::PPP_HDLC => point_to_point::ppp_or_hdlc,
        LinkType::PPP_ETHER => point_to_point::pppoe,
        LinkType::PPP_PPPD | LinkType::PPP_WITH_DIR => |data| point_to_point::ppp(data.get(1..)?),
        LinkType::C_HDLC => point_to_point::cisco_hdlc,
        LinkType::C_HDLC_WITH_DIR => |data| point_to_point::cisco_hdlc(data.get(1..)?),
        LinkType::FRELAY => point_to_point::frame_relay,
        LinkType::FRELAY_WITH_DIR => |data| point_to_point::frame_relay(data.get(1..)?),
        LinkType::ATM_RFC1483 => ethernet::llc,
        LinkType::SUNATM => |data| ethernet::llc(data.get(4..)?),
        LinkType::IP_OVER_FC => |data| ethernet::llc(data.get(16..)?),
        LinkType::FDDI => |data| ethernet::llc(data.get(13..)?),
        LinkType::IEEE802_5 => others::token_ring,
        LinkType::APPLE_IP_OVER_IEEE1394 => others::firewire,
        LinkType::IEEE802_11 => wireless::wireless,
        LinkType::IEEE802_11_RADIOTAP => wireless::radiotap,
        LinkType::IEEE802_11_PRISM | LinkType::IEEE802_11_AVS => wireless::prism_or_avs,
        _ => return None,
    })
}

impl<'a> Frame<'a> {
    fn ipv4(packet: &'a [u8]) -> Self {
        Self {
            stations: Stations::default(),
            content: Content::Ipv4(packet),
        }
    }

    fn other(kind: Kind) -> Self {
        Self {
            stations: Stations::default(),
            content: Content::Other(kind),
        }
    }

    fn between(self, stations: Stations) -> Self {
        Self { stations, ..self }
    }
}

/// The two bytes at `at`, in the order of the network.
fn be16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

/// The two bytes at `at`, the low one first.
fn le16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_le_bytes)
}

/// The four bytes at `at`, the low one first.
fn le32(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}

fn mac(data: &[u8], at: usize) -> Option<Mac> {
    data.get(at..)?.first_chunk().copied()
}
