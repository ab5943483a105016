//! The TCP header, RFC 9293 section 3.1.

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::Delta;

/// The header without options.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    source_port: U16,
    destination_port: U16,
    sequence: U32,
    acknowledgment: U32,
    data_offset: u8,
    flags: u8,
    window: U16,
    checksum: U16,
    urgent: U16,
}

/// The flags that determine the kind of a segment. PSH, URG, ECE and CWR do not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const FIN: Self = Self(0x01);
    pub(crate) const SYN: Self = Self(0x02);
    pub(crate) const RST: Self = Self(0x04);
    pub(crate) const ACK: Self = Self(0x10);
    pub(crate) const SYN_ACK: Self = Self(0x12);
    pub(crate) const RST_ACK: Self = Self(0x14);
    pub(crate) const FIN_ACK: Self = Self(0x11);

    /// The flags of a header.
    pub(crate) fn of(bits: u8) -> Self {
        Self(bits & (Self::SYN_ACK.0 | Self::RST.0 | Self::FIN.0))
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a legal segment can have these flags. Illegal are: none at all, SYN with FIN, RST
    /// with either, FIN without ACK.
    pub(crate) fn are_legal(self) -> bool {
        matches!(
            self,
            Self::SYN | Self::SYN_ACK | Self::RST | Self::RST_ACK | Self::FIN_ACK | Self::ACK
        )
    }
}

impl Header {
    pub(crate) const LEN: usize = size_of::<Self>();

    /// A segment without data, options and window, and without its checksum.
    pub(crate) fn new(
        source_port: u16,
        destination_port: u16,
        sequence: u32,
        acknowledgment: u32,
        flags: Flags,
    ) -> Self {
        Self {
            source_port: U16::new(source_port),
            destination_port: U16::new(destination_port),
            sequence: U32::new(sequence),
            acknowledgment: U32::new(acknowledgment),
            data_offset: 0x50,
            flags: flags.0,
            window: U16::ZERO,
            checksum: U16::ZERO,
            urgent: U16::ZERO,
        }
    }

    pub(crate) fn source_port(&self) -> u16 {
        self.source_port.get()
    }

    pub(crate) fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }

    pub(crate) fn sequence(&self) -> u32 {
        self.sequence.get()
    }

    pub(crate) fn acknowledgment(&self) -> u32 {
        self.acknowledgment.get()
    }

    /// The length of the header with its options, in bytes.
    pub(crate) fn header_length(&self) -> usize {
        usize::from(self.data_offset >> 4) * 4
    }

    pub(crate) fn flags(&self) -> Flags {
        Flags::of(self.flags)
    }

    /// Sets the port. Returns the change for the checksum.
    pub(crate) fn set_source_port(&mut self, port: u16) -> Delta {
        let old = core::mem::replace(&mut self.source_port, U16::new(port));
        Delta::default().and_u16(old.get(), port)
    }

    /// Sets the port. Returns the change for the checksum.
    pub(crate) fn set_destination_port(&mut self, port: u16) -> Delta {
        let old = core::mem::replace(&mut self.destination_port, U16::new(port));
        Delta::default().and_u16(old.get(), port)
    }

    pub(crate) fn set_checksum(&mut self, checksum: u16) {
        self.checksum = U16::new(checksum);
    }

    /// Updates the checksum. Zero is a value like any other.
    pub(crate) fn update_checksum(&mut self, delta: Delta) {
        self.checksum = U16::new(delta.apply(self.checksum.get()));
    }
}
