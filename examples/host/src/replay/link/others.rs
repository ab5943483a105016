//! Headers that name what follows by a number of the operating system, or by another link type.

use super::{Frame, Kind, Stations, be16, ethernet, header, le16, le32, mac};
use crate::replay::link_type::LinkType;

/// No header: the first four bits are the IP version.
///
/// Only version 6 is skipped. The NAT gets all other versions, and drops them as malformed.
pub(super) fn raw(data: &[u8]) -> Option<Frame<'_>> {
    match data.first().map(|byte| byte >> 4) {
        Some(6) => Some(Frame::other(Kind::Ipv6)),
        _ => Some(Frame::ipv4(data)),
    }
}

pub(super) fn ipv6(_: &[u8]) -> Option<Frame<'_>> {
    Some(Frame::other(Kind::Ipv6))
}

/// A protocol family in the byte order of the capturing machine, which is unknown.
pub(super) fn null(data: &[u8]) -> Option<Frame<'_>> {
    let number = le32(data, 0)?;
    let number = if number > 0xffff {
        number.swap_bytes()
    } else {
        number
    };
    Some(family(number, data.get(4..)?))
}

/// A protocol family in network byte order.
pub(super) fn loopback(data: &[u8]) -> Option<Frame<'_>> {
    Some(family(le32(data, 0)?.swap_bytes(), data.get(4..)?))
}

/// OpenBSD's header for IPsec: family, index, flags.
pub(super) fn enc(data: &[u8]) -> Option<Frame<'_>> {
    let number = le32(data, 0)?;
    let number = if number > 0xffff {
        number.swap_bytes()
    } else {
        number
    };
    Some(family(number, data.get(12..)?))
}

/// The header of OpenBSD's packet filter: its length and the family first, padded to a multiple of
/// 4 bytes.
pub(super) fn pflog(data: &[u8]) -> Option<Frame<'_>> {
    let [len, number, ..] = *data else {
        return None;
    };
    Some(family(
        number.into(),
        data.get(usize::from(len).next_multiple_of(4)..)?,
    ))
}

/// 2 is IPv4 on all systems; the number of IPv6 differs.
fn family(number: u32, rest: &[u8]) -> Frame<'_> {
    match number {
        2 => Frame::ipv4(rest),
        10 | 23 | 24 | 28 | 30 => Frame::other(Kind::Ipv6),
        other => Frame::other(Kind::Family(other)),
    }
}

/// The header of Linux's packet filter: family, version, group, and then a list of values with length
/// and type. One of them is the packet.
pub(super) fn nflog(data: &[u8]) -> Option<Frame<'_>> {
    const PAYLOAD: u16 = 9;
    let number = u32::from(*data.first()?);
    let mut values = data.get(4..)?;
    loop {
        let (len, value_type) = (usize::from(le16(values, 0)?), le16(values, 2)? & 0x7fff);
        if value_type == PAYLOAD {
            let value = values.get(4..)?;
            return Some(family(
                number,
                value.get(..len.checked_sub(4)?).unwrap_or(value),
            ));
        }
        values = values.get(len.max(4).next_multiple_of(4)..)?;
    }
}

/// A header with its length and the link type of what follows.
pub(super) fn ppi(data: &[u8]) -> Option<Frame<'_>> {
    nested(
        le32(data, 4)?,
        data.get(usize::from(le16(data, 2)?).max(8)..)?,
    )
}

/// The header of macOS: its length, the type of what follows, and the link type of that.
pub(super) fn pktap(data: &[u8]) -> Option<Frame<'_>> {
    nested(
        le32(data, 8)?,
        data.get((le32(data, 0)? as usize).max(12)..)?,
    )
}

/// What follows has a header of another link type, but not one of these two.
fn nested(number: u32, rest: &[u8]) -> Option<Frame<'_>> {
    let link_type = LinkType(number);
    match header(link_type) {
        Some((skip, read)) if !matches!(link_type, LinkType::PPI | LinkType::PKTAP) => {
            read(rest.get(skip..)?)
        }
        _ => Some(Frame::other(Kind::Unsupported(link_type))),
    }
}

/// Access and frame control, two addresses, and a route if the sender's address has the bit for it.
pub(super) fn token_ring(data: &[u8]) -> Option<Frame<'_>> {
    const HEADER: usize = 14;
    let (to, mut from) = (mac(data, 2)?, mac(data, 8)?);
    let has_route = from[0] & 0x80 != 0;
    from[0] &= 0x7f;
    let route_len = if has_route {
        usize::from(data.get(HEADER)? & 0x1f)
    } else {
        0
    };
    let frame = ethernet::llc(data.get(HEADER + route_len..)?)?;
    Some(frame.between(Stations {
        from: Some(from),
        to: Some(to),
    }))
}

/// Two addresses of 8 bytes, and an EtherType.
pub(super) fn firewire(data: &[u8]) -> Option<Frame<'_>> {
    ethernet::ether_type_of(be16(data, 16)?, data.get(18..)?)
}
