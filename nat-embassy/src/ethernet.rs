//! The Ethernet header.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A hardware address, in three fields of two bytes: a Cortex-M0+ copies them in registers, but
/// calls `memcpy` for an array of bytes.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub(crate) struct Mac {
    first: u16,
    second: u16,
    third: u16,
}

impl Mac {
    pub(crate) const BROADCAST: Self = Self::new([0xff; 6]);
    pub(crate) const ZERO: Self = Self::new([0; 6]);

    pub(crate) const fn new([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self {
            first: u16::from_ne_bytes([a, b]),
            second: u16::from_ne_bytes([c, d]),
            third: u16::from_ne_bytes([e, f]),
        }
    }

    pub(crate) const fn octets(self) -> [u8; 6] {
        let [a, b] = self.first.to_ne_bytes();
        let [c, d] = self.second.to_ne_bytes();
        let [e, f] = self.third.to_ne_bytes();
        [a, b, c, d, e, f]
    }

    /// Copies `other` field by field.
    #[inline]
    const fn set(&mut self, other: &Self) {
        self.first = other.first;
        self.second = other.second;
        self.third = other.third;
    }

    /// Whether it is a group address. The broadcast address is one.
    pub(crate) const fn is_group(self) -> bool {
        self.first.to_ne_bytes()[0] & 1 != 0
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
    Header::read(frame, |header| header.ethertype() == EtherType::VLAN).unwrap_or(false)
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

    pub(crate) const fn new(destination: Mac, source: Mac, ethertype: u16) -> Self {
        Self {
            destination,
            source,
            ethertype: U16::new(ethertype),
        }
    }

    /// Calls `read` with the header at the start of `frame`; `None` if the frame is too short for
    /// one. The header is read in place, unless the frame is at an odd address.
    #[inline]
    pub(crate) fn read<R>(frame: &[u8], read: impl Fn(&Self) -> R) -> Option<R> {
        match Self::ref_from_prefix(frame) {
            Ok((header, _)) => Some(read(header)),
            Err(_) => Self::read_from_prefix(frame)
                .ok()
                .map(|(header, _)| read(&header)),
        }
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

    /// Replaces the stations in the header at the start of `frame`. Returns `false`, and changes
    /// nothing, if the frame is too short or at an odd address.
    #[inline]
    pub(crate) fn replace_stations(frame: &mut [u8], destination: &Mac, source: &Mac) -> bool {
        let Ok((header, _)) = Self::mut_from_prefix(frame) else {
            return false;
        };
        header.destination.set(destination);
        header.source.set(source);
        true
    }

    pub(crate) const fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }
}
