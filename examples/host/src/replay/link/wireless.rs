//! IEEE 802.11, and the headers that capture tools put before it.

use super::{Frame, Kind, Stations, ethernet, le16, le32, mac};

/// The offsets in a data frame's header: <https://standards.ieee.org/ieee/802.11/7028/>, section 9.3.2.
const ADDRESS_1: usize = 4;
const ADDRESS_2: usize = 10;
const ADDRESS_3: usize = 16;
const ADDRESS_4: usize = 24;
const HEADER: usize = 24;
/// The flags of the second byte.
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// In the QoS field behind the addresses: the frame holds several packets.
const AGGREGATE: u8 = 0x80;

/// A header with its length in bytes 2 and 3.
pub(super) fn radiotap(data: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = data.split_at_checked(usize::from(le16(data, 2)?))?;
    if pads_headers(header) {
        padded(rest)
    } else {
        wireless(rest)
    }
}

/// Whether 802.11 headers are padded to a multiple of 4 bytes, as some hardware does.
fn pads_headers(header: &[u8]) -> bool {
    const PADDED: u8 = 0x20;
    radiotap_flags(header).is_some_and(|flags| flags & PADDED != 0)
}

/// The flags of a radiotap header. They follow the presence words, of which there may be several,
/// and a time of 8 bytes if it is present.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    const TIME: u32 = 1;
    const FLAGS: u32 = 1 << 1;
    const MORE: u32 = 1 << 31;
    let present = le32(header, 4)?;
    let words = (1..)
        .take_while(|word| le32(header, 4 * word).is_some_and(|present| present & MORE != 0))
        .count();
    let fields = 8 + 4 * words;
    let at = if present & TIME == 0 {
        fields
    } else {
        fields.next_multiple_of(8) + 8
    };
    header.get(at).copied().filter(|_| present & FLAGS != 0)
}

/// The older headers: AVS has a length field, Prism has a fixed length.
pub(super) fn prism_or_avs(data: &[u8]) -> Option<Frame<'_>> {
    const PRISM_LEN: usize = 144;
    const AVS_VERSION: [u8; 3] = [0x80, 0x21, 0x10];
    let len = if data.starts_with(&AVS_VERSION) {
        u32::from_be_bytes(*data.get(4..)?.first_chunk()?) as usize
    } else {
        PRISM_LEN
    };
    wireless(data.get(len..)?)
}

pub(super) fn wireless(data: &[u8]) -> Option<Frame<'_>> {
    data_frame(data, 1)
}

fn padded(data: &[u8]) -> Option<Frame<'_>> {
    data_frame(data, 4)
}

/// A frame whose header is padded to a multiple of `alignment`.
fn data_frame(data: &[u8], alignment: usize) -> Option<Frame<'_>> {
    let [control, flags, ..] = *data else {
        return None;
    };
    let (is_data, is_empty) = (control & 0x0c == 0x08, control & 0x40 != 0);
    if !is_data || is_empty {
        return Some(Frame::other(Kind::WirelessManagement));
    }
    let stations = stations(data, flags)?;
    if flags & PROTECTED != 0 {
        return Some(Frame::other(Kind::Encrypted).between(stations));
    }
    let mut len = HEADER
        + if flags & TO_DS != 0 && flags & FROM_DS != 0 {
            6
        } else {
            0
        };
    if control & 0x80 != 0 {
        // Several packets in one frame are rare in captures. Only the first one is read.
        let aggregate = data.get(len)? & AGGREGATE != 0;
        len += 2 + if flags & ORDER != 0 { 4 } else { 0 };
        len = len.next_multiple_of(alignment) + if aggregate { 14 } else { 0 };
    }
    Some(ethernet::llc(data.get(len.next_multiple_of(alignment)..)?)?.between(stations))
}

/// Sender and receiver of the packet. Which of the addresses they are depends on the direction
/// relative to the access point.
fn stations(data: &[u8], flags: u8) -> Option<Stations> {
    let (from, to) = match (flags & FROM_DS != 0, flags & TO_DS != 0) {
        (false, false) => (ADDRESS_2, ADDRESS_1),
        (false, true) => (ADDRESS_2, ADDRESS_3),
        (true, false) => (ADDRESS_3, ADDRESS_1),
        (true, true) => (ADDRESS_4, ADDRESS_3),
    };
    Some(Stations {
        from: Some(mac(data, from)?),
        to: Some(mac(data, to)?),
    })
}
