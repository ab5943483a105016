//! The IPv4 header, RFC 791 section 3.1.

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::{self, Delta};

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// The header without options.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    version_and_length: u8,
    tos: u8,
    total_length: U16,
    id: U16,
    flags_and_offset: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    source: U32,
    destination: U32,
}

pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
pub(crate) const OFFSET: u16 = 0x1fff;

impl Header {
    pub(crate) const LEN: usize = size_of::<Self>();

    /// A header for a datagram that the router originates: without options, an atomic datagram (RFC
    /// 6864 section 4.1), with its checksum.
    pub(crate) fn new(
        tos: u8,
        total_length: u16,
        protocol: u8,
        source: u32,
        destination: u32,
    ) -> Self {
        let mut header = Self {
            version_and_length: 0x45,
            tos,
            total_length: U16::new(total_length),
            id: U16::ZERO,
            flags_and_offset: U16::new(DONT_FRAGMENT),
            ttl: 64,
            protocol,
            checksum: U16::ZERO,
            source: U32::new(source),
            destination: U32::new(destination),
        };
        header.checksum = U16::new(!checksum::sum(header.as_bytes()));
        header
    }

    pub(crate) fn version(&self) -> u8 {
        self.version_and_length >> 4
    }

    /// The length of the header with its options, in bytes.
    pub(crate) fn header_length(&self) -> usize {
        usize::from(self.version_and_length & 0x0f) * 4
    }

    pub(crate) fn tos(&self) -> u8 {
        self.tos
    }

    pub(crate) fn total_length(&self) -> u16 {
        self.total_length.get()
    }

    pub(crate) fn dont_fragment(&self) -> bool {
        self.flags_and_offset.get() & DONT_FRAGMENT != 0
    }

    pub(crate) fn is_fragment(&self) -> bool {
        self.flags_and_offset.get() & (MORE_FRAGMENTS | OFFSET) != 0
    }

    pub(crate) fn more_fragments(&self) -> bool {
        self.flags_and_offset.get() & MORE_FRAGMENTS != 0
    }

    /// Whether the datagram is unfragmented and must not be fragmented, so that its identification
    /// has no meaning (RFC 6864 section 4.1).
    pub(crate) fn is_atomic(&self) -> bool {
        self.dont_fragment() && !self.is_fragment()
    }

    pub(crate) fn id(&self) -> u16 {
        self.id.get()
    }

    pub(crate) fn fragment_offset(&self) -> u16 {
        self.flags_and_offset.get() & OFFSET
    }

    pub(crate) fn ttl(&self) -> u8 {
        self.ttl
    }

    pub(crate) fn protocol(&self) -> u8 {
        self.protocol
    }

    pub(crate) fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    pub(crate) fn source(&self) -> u32 {
        self.source.get()
    }

    pub(crate) fn destination(&self) -> u32 {
        self.destination.get()
    }

    /// Whether the checksum of this header with `options` is correct.
    pub(crate) fn checksum_holds(&self, options: &[u8]) -> bool {
        checksum::add(checksum::sum(self.as_bytes()), checksum::sum(options)) == 0xffff
    }

    /// The header of a fragment of this datagram with `options`, at `offset` (in units of 8 bytes),
    /// with its checksum. `total_length` is in bytes.
    pub(crate) fn fragment(
        &self,
        options: &[u8],
        offset: u16,
        more: bool,
        total_length: u16,
    ) -> Self {
        let flags = self.flags_and_offset.get();
        // A fragment can be fragmented again. Then its last part keeps the flag of the whole, and
        // offsets are relative to its own.
        let more = if more {
            MORE_FRAGMENTS
        } else {
            flags & MORE_FRAGMENTS
        };
        let offset = (flags & OFFSET).wrapping_add(offset) & OFFSET;
        // At most 15, because the options come from a valid header.
        let words = (Self::LEN.saturating_add(options.len()) / 4) as u8;
        let mut header = Self {
            version_and_length: 0x40 | words,
            tos: self.tos,
            total_length: U16::new(total_length),
            id: self.id,
            flags_and_offset: U16::new(more | offset),
            ttl: self.ttl,
            protocol: self.protocol,
            checksum: U16::ZERO,
            source: self.source,
            destination: self.destination,
        };
        // The checksum covers the options too, which the caller writes after this header.
        header.checksum = U16::new(!checksum::add(
            checksum::sum(header.as_bytes()),
            checksum::sum(options),
        ));
        header
    }

    /// Sets the identification. Returns the change for the checksum.
    pub(crate) fn set_id(&mut self, id: u16) -> Delta {
        let old = core::mem::replace(&mut self.id, U16::new(id));
        Delta::default().and_u16(old.get(), id)
    }

    /// Sets the source address. Returns the previous one.
    pub(crate) fn set_source(&mut self, address: u32) -> u32 {
        core::mem::replace(&mut self.source, U32::new(address)).get()
    }

    /// Sets the destination address. Returns the previous one.
    pub(crate) fn set_destination(&mut self, address: u32) -> u32 {
        core::mem::replace(&mut self.destination, U32::new(address)).get()
    }

    pub(crate) fn set_checksum(&mut self, checksum: u16) {
        self.checksum = U16::new(checksum);
    }

    /// Decrements the time to live unless it is zero. Returns the change for the checksum.
    pub(crate) fn decrement_ttl(&mut self) -> Delta {
        // The time to live shares its word with the protocol.
        let old = u16::from_be_bytes([self.ttl, self.protocol]);
        self.ttl = self.ttl.saturating_sub(1);
        Delta::default().and_u16(old, u16::from_be_bytes([self.ttl, self.protocol]))
    }
}
