//! Fragmentation of what is larger than the next link (RFC 791 section 3.2).

use zerocopy::{FromBytes, IntoBytes};

use crate::wire::ipv4;

/// Cuts a datagram into fragments that fit a link, in order, for the verdict
/// [`Fragment`](crate::Verdict::Fragment).
pub struct Fragmenter<'p> {
    packet: &'p [u8],
    mtu: usize,
    /// The bytes of payload already sent.
    sent: usize,
}

impl<'p> Fragmenter<'p> {
    /// The fragments of the datagram `packet`, each of at most `mtu` bytes.
    pub fn new(packet: &'p [u8], mtu: u16) -> Self {
        Self {
            packet,
            mtu: usize::from(mtu),
            sent: 0,
        }
    }

    /// The fragments that are left once `position` bytes of payload have been sent, for callers that
    /// cannot send them all at once.
    pub fn resume(packet: &'p [u8], mtu: u16, position: usize) -> Self {
        Self {
            packet,
            mtu: usize::from(mtu),
            sent: position,
        }
    }

    /// The bytes of payload sent so far: what [`Fragmenter::resume`] takes.
    pub fn position(&self) -> usize {
        self.sent
    }

    /// Writes the next fragment to the start of `buffer` and returns its length in bytes; `None`
    /// after the last. A buffer of the MTU's length always suffices. With a shorter one the
    /// fragments end early.
    pub fn emit(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let (header, _) = ipv4::Header::ref_from_prefix(self.packet).ok()?;
        let options = self.options(header)?;
        let head_len = ipv4::Header::LEN.checked_add(options.len)?;
        let (payload, more) = self.next_payload(header, head_len)?;
        let total = head_len.checked_add(payload.len())?;
        let offset = (self.sent >> 3) as u16;
        let header = header.fragment(options.bytes(), offset, more, total as u16);
        let rest = write(buffer, header.as_bytes())?;
        let rest = write(rest, options.bytes())?;
        write(rest, payload)?;
        // A datagram without payload is one fragment, after which there is no other.
        self.sent = self.sent.saturating_add(payload.len().max(1));
        Some(total)
    }

    /// The options of the next fragment: all for the first, and those with the copied flag for the
    /// others.
    fn options(&self, header: &ipv4::Header) -> Option<Options> {
        let options = self.packet.get(ipv4::Header::LEN..header.header_length())?;
        if self.sent == 0 {
            Options::all(options)
        } else {
            Some(Options::copied(options))
        }
    }

    /// The payload of the next fragment, which begins with `head_len` bytes of headers, and whether
    /// more is left after it.
    fn next_payload(&self, header: &ipv4::Header, head_len: usize) -> Option<(&'p [u8], bool)> {
        let end = usize::from(header.total_length());
        let payload = self.packet.get(header.header_length()..end)?;
        let left = payload.get(self.sent..)?;
        if left.is_empty() && self.sent != 0 {
            return None;
        }
        let room = self.mtu.checked_sub(head_len)?;
        if left.len() <= room {
            return Some((left, false));
        }
        // Offsets count in units of 8 bytes, so all but the last piece are multiples of that.
        let payload = left.get(..room & !7)?;
        (!payload.is_empty()).then_some((payload, true))
    }
}

/// Copies `bytes` to the start of `buffer`. Returns what is left of it.
fn write<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Option<&'b mut [u8]> {
    let (start, rest) = buffer.split_at_mut_checked(bytes.len())?;
    start.copy_from_slice(bytes);
    Some(rest)
}

const MAX_OPTIONS: usize = 40;

/// The IPv4 options of a fragment.
struct Options {
    bytes: [u8; MAX_OPTIONS],
    len: usize,
}

impl Options {
    fn all(options: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_OPTIONS];
        let len = options.len();
        bytes.get_mut(..len)?.copy_from_slice(options);
        Some(Self { bytes, len })
    }

    /// Those that every fragment carries, with the copied flag, padded to whole words.
    fn copied(mut options: &[u8]) -> Self {
        const END: u8 = 0;
        const NO_OPERATION: u8 = 1;
        const COPIED: u8 = 0x80;
        let mut kept = Self {
            bytes: [0; MAX_OPTIONS],
            len: 0,
        };
        while let Some((kind, rest)) = options.split_first() {
            if *kind == END {
                break;
            }
            if *kind == NO_OPERATION {
                options = rest;
                continue;
            }
            let option_len = rest.first().map_or(0, |len| usize::from(*len)).max(2);
            let Some((option, rest)) = options.split_at_checked(option_len) else {
                break;
            };
            if kind & COPIED != 0 {
                kept.push(option);
            }
            options = rest;
        }
        kept.len = kept.len.next_multiple_of(4).min(MAX_OPTIONS);
        kept
    }

    fn push(&mut self, option: &[u8]) {
        let end = self.len.saturating_add(option.len());
        if let Some(rest) = self.bytes.get_mut(self.len..)
            && write(rest, option).is_some()
        {
            self.len = end;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
