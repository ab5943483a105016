//! The memory of a NAT as a type.

use crate::table::{Link, Slot};

use super::{Host, Mapping, Session};

/// The memory of a NAT: room for `MAPPINGS` mappings and `SESSIONS` sessions of `HOSTS` inside hosts, 1 to 65,535 each.
///
/// All zeros when new, so a `static` of it costs RAM only, and no flash. A mapping takes 18 bytes, a session 38, a host
/// 14, their shares of every index and list included. A host counts as long as it has a mapping; so does the target of a
/// port forward, and the router itself while it talks to the outside.
pub struct Tables<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize = 64> {
    pub(super) hosts: [Host; HOSTS],
    pub(super) hosts_by_address: [Link; HOSTS],
    pub(super) mappings: [Mapping; MAPPINGS],
    pub(super) mappings_by_inside: [Link; MAPPINGS],
    pub(super) mappings_by_external: [Link; MAPPINGS],
    pub(super) sessions: [Session; SESSIONS],
    pub(super) sessions_by_remote: [Link; SESSIONS],
}

const _: () = {
    assert!(size_of::<Mapping>() + 2 * size_of::<Link>() == 18);
    assert!(size_of::<Session>() + size_of::<Link>() == 38);
    assert!(size_of::<Host>() + size_of::<Link>() == 14);
};

impl<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize> Tables<MAPPINGS, SESSIONS, HOSTS> {
    /// Empty tables.
    #[expect(clippy::new_without_default, reason = "a default would be built on the stack, where tables do not fit")]
    pub const fn new() -> Self {
        const {
            assert!(MAPPINGS >= 1 && MAPPINGS <= Link::MAX_SLOTS, "MAPPINGS must be 1 to 65,535");
            assert!(SESSIONS >= 1 && SESSIONS <= Link::MAX_SLOTS, "SESSIONS must be 1 to 65,535");
            assert!(HOSTS >= 1 && HOSTS <= Link::MAX_SLOTS, "HOSTS must be 1 to 65,535");
        };
        Self {
            hosts: [Host::FREE; HOSTS],
            hosts_by_address: [Link::NONE; HOSTS],
            mappings: [Mapping::FREE; MAPPINGS],
            mappings_by_inside: [Link::NONE; MAPPINGS],
            mappings_by_external: [Link::NONE; MAPPINGS],
            sessions: [Session::FREE; SESSIONS],
            sessions_by_remote: [Link::NONE; SESSIONS],
        }
    }
}
