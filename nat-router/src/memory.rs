//! All the memory of a router.

use core::mem::MaybeUninit;

use embassy_net::StackResources;
use nat_core::Width;
use nat_embassy::{State, WideState};

use crate::dhcp;
#[cfg(feature = "dns")]
use crate::dns;
use crate::events::{EventSink, MappingCount};

/// Sockets of each of the router's own stacks without services beyond DHCP. DHCP uses one of them;
/// the others are for the application.
pub const SOCKETS: usize = 4;

/// Sockets inside for ports on request.
const PORT_CONTROL_SOCKETS: usize = if cfg!(feature = "port-control") { 1 } else { 0 };

/// Sockets of the stack inside and of the stack outside.
#[cfg(feature = "dns")]
const INSIDE_SOCKETS: usize = SOCKETS + PORT_CONTROL_SOCKETS + 1 + dns::TCP_CONNECTIONS;
#[cfg(feature = "dns")]
const OUTSIDE_SOCKETS: usize = SOCKETS + dns::UDP_SOCKETS + dns::TCP_CONNECTIONS;
#[cfg(not(feature = "dns"))]
const INSIDE_SOCKETS: usize = SOCKETS + PORT_CONTROL_SOCKETS;
#[cfg(not(feature = "dns"))]
const OUTSIDE_SOCKETS: usize = SOCKETS;

/// All the memory of a router: a [`State`] with the same parameters, and the memory of both stacks,
/// of the DHCP server and of the DHCP client. The server's pool can have `HOSTS` addresses, at 24
/// bytes each.
///
/// It is all zeros when new, so a `static` of it takes RAM only and no flash. It is large: create
/// it in a `static`, so that it is never moved.
pub struct Memory<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize = 32,
    const WAITING: usize = 4,
    const FREED: usize = 64,
    W: Width = u16,
> {
    pub(crate) state: State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>,
    pub(crate) inside: StackResources<INSIDE_SOCKETS>,
    pub(crate) outside: StackResources<OUTSIDE_SOCKETS>,
    pub(crate) dhcp: dhcp::Memory<HOSTS>,
    pub(crate) dhcp_client: dhcp::client::Memory,
    #[cfg(feature = "dns")]
    pub(crate) dns: dns::Memory,
    pub(crate) lease: MaybeUninit<dhcp::client::Shared>,
    #[cfg(feature = "port-control")]
    pub(crate) port_control: crate::port_control::Buffers,
    pub(crate) mapping_count: MappingCount,
    pub(crate) event_sink: MaybeUninit<EventSink<'static>>,
}

/// The memory of a router with a [`WideState`].
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
    /// Unused memory.
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
    /// Unused memory.
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
            #[cfg(feature = "dns")]
            dns: dns::Memory::new(),
            lease: MaybeUninit::uninit(),
            #[cfg(feature = "port-control")]
            port_control: crate::port_control::Buffers::new(),
            mapping_count: MappingCount::new(),
            event_sink: MaybeUninit::uninit(),
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
