//! All the memory of a router.

use core::mem::MaybeUninit;

use embassy_net::StackResources;
use nat_core::Width;
use nat_embassy::{State, WideState};

use crate::dhcp;
use crate::journal::{Journal, Recorder};

/// Sockets of each of the router's own stacks. DHCP takes one of each; the others are for the
/// application.
pub const SOCKETS: usize = 4;

/// All the memory of a router: a [`State`] with the same parameters, that of both stacks, that of
/// the DHCP server, whose pool can have `HOSTS` addresses at 24 bytes each, and that of the DHCP
/// client.
///
/// All zeros when new, so a `static` of it costs RAM only and no flash. It is large: have it in a
/// `static` from the start, not moved there.
pub struct Memory<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize = 32,
    const WAITING: usize = 4,
    const FREED: usize = 64,
    W: Width = u16,
> {
    pub(crate) state: State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>,
    pub(crate) inside: StackResources<SOCKETS>,
    pub(crate) outside: StackResources<SOCKETS>,
    pub(crate) dhcp: dhcp::Memory<HOSTS>,
    pub(crate) dhcp_client: dhcp::client::Memory,
    pub(crate) uplink: MaybeUninit<dhcp::client::Shared>,
    pub(crate) journal: Journal,
    pub(crate) recorder: MaybeUninit<Recorder<'static>>,
}

/// All the memory of a router with a [`WideState`].
pub type WideMemory<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize = 32,
    const WAITING: usize = 4,
    const FREED: usize = 64,
> = Memory<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, u32>;

impl<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
> Memory<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED>
{
    /// Memory that nothing uses yet.
    pub const fn new() -> Self {
        Self::of(State::new())
    }
}

impl<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
> WideMemory<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED>
{
    /// Memory that nothing uses yet.
    pub const fn wide() -> Self {
        Self::of(WideState::wide())
    }
}

impl<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
    W: Width,
> Memory<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>
{
    const fn of(state: State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>) -> Self {
        Self {
            state,
            inside: StackResources::new(),
            outside: StackResources::new(),
            dhcp: dhcp::Memory::new(),
            dhcp_client: dhcp::client::Memory::new(),
            uplink: MaybeUninit::uninit(),
            journal: Journal::new(),
            recorder: MaybeUninit::uninit(),
        }
    }
}

impl<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
> Default for Memory<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED>
{
    fn default() -> Self {
        Self::new()
    }
}
