//! All the memory of a router.

use core::mem::MaybeUninit;

use nat_core::{Fragments, Quarantine, Reply, Tables, WideQuarantine, WideTables, Width};

use crate::application::FrameBuffer;
use crate::control::Shared;
use crate::departing::Departing;
use crate::local::ChannelState;
use crate::neighbours;
use crate::probes::Probes;
use crate::waiting::Slot;

/// All the memory of a router: the NAT's tables for `MAPPINGS` mappings and `SESSIONS` sessions of
/// `HOSTS` inside hosts, 1 to 65,535 each (see [`WideState`] for more), the queues of both virtual
/// devices, what ARP knows and keeps waiting, fragments, and the quarantine of freed external
/// ports.
///
/// `HOSTS` stations are remembered inside, and 64 outside, at 26 bytes each. `WAITING` packets can
/// wait on each side while their neighbour's address is asked for, at 1.5 KiB each. `FREED`
/// external ports can be in quarantine, 1 to 65,535 at 18 bytes each: see
/// [`QuarantineConfig`](nat_core::QuarantineConfig).
///
/// All zeros when new, so a `static` of it costs RAM only and no flash. It is large: have it in a
/// `static` from the start, not moved there.
pub struct State<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize = 64,
    const WAITING: usize = 4,
    const FREED: usize = 64,
    W: Width = u16,
> {
    pub(crate) tables: Tables<MAPPINGS, SESSIONS, HOSTS, W>,
    pub(crate) quarantine: Quarantine<FREED, W>,
    pub(crate) fragments: Fragments<DATAGRAMS, HELD>,
    pub(crate) shared: MaybeUninit<Shared<'static, W>>,
    pub(crate) lan: SideMemory<WAITING, HOSTS>,
    pub(crate) wan: SideMemory<WAITING, OUTSIDE_NEIGHBOURS>,
    pub(crate) answer: [u8; Reply::MAX_LEN],
    pub(crate) departing: Departing,
    pub(crate) frame: FrameBuffer,
    pub(crate) probes: MaybeUninit<Probes>,
}

/// All the memory of a router for up to 1,048,576 mappings, sessions, hosts and ports in quarantine
/// each: its tables are [`WideTables`], and its quarantine [`WideQuarantine`].
pub type WideState<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize = 64,
    const WAITING: usize = 4,
    const FREED: usize = 64,
> = State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, u32>;

/// Fragmented datagrams that can be under way at once.
const DATAGRAMS: usize = 16;

/// Fragments that can wait for the first of their datagram: all others of one of 8 KiB, where its
/// sender begins with the last.
pub(crate) const HELD: usize = 5;

/// Neighbours that are remembered outside. Inside there are as many as hosts.
const OUTSIDE_NEIGHBOURS: usize = 64;

/// The memory of one side.
pub(crate) struct SideMemory<const WAITING: usize, const NEIGHBOURS: usize> {
    pub(crate) channel: ChannelState,
    pub(crate) neighbours: neighbours::Memory<NEIGHBOURS>,
    pub(crate) queries: neighbours::Queries,
    pub(crate) waiting: [Slot; WAITING],
}

// The crate's documentation says about 61 KiB beside the tables, which this rounds to.
const _: () =
    assert!(size_of::<State<1, 1, 1>>() - size_of::<Tables<1, 1, 1>>() <= 61 * 1024 + 512);

impl<const WAITING: usize, const NEIGHBOURS: usize> SideMemory<WAITING, NEIGHBOURS> {
    const fn new() -> Self {
        Self {
            channel: ChannelState::new(),
            neighbours: neighbours::Memory::new(),
            queries: neighbours::Queries::new(),
            waiting: [Slot::FREE; WAITING],
        }
    }
}

impl<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
> State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED>
{
    /// Memory that nothing uses yet.
    pub const fn new() -> Self {
        Self::of(Tables::new(), Quarantine::new())
    }
}

impl<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
> WideState<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED>
{
    /// Memory that nothing uses yet.
    pub const fn wide() -> Self {
        Self::of(WideTables::wide(), WideQuarantine::wide())
    }
}

impl<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
    W: Width,
> State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>
{
    const fn of(
        tables: Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        quarantine: Quarantine<FREED, W>,
    ) -> Self {
        Self {
            tables,
            quarantine,
            fragments: Fragments::new(),
            shared: MaybeUninit::uninit(),
            lan: SideMemory::new(),
            wan: SideMemory::new(),
            answer: [0; Reply::MAX_LEN],
            departing: Departing::new(),
            frame: FrameBuffer::new(),
            probes: MaybeUninit::uninit(),
        }
    }
}

impl<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
> Default for State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED>
{
    fn default() -> Self {
        Self::new()
    }
}
