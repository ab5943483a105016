//! Ethernet, its tags, and other headers with an EtherType.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::{Frame, Kind, Stations, be16, mac, point_to_point, wireless};

/// Smaller values are the length of a frame with an LLC header (IEEE 802.3).
const MIN_ETHER_TYPE: u16 = 0x0600;
/// `ETH_P_802_2` of Linux: an LLC header follows.
const LINUX_LLC: u16 = 4;
/// Linux's hardware types of netlink and of wireless interfaces.
const ARPHRD_NETLINK: u16 = 824;
const ARPHRD_IEEE80211: u16 = 801;
const ARPHRD_IEEE80211_PRISM: u16 = 802;
const ARPHRD_IEEE80211_RADIOTAP: u16 = 803;

pub(super) fn ethernet(data: &[u8]) -> Option<Frame<'_>> {
    let header = Ethernet2HeaderSlice::from_slice(data).ok()?;
    let stations = Stations {
        from: Some(header.source()),
        to: Some(header.destination()),
    };
    let rest = data.get(header.slice().len()..)?;
    let frame = match header.ether_type().0 {
        // Padding may follow.
        len if len < MIN_ETHER_TYPE => llc(rest.get(..usize::from(len)).unwrap_or(rest))?,
        ether_type => ether_type_of(ether_type, rest)?,
    };
    Some(frame.between(stations))
}

/// The content that an EtherType names. Tags and labels are skipped.
pub(super) fn ether_type_of(mut ether_type: u16, mut rest: &[u8]) -> Option<Frame<'_>> {
    loop {
        return Some(match ether_type {
            0x0800 => Frame::ipv4(rest),
            0x0806 | 0x8035 => Frame::other(Kind::Arp),
            0x86dd => Frame::other(Kind::Ipv6),
            // 802.1Q, 802.1ad, and a number that was used before 802.1ad.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                let tag = SingleVlanHeaderSlice::from_slice(rest).ok()?;
                (ether_type, rest) = (tag.ether_type().0, rest.get(tag.slice().len()..)?);
                if ether_type < MIN_ETHER_TYPE {
                    return llc(rest.get(..usize::from(ether_type)).unwrap_or(rest));
                }
                continue;
            }
            0x8847 | 0x8848 => return mpls(rest),
            0x8864 => return point_to_point::pppoe(rest),
            other => Frame::other(Kind::EtherType(other)),
        });
    }
}

/// MPLS labels of 4 bytes each; the last one is marked (RFC 3032). The first four bits behind it are
/// the IP version.
fn mpls(mut rest: &[u8]) -> Option<Frame<'_>> {
    loop {
        let (label, behind) = rest.split_at_checked(4)?;
        if label[2] & 1 == 1 {
            return Some(match behind.first()? >> 4 {
                4 => Frame::ipv4(behind),
                6 => Frame::other(Kind::Ipv6),
                _ => Frame::other(Kind::EtherType(0x8847)),
            });
        }
        rest = behind;
    }
}

/// An LLC header. It names the protocol by its access point, or by an EtherType in a SNAP header (RFC
/// 1042).
pub(super) fn llc(data: &[u8]) -> Option<Frame<'_>> {
    match data {
        [0xaa, 0xaa, 0x03, _, _, _, high, low, rest @ ..] => {
            ether_type_of(u16::from_be_bytes([*high, *low]), rest)
        }
        [0x06, 0x06, 0x03, rest @ ..] => Some(Frame::ipv4(rest)),
        [0xfe, 0xfe, 0x03, 0xcc, rest @ ..] => Some(Frame::ipv4(rest)),
        [access_point, _, _, ..] => Some(Frame::other(Kind::Llc(*access_point))),
        _ => None,
    }
}

/// The header of Linux for interfaces without link headers, and for captures of all interfaces.
pub(super) fn linux_sll(data: &[u8]) -> Option<Frame<'_>> {
    let (hardware, address_len) = (be16(data, 2)?, be16(data, 4)?);
    let (header, rest) = data.split_at_checked(16)?;
    cooked(
        hardware,
        be16(header, 14)?,
        sender(header, 6, usize::from(address_len)),
        rest,
    )
}

pub(super) fn linux_sll2(data: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = data.split_at_checked(20)?;
    cooked(
        be16(header, 8)?,
        be16(header, 0)?,
        sender(header, 12, usize::from(header[11])),
        rest,
    )
}

/// These headers have only the sender's address.
fn sender(header: &[u8], at: usize, len: usize) -> Stations {
    Stations {
        from: mac(header, at).filter(|_| len == 6),
        to: None,
    }
}

fn cooked(hardware: u16, protocol: u16, stations: Stations, rest: &[u8]) -> Option<Frame<'_>> {
    let frame = match (hardware, protocol) {
        (ARPHRD_NETLINK, _) => Frame::other(Kind::Netlink),
        (ARPHRD_IEEE80211, _) => return wireless::wireless(rest),
        (ARPHRD_IEEE80211_PRISM, _) => return wireless::prism_or_avs(rest),
        (ARPHRD_IEEE80211_RADIOTAP, _) => return wireless::radiotap(rest),
        (_, LINUX_LLC) => llc(rest)?,
        (_, protocol) => ether_type_of(protocol, rest)?,
    };
    Some(frame.between(stations))
}
