//! The Ethernet header.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The address of a station. Aligned, because a Cortex-M0+ copies what is not byte by byte.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C, align(2))]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    pub(crate) const BROADCAST: Self = Self([0xff; 6]);
    pub(crate) const ZERO: Self = Self([0; 6]);

    /// Whether it is the address of a group; all stations are one.
    pub(crate) const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether one station can have it.
    pub(crate) fn is_station(self) -> bool {
        !self.is_group() && self != Self::ZERO
    }
}

/// What the frame carries.
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

/// The length of an IEEE 802.1Q tag: its type and the tag control information, between the stations
/// and the ethertype.
pub(crate) const TAG_LEN: usize = 4;

/// The bits of the tag control information that are the VLAN id. The others are the priority and
/// the drop eligibility.
const VLAN_ID: u16 = 0x0fff;

/// Takes the tag off a frame that is priority-tagged: that has an IEEE 802.1Q tag with the VLAN id
/// 0. Such a frame belongs to no VLAN, and is the same as one without a tag but for its priority
/// (IEEE 802.1Q-2018 sections 3.184 and 6.9.1).
///
/// The stations move up to the ethertype, so that what follows the header stays where it is. `None`
/// for all other frames.
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

/// Whether the frame has a tag, of whatever VLAN.
pub(crate) fn is_tagged(frame: &mut [u8]) -> bool {
    Header::split(frame).is_some_and(|(header, _)| header.ethertype() == EtherType::VLAN)
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

    /// Splits `frame` into its header and the rest; `None` if it is too short for one.
    pub(crate) fn split(frame: &mut [u8]) -> Option<(Self, &mut [u8])> {
        let (header, rest) = frame.split_at_mut_checked(Self::LEN)?;
        Some((Self::read_from_bytes(header).ok()?, rest))
    }

    pub(crate) const fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }
}
