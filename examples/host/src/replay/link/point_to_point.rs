//! Links with two ends: PPP, HDLC, frame relay.

use super::{Frame, Kind, be16, ethernet};

/// PPP with or without the address and control fields of HDLC (RFC 1662), or Cisco's HDLC, where
/// these fields have other values.
pub(super) fn ppp_or_hdlc(data: &[u8]) -> Option<Frame<'_>> {
    match data {
        [0x0f | 0x8f, 0x00, ..] => cisco_hdlc(data),
        _ => ppp(data),
    }
}

/// The protocol is a byte if it is odd, and two if not (RFC 1661 section 2).
pub(super) fn ppp(data: &[u8]) -> Option<Frame<'_>> {
    let data = data.strip_prefix(&[0xff, 0x03]).unwrap_or(data);
    let (protocol, rest) = match data {
        [protocol, rest @ ..] if protocol & 1 == 1 => (u16::from(*protocol), rest),
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => return None,
    };
    Some(match protocol {
        0x0021 => Frame::ipv4(rest),
        0x0057 => Frame::other(Kind::Ipv6),
        0x0281 => return ethernet::ether_type_of(0x8847, rest),
        other => Frame::other(Kind::Ppp(other)),
    })
}

/// A session frame: version and type, code, session, length, and then PPP (RFC 2516).
pub(super) fn pppoe(data: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = data.split_at_checked(6)?;
    let is_session = header[1] == 0;
    let len = usize::from(be16(header, 4)?);
    if is_session {
        ppp(rest.get(..len).unwrap_or(rest))
    } else {
        Some(Frame::other(Kind::EtherType(0x8863)))
    }
}

/// Address, control, EtherType.
pub(super) fn cisco_hdlc(data: &[u8]) -> Option<Frame<'_>> {
    ethernet::ether_type_of(be16(data, 2)?, data.get(4..)?)
}

/// An address whose last byte is odd, then an EtherType (Cisco) or the encapsulation of RFC 2427.
pub(super) fn frame_relay(data: &[u8]) -> Option<Frame<'_>> {
    let address_len = data.iter().take(4).position(|byte| byte & 1 == 1)? + 1;
    match data.get(address_len..)? {
        [0x03, 0xcc, rest @ ..] | [0x03, 0x00, 0xcc, rest @ ..] => Some(Frame::ipv4(rest)),
        [0x03, 0x80, rest @ ..] | [0x03, 0x00, 0x80, rest @ ..] => {
            ethernet::ether_type_of(be16(rest, 3)?, rest.get(5..)?)
        }
        [0x03, protocol, ..] => Some(Frame::other(Kind::Llc(*protocol))),
        [high, low, rest @ ..] => ethernet::ether_type_of(u16::from_be_bytes([*high, *low]), rest),
        _ => None,
    }
}
