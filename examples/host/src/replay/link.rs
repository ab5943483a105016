//! Link headers: where the IPv4 packet begins in a record, and the link addresses of its sender and
//! receiver.

mod ethernet;
mod others;
mod point_to_point;
mod wireless;

use core::fmt;

use super::link_type::LinkType;

/// The address of an interface.
pub(crate) type Mac = [u8; 6];

/// Sender and receiver of a frame, if its header has their addresses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stations {
    pub(crate) from: Option<Mac>,
    pub(crate) to: Option<Mac>,
}

/// What a link header says about the frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Frame<'a> {
    pub(crate) stations: Stations,
    pub(crate) content: Content<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content<'a> {
    /// An IPv4 packet according to the link header. It may be empty, and padding may follow it.
    Ipv4(&'a [u8]),
    Other(Kind),
}

/// What a frame carries instead of an IPv4 packet.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Arp,
    Ipv6,
    /// Its EtherType (IEEE 802).
    EtherType(u16),
    /// Its service access point (IEEE 802.2), such as that of the spanning tree protocol.
    Llc(u8),
    /// Its PPP protocol number: negotiation, or compressed packets.
    Ppp(u16),
    /// The operating system's number of a protocol family.
    Family(u32),
    /// 802.11 frames without data.
    WirelessManagement,
    /// Encrypted 802.11 frames.
    Encrypted,
    /// Messages to or from the kernel.
    Netlink,
    /// Frames that end within their link header.
    Short,
    /// Frames with an unsupported link type.
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
                write!(f, "of unsupported link type {link_type}")
            }
        }
    }
}

/// Reads the header of one link type; `None` if the frame ends within it.
type Header = fn(&[u8]) -> Option<Frame<'_>>;

/// Reads the link header of `data`.
pub(crate) fn open(link_type: LinkType, data: &[u8]) -> Frame<'_> {
    match header(link_type) {
        Some((skip, read)) => data
            .get(skip..)
            .and_then(read)
            .unwrap_or_else(|| Frame::other(Kind::Short)),
        None => Frame::other(Kind::Unsupported(link_type)),
    }
}

/// Whether headers of this link type can be read.
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

/// How many bytes to skip, and how to read the header behind them.
fn header(link_type: LinkType) -> Option<(usize, Header)> {
    ethernet_like(link_type)
        .or_else(|| point_to_point(link_type))
        .or_else(|| number_first(link_type))
        .or_else(|| wireless(link_type))
}

/// Headers with an EtherType or an LLC header.
const fn ethernet_like(link_type: LinkType) -> Option<(usize, Header)> {
    Some(match link_type {
        LinkType::ETHERNET => (0, ethernet::ethernet),
        LinkType::NETANALYZER => (4, ethernet::ethernet),
        LinkType::LINUX_SLL => (0, ethernet::linux_sll),
        LinkType::LINUX_SLL2 => (0, ethernet::linux_sll2),
        LinkType::ATM_RFC1483 => (0, ethernet::llc),
        LinkType::SUNATM => (4, ethernet::llc),
        LinkType::FDDI => (13, ethernet::llc),
        LinkType::IP_OVER_FC => (16, ethernet::llc),
        LinkType::IEEE802_5 => (0, others::token_ring),
        LinkType::APPLE_IP_OVER_IEEE1394 => (0, others::firewire),
        _ => return None,
    })
}

/// Headers of links with two ends. Some have a byte for the direction first.
const fn point_to_point(link_type: LinkType) -> Option<(usize, Header)> {
    Some(match link_type {
        LinkType::PPP | LinkType::PPP_HDLC => (0, point_to_point::ppp_or_hdlc),
        LinkType::PPP_ETHER => (0, point_to_point::pppoe),
        LinkType::PPP_PPPD | LinkType::PPP_WITH_DIR => (1, point_to_point::ppp),
        LinkType::C_HDLC => (0, point_to_point::cisco_hdlc),
        LinkType::C_HDLC_WITH_DIR => (1, point_to_point::cisco_hdlc),
        LinkType::FRELAY => (0, point_to_point::frame_relay),
        LinkType::FRELAY_WITH_DIR => (1, point_to_point::frame_relay),
        _ => return None,
    })
}

/// No header, or one that names the protocol or the next header by a number.
const fn number_first(link_type: LinkType) -> Option<(usize, Header)> {
    Some(match link_type {
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 => {
            (0, others::raw)
        }
        LinkType::IPV6 => (0, others::ipv6),
        LinkType::NULL => (0, others::null),
        LinkType::LOOP => (0, others::loopback),
        LinkType::ENC => (0, others::enc),
        LinkType::PFLOG => (0, others::pflog),
        LinkType::NFLOG => (0, others::nflog),
        LinkType::PPI => (0, others::ppi),
        LinkType::PKTAP => (0, others::pktap),
        _ => return None,
    })
}

const fn wireless(link_type: LinkType) -> Option<(usize, Header)> {
    Some(match link_type {
        LinkType::IEEE802_11 => (0, wireless::wireless),
        LinkType::IEEE802_11_RADIOTAP => (0, wireless::radiotap),
        LinkType::IEEE802_11_PRISM | LinkType::IEEE802_11_AVS => (0, wireless::prism_or_avs),
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

/// The two bytes at `at`, big-endian.
fn be16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

/// The two bytes at `at`, little-endian.
fn le16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_le_bytes)
}

/// The four bytes at `at`, little-endian.
fn le32(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}

fn mac(data: &[u8], at: usize) -> Option<Mac> {
    data.get(at..)?.first_chunk().copied()
}
