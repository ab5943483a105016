//! All the memory of a router.

use core::mem::MaybeUninit;
use core::net::Ipv4Addr;

use heapless::Vec;
use nat_core::{
    Config, ConfigError, Fragments, MAX_EXTERNAL_ADDRESSES, Nat, Quarantine, Reply, Seed, Tables,
    WideQuarantine, WideTables, Width,
};

use crate::application::FrameBuffer;
use crate::fragment_tx::FragmentTx;
use crate::neighbours::{self, Neighbours};
use crate::probes::Probes;
use crate::router::EARLY_FRAGMENTS;
use crate::shared::Shared;
use crate::stack_interface::ChannelState;
use crate::tx_frame::ReplyBuffer;
use crate::waiting::{self, WaitingPackets};

/// All the memory of a router.
///
/// It holds the NAT's tables for `MAPPINGS` mappings and `SESSIONS` sessions of `HOSTS` inside
/// hosts, 1 to 65,535 each (see [`WideState`] for more), the queues of both virtual devices, the
/// ARP caches, the packets that wait for ARP, fragments, and the quarantine of freed external
/// ports.
///
/// The ARP caches have slots for `HOSTS` neighbours inside and 64 outside, at 26 bytes each. On
/// each side `WAITING` packets can wait for the hardware address of their neighbour, 2 or more, at
/// 1084 bytes each: half of them if they are as long as a frame. `FREED` external ports can be in quarantine, 1 to 65,535, at 18 bytes each: see
/// [`QuarantineConfig`](nat_core::QuarantineConfig).
///
/// It is all zeros when new, so a `static` of it takes RAM only and no flash. It is large: create
/// it in a `static`, so that it is never moved.
pub struct State<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize = 64,
    const WAITING: usize = 4,
    const FREED: usize = 64,
    W: Width = u16,
> {
    tables: Tables<MAPPINGS, SESSIONS, HOSTS, W>,
    quarantine: Quarantine<FREED, W>,
    fragments: Fragments<DATAGRAMS, EARLY_FRAGMENTS>,
    nat: MaybeUninit<Nat<'static, W>>,
    shared: MaybeUninit<Shared<'static, W>>,
    lan: SideMemory<WAITING, HOSTS>,
    wan: SideMemory<WAITING, OUTSIDE_NEIGHBOURS>,
    reply: ReplyBuffer,
    fragment_tx: FragmentTx,
    frame: FrameBuffer,
    probes: MaybeUninit<Probes>,
}

/// The memory of a router for up to 1,048,576 mappings, sessions, hosts and ports in quarantine
/// each. Its tables are [`WideTables`], and its quarantine is a [`WideQuarantine`].
pub type WideState<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize = 64,
    const WAITING: usize = 4,
    const FREED: usize = 64,
> = State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, u32>;

/// Fragmented datagrams whose fragments can be translated at a time.
const DATAGRAMS: usize = 16;

/// The ARP cache's slots outside. Inside there are as many as hosts.
const OUTSIDE_NEIGHBOURS: usize = 64;

/// The memory of one side.
struct SideMemory<const WAITING: usize, const NEIGHBOURS: usize> {
    channel: ChannelState,
    neighbours: neighbours::Memory<NEIGHBOURS>,
    queries: neighbours::Queries,
    waiting: waiting::Memory<WAITING>,
}

/// A [`State`] without the NAT's tables, whose type does not depend on the capacities.
pub(crate) struct Memory<'d, W: Width> {
    pub(crate) shared: &'d mut Shared<'d, W>,
    pub(crate) lan: SideParts<'d>,
    pub(crate) wan: SideParts<'d>,
    pub(crate) reply: &'d mut ReplyBuffer,
    pub(crate) fragment_tx: &'d mut FragmentTx,
}

/// What the memory of one side is for.
pub(crate) struct SideParts<'d> {
    pub(crate) channel: &'d mut ChannelState,
    pub(crate) neighbours: Neighbours<'d>,
    pub(crate) waiting: WaitingPackets<'d>,
}

// The crate's documentation rounds this to about 51 KiB besides the tables.
const _: () = assert!(size_of::<State<1, 1, 1>>() - size_of::<Tables<1, 1, 1>>() <= 53 * 1024);

impl<const WAITING: usize, const NEIGHBOURS: usize> SideMemory<WAITING, NEIGHBOURS> {
    const fn new() -> Self {
        Self {
            channel: ChannelState::new(),
            neighbours: neighbours::Memory::new(),
            queries: neighbours::Queries::new(),
            waiting: waiting::Memory::new(),
        }
    }

    fn parts(&mut self, secret: u32) -> SideParts<'_> {
        let Self {
            channel,
            neighbours,
            queries,
            waiting,
        } = self;
        SideParts {
            channel,
            neighbours: Neighbours::new(neighbours, queries, secret),
            waiting: WaitingPackets::new(waiting),
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
    /// Unused memory.
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
    /// Unused memory.
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
            nat: MaybeUninit::uninit(),
            shared: MaybeUninit::uninit(),
            lan: SideMemory::new(),
            wan: SideMemory::new(),
            reply: [0; Reply::MAX_LEN],
            fragment_tx: FragmentTx::new(),
            frame: FrameBuffer::new(),
            probes: MaybeUninit::uninit(),
        }
    }

    /// Builds the NAT on its tables, with `secondary` as its external addresses besides that of the
    /// outside configuration. Returns it with the rest of the memory.
    ///
    /// The NAT takes kilobytes. It is moved here and nowhere else, and not inlined, so that the
    /// stack holds no copy of it while the callers go on.
    #[inline(never)]
    pub(crate) fn split(
        &'static mut self,
        config: Config,
        secondary: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>,
        seed: Seed,
    ) -> Result<Memory<'static, W>, ConfigError> {
        let secret = seed.table_secret();
        let nat = Nat::new_in(&mut self.nat, &mut self.tables, config, seed)?;
        nat.set_fragments(&mut self.fragments);
        nat.set_quarantine(&mut self.quarantine);
        let probes = self.probes.write(Probes::new());
        let shared = Shared::new(nat, secondary, &mut self.frame, probes);
        Ok(Memory {
            shared: self.shared.write(shared),
            lan: self.lan.parts(secret),
            wan: self.wan.parts(secret),
            reply: &mut self.reply,
            fragment_tx: &mut self.fragment_tx,
        })
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
