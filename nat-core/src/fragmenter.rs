//! Fragmentation of what is larger than the next link (RFC 791 section 3.2).

use zerocopy::{FromBytes, IntoBytes};

use crate::wire::ipv4;

/// Cuts a datagram into fragments that fit a link, in order. For the verdict
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

    /// The fragments that are left once `position` bytes of payload have been sent; for those who
    /// cannot send all at once.
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
    /// after the last. A buffer of the MTU's length always suffices; with a shorter one the
    /// fragments end early.
    pub fn emit(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let (header, _) = ipv4::Header::ref_from_prefix(self.packet).ok()?;
        let first = self.sent == 0;
        let options = self.packet.get(ipv4::Header::LEN..header.header_length())?;
        let payload = self
            .packet
            .get(header.header_length()..usize::from(header.total_length()))?;
        let left = payload
            .get(self.sent..)
            .filter(|left| first || !left.is_empty())?;

        let mut kept_options = [0; MAX_OPTIONS];
        let options_len = if first {
            keep_all(options, &mut kept_options)?
        } else {
            copy(options, &mut kept_options)
        };
        let head_len = ipv4::Header::LEN.checked_add(options_len)?;
        let room = self.mtu.checked_sub(head_len)?;
        let len = if left.len() <= room {
            left.len()
        } else {
            room & !7
        };
        let piece = left
            .get(..len)
            .filter(|piece| !piece.is_empty() || left.is_empty())?;

        let total = head_len.checked_add(len)?;
        let buffer = buffer.get_mut(..total)?;
        let (head, body) = buffer.split_at_mut_checked(head_len)?;
        body.copy_from_slice(piece);
        let options = kept_options.get(..options_len)?;
        let offset = (self.sent >> 3) as u16;
        let header = header.fragment(options, offset, len < left.len(), total as u16);
        head.get_mut(..ipv4::Header::LEN)?
            .copy_from_slice(header.as_bytes());
        head.get_mut(ipv4::Header::LEN..)?.copy_from_slice(options);
        self.sent = self.sent.saturating_add(len.max(1));
        Some(total)
    }
}

const MAX_OPTIONS: usize = 40;

fn keep_all(options: &[u8], kept: &mut [u8; MAX_OPTIONS]) -> Option<usize> {
    kept.get_mut(..options.len())?.copy_from_slice(options);
    Some(options.len())
}

/// Keeps the options that every fragment carries, those with the copied flag, padded to whole
/// words.
fn copy(mut options: &[u8], kept: &mut [u8; MAX_OPTIONS]) -> usize {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const COPIED: u8 = 0x80;
    let mut len = 0_usize;
    while let Some((kind, rest)) = options.split_first() {
        if *kind == END {
            break;
        }
        if *kind == NO_OPERATION {
            options = rest;
            continue;
        }
        let option_len = rest.first().map_or(0, |len| usize::from(*len)).max(2);
        let Some(option) = options.get(..option_len) else {
            break;
        };
        if kind & COPIED != 0
            && let Some((entry, _)) = kept
                .get_mut(len..)
                .and_then(|room| room.split_at_mut_checked(option.len()))
        {
            entry.copy_from_slice(option);
            len = len.saturating_add(option_len);
        }
        options = options.get(option_len..).unwrap_or_default();
    }
    len.next_multiple_of(4).min(MAX_OPTIONS)
}
