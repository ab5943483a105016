//! The memory of the session tables.

use crate::table::{Slot, SlotIndex, Width};

use super::{Host, Mapping, Session};

/// The memory of a NAT: capacity for `MAPPINGS` mappings, `SESSIONS` sessions and `HOSTS` inside
/// hosts, 1 to 65,535 each. See [`WideTables`] for more.
///
/// New tables are all zeros, so a `static` costs RAM only and no flash. A mapping takes 20 bytes, a
/// session 46 and a host 82, including their share of every index and list. A host takes a slot as
/// long as it has a mapping. If `HOSTS` is greater than 1, one slot is reserved for the router
/// itself, which needs it while its own stack talks to the outside.
pub struct Tables<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize = 64,
    W: Width = u16,
> {
    pub(super) hosts: [Host<W>; HOSTS],
    pub(super) hosts_by_address: [SlotIndex<W>; HOSTS],
    pub(super) mappings: [Mapping<W>; MAPPINGS],
    pub(super) mappings_by_inside: [SlotIndex<W>; MAPPINGS],
    pub(super) mappings_by_external: [SlotIndex<W>; MAPPINGS],
    pub(super) sessions: [Session<W>; SESSIONS],
    pub(super) sessions_by_remote: [SlotIndex<W>; SESSIONS],
}

/// Tables for up to 1,048,576 mappings, sessions and hosts each, for a gateway on a computer. Their
/// slot indexes have twice the width, so a mapping takes 36 bytes, a session 60 and a host 132.
pub type WideTables<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize = 64> =
    Tables<MAPPINGS, SESSIONS, HOSTS, u32>;

const _: () = {
    assert!(size_of::<Mapping<u16>>() + 2 * size_of::<SlotIndex<u16>>() == 20);
    assert!(size_of::<Session<u16>>() + size_of::<SlotIndex<u16>>() == 46);
    // With more external addresses a host has more counts.
    let [narrow, wide] = if cfg!(feature = "sixteen-addresses") {
        [102, 168]
    } else {
        [82, 132]
    };
    assert!(size_of::<Host<u16>>() + size_of::<SlotIndex<u16>>() == narrow);
    assert!(size_of::<Mapping<u32>>() + 2 * size_of::<SlotIndex<u32>>() == 36);
    assert!(size_of::<Session<u32>>() + size_of::<SlotIndex<u32>>() == 60);
    assert!(size_of::<Host<u32>>() + size_of::<SlotIndex<u32>>() == wide);
};

impl<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>
    Tables<MAPPINGS, SESSIONS, HOSTS>
{
    /// Empty tables.
    #[expect(
        clippy::new_without_default,
        reason = "a default would be built on the stack, where tables do not fit"
    )]
    pub const fn new() -> Self {
        Self::empty()
    }
}

impl<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>
    WideTables<MAPPINGS, SESSIONS, HOSTS>
{
    /// Empty tables.
    pub const fn wide() -> Self {
        Self::empty()
    }
}

impl<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, W: Width>
    Tables<MAPPINGS, SESSIONS, HOSTS, W>
{
    const fn empty() -> Self {
        const {
            assert!(
                MAPPINGS >= 1 && MAPPINGS <= W::MAX_SLOTS,
                "MAPPINGS must be 1 to 65,535, wide 1,048,576"
            );
            assert!(
                SESSIONS >= 1 && SESSIONS <= W::MAX_SLOTS,
                "SESSIONS must be 1 to 65,535, wide 1,048,576"
            );
            assert!(
                HOSTS >= 1 && HOSTS <= W::MAX_SLOTS,
                "HOSTS must be 1 to 65,535, wide 1,048,576"
            );
        };
        Self {
            hosts: [Host::FREE; HOSTS],
            hosts_by_address: [SlotIndex::NONE; HOSTS],
            mappings: [Mapping::FREE; MAPPINGS],
            mappings_by_inside: [SlotIndex::NONE; MAPPINGS],
            mappings_by_external: [SlotIndex::NONE; MAPPINGS],
            sessions: [Session::FREE; SESSIONS],
            sessions_by_remote: [SlotIndex::NONE; SESSIONS],
        }
    }
}
