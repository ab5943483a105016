//! The Ethernet header.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A hardware address. Aligned, because a Cortex-M0+ copies unaligned data byte by byte.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C, align(2))]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    pub(crate) const BROADCAST: Self = Self([0xff; 6]);
    pub(crate) const ZERO: Self = Self([0; 6]);

    /// Whether it is a group address. The broadcast address is one.
    pub(crate) const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether it can be the address of one station.
    pub(crate) fn is_station(self) -> bool {
        !self.is_group() && self != Self::ZERO
    }
}

/// The values of the ethertype field.
pub(crate) struct EtherType;

impl EtherType {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    /// IEEE 802.1Q customer tag.
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const IPV6: u16 = 0x86dd;
    /// IEEE 802.1ad service tag.
    pub(crate) const SERVICE_VLAN: u16 = 0x88a8;
}

/// The length of an IEEE 802.1Q tag: its ethertype and the tag control information. It lies between
/// the hardware addresses and the frame's own ethertype.
pub(crate) const TAG_LEN: usize = 4;

/// The bits of the VLAN id in the tag control information. The other bits are the priority and the
/// drop eligibility.
const VLAN_ID: u16 = 0x0fff;

/// Removes the tag of a priority-tagged frame: one with an IEEE 802.1Q tag whose VLAN id is 0. Such
/// a frame belongs to no VLAN; the tag only gives a priority (IEEE 802.1Q-2018 sections 3.184 and
/// 6.9.1). Returns `None` for all other frames.
///
/// The hardware addresses move up to the ethertype, so that the payload stays in its place.
pub(crate) fn without_priority_tag(frame: &mut [u8]) -> Option<&mut [u8]> {
    let (header, _) = Header::split(frame)?;
    let tag = frame
        .get(Header::LEN..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)?;
    if header.ethertype() != EtherType::VLAN || tag & VLAN_ID != 0 {
        return None;
    }
    frame.copy_within(..2 * size_of::<Mac>(), TAG_LEN);
    frame.get_mut(TAG_LEN..)
}

/// Whether the frame has an IEEE 802.1Q tag, of any VLAN.
pub(crate) fn is_tagged(frame: &[u8]) -> bool {
    let mut copy = Header::ZERO;
    Header::of(frame, &mut copy).is_some_and(|header| header.ethertype() == EtherType::VLAN)
}

/// The header at the start of a frame.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) destination: Mac,
    pub(crate) source: Mac,
    ethertype: U16,
}

impl Header {
    pub(crate) const LEN: usize = size_of::<Self>();
    pub(crate) const ZERO: Self = Self::new(Mac::ZERO, Mac::ZERO, 0);

    pub(crate) const fn new(destination: Mac, source: Mac, ethertype: u16) -> Self {
        Self {
            destination,
            source,
            ethertype: U16::new(ethertype),
        }
    }

    /// The header at the start of `frame`; `None` if the frame is too short for one. It is read in
    /// place, unless the frame is at an odd address: then it is copied to `copy`.
    #[inline]
    pub(crate) fn of<'a>(frame: &'a [u8], copy: &'a mut Self) -> Option<&'a Self> {
        let bytes = frame.get(..Self::LEN)?;
        if let Ok(header) = Self::ref_from_bytes(bytes) {
            return Some(header);
        }
        copy.as_mut_bytes().copy_from_slice(bytes);
        Some(copy)
    }

    /// Splits `frame` into its header and the rest; `None` if it is too short for one.
    pub(crate) fn split(frame: &mut [u8]) -> Option<(Self, &mut [u8])> {
        let (header, rest) = frame.split_at_mut_checked(Self::LEN)?;
        Some((Self::read_from_bytes(header).ok()?, rest))
    }

    /// The header of an IPv4 frame back to the sender of this one.
    pub(crate) const fn reply(&self) -> Self {
        Self::new(self.source, self.destination, EtherType::IPV4)
    }

    /// Writes it to the start of a frame.
    #[inline]
    pub(crate) fn write(&self, bytes: &mut [u8; Self::LEN]) {
        match Self::mut_from_bytes(bytes) {
            Ok(place) => *place = *self,
            Err(_) => bytes.copy_from_slice(self.as_bytes()),
        }
    }

    pub(crate) const fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }
}
