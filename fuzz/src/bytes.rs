//! Packets as the fuzzer changes them, and checksums computed in full: none of the engine's code.

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The headers of a datagram that is long enough for its own fields: (header length, total length).
pub(crate) fn lengths(packet: &[u8]) -> Option<(usize, usize)> {
    let header = 4 * usize::from(packet.first()? & 15);
    let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    (header >= 20 && header <= total && total <= packet.len() && packet[0] >> 4 == 4)
        .then_some((header, total))
}

/// Whether the header checksum is right.
pub(crate) fn header_is_valid(packet: &[u8]) -> bool {
    lengths(packet).is_some_and(|(header, _)| sum(&packet[..header], 0) == 0xffff)
}

/// Whether the transport checksum is right, or absent in the way that UDP allows. False for
/// fragments and for what has no checksum that a NAT would touch.
pub(crate) fn transport_is_valid(packet: &[u8]) -> bool {
    let Some((header, total)) = lengths(packet) else {
        return false;
    };
    // The checksum of a fragmented datagram is not that of any fragment.
    if u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0 {
        return false;
    }
    let payload = &packet[header..total];
    match checksum_offset(packet) {
        Some(at) if payload.len() >= at + 2 => {
            let absent = packet[9] == UDP && payload[at..at + 2] == [0, 0];
            absent || sum(payload, pseudo_header(packet, payload.len())) == 0xffff
        }
        _ => false,
    }
}

/// Makes both checksums right, as far as they fit.
pub(crate) fn repair(packet: &mut [u8]) {
    let Some((header, total)) = lengths(packet) else {
        return;
    };
    if let Some(at) = checksum_offset(packet).filter(|at| header + at + 2 <= total) {
        packet[header + at..][..2].fill(0);
        let pseudo = pseudo_header(packet, total - header);
        let checksum = match !sum(&packet[header..total], pseudo) {
            0 if packet[9] == UDP => 0xffff,
            other => other,
        };
        packet[header + at..][..2].copy_from_slice(&checksum.to_be_bytes());
    }
    packet[10..12].fill(0);
    let checksum = !sum(&packet[..header], 0);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// What the receiver of `packet` might say: addresses, ports and sequence numbers swapped, echo
/// requests answered; then `patches`, pairs of offset and value.
pub(crate) fn answer(packet: &[u8], patches: &[u8]) -> Vec<u8> {
    let mut bytes = packet.to_vec();
    if let Some((header, total)) = lengths(packet) {
        bytes[8] = 64;
        swap(&mut bytes, 12, 16, 4);
        match packet[9] {
            ICMP if total > header && packet[header] == 8 => bytes[header] = 0,
            TCP if total >= header + 20 => {
                swap(&mut bytes, header, header + 2, 2);
                swap(&mut bytes, header + 4, header + 8, 4);
            }
            UDP if total >= header + 8 => swap(&mut bytes, header, header + 2, 2),
            _ => {}
        }
    }
    apply(&mut bytes, patches);
    bytes
}

/// An ICMP error about `packet` to its source, from a router on the way; then `patches`, which set
/// the type and more.
pub(crate) fn error(packet: &[u8], patches: &[u8]) -> Vec<u8> {
    let quote = &packet[..packet.len().min(128)];
    let total = (28 + quote.len()) as u16;
    let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, ICMP, 0, 0, 198, 51, 100, 254];
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    bytes.extend_from_slice(&packet[12..16]);
    bytes.extend_from_slice(&[3, 4, 0, 0, 0, 0, 0x05, 0x00]);
    bytes.extend_from_slice(quote);
    apply(&mut bytes, patches);
    bytes
}

fn apply(bytes: &mut [u8], patches: &[u8]) {
    for patch in patches.chunks_exact(2) {
        if let Some(byte) = bytes.get_mut(usize::from(patch[0])) {
            *byte = patch[1];
        }
    }
}

fn swap(bytes: &mut [u8], first: usize, second: usize, len: usize) {
    for i in 0..len {
        bytes.swap(first + i, second + i);
    }
}

/// The packet that an ICMP error quotes, whole enough for its ports.
pub(crate) fn quote(packet: &[u8]) -> Option<&[u8]> {
    let (header, total) = lengths(packet)?;
    let is_error =
        packet[9] == ICMP && packet[6] & 0x1f == 0 && packet[7] == 0 && total >= header + 8 + 28;
    let body = &packet[header..total];
    (is_error && matches!(body[0], 3 | 4 | 5 | 11 | 12)).then(|| &body[8..])
}

/// RFC 6864: whole, and to stay so.
pub(crate) fn is_atomic(packet: &[u8]) -> bool {
    packet[6] & 0x7f == 0x40 && packet[7] == 0
}

/// The datagram with all that translation and forwarding change set to zero; TCP options too if
/// `clamped` and a SYN.
pub(crate) fn without_translation(packet: &[u8], clamped: bool) -> Vec<u8> {
    let Some((header, total)) = lengths(packet) else {
        return packet.to_vec();
    };
    let quoted = quote(packet).is_some();
    let mut bytes = packet[..total].to_vec();
    bytes[8] = 0;
    bytes[10..20].fill(0);
    if packet[6] & 0x1f != 0 || packet[7] != 0 {
        return bytes;
    }
    zero_transport(packet[9], &mut bytes[header..], clamped);
    if quoted {
        // The identifier field of an error is no identifier, but a length and, after it, an MTU.
        bytes[header + 4..header + 6].copy_from_slice(&packet[header + 4..header + 6]);
        zero_quote(&mut bytes[header + 8..]);
    }
    bytes
}

fn zero_quote(quote: &mut [u8]) {
    let (protocol, header) = (quote[9], 4 * usize::from(quote[0] & 15));
    quote[10..20].fill(0);
    if let Some(transport) = quote.get_mut(header..) {
        zero_transport(protocol, transport, false);
    }
}

/// Ports or identifier, and the checksum.
fn zero_transport(protocol: u8, transport: &mut [u8], clamped: bool) {
    let is_syn = protocol == TCP && transport.get(13).is_some_and(|flags| flags & 2 != 0);
    let options = if clamped && is_syn {
        20..usize::from(transport[12] >> 4) * 4
    } else {
        0..0
    };
    let fields = match protocol {
        ICMP => [2..6, 0..0, 0..0],
        TCP => [0..4, 16..18, options],
        UDP => [0..4, 6..8, 0..0],
        _ => return,
    };
    let len = transport.len();
    for field in fields
        .into_iter()
        .filter(|field| field.start < field.end.min(len))
    {
        transport[field.start..field.end.min(len)].fill(0);
    }
}

/// Where the checksum is in the transport header; `None` for fragments and other protocols.
fn checksum_offset(packet: &[u8]) -> Option<usize> {
    let fragment = packet[6] & 0x3f != 0 || packet[7] != 0;
    match packet[9] {
        _ if fragment => None,
        ICMP => Some(2),
        TCP => Some(16),
        UDP => Some(6),
        _ => None,
    }
}

fn pseudo_header(packet: &[u8], len: usize) -> u32 {
    if packet[9] == ICMP {
        return 0;
    }
    u32::from(sum(&packet[12..20], 0)) + u32::from(packet[9]) + len as u32
}

/// The one's complement sum of `bytes` and `initial`, folded to 16 bits.
fn sum(bytes: &[u8], initial: u32) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
    let mut sum = initial + words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
