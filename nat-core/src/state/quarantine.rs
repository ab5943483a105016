//! The quarantine: external ports that no mapping gets for a while after their mapping has ended
//! (RFC 6888 REQ-8).

#[cfg(feature = "audit")]
mod canonical;

use core::marker::PhantomData;
use core::time::Duration;

use crate::config::{Config, QuarantineConfig};
use crate::features::QUARANTINE;
use crate::table::{Aging, Chain, ExpiryList, HashKey, Index, Slot, SlotIndex, Slots, Width};

#[cfg(feature = "audit")]
use crate::table::audit::{Fault, audit_list, ensure};

use super::Proto;
use super::port_use::{ExternalPort, PortPool, PortUse};

/// Memory for the quarantine of external ports: up to `PORTS` ports at a time, 1 to 65,535. If more
/// ports are freed, those that have been in quarantine for longest leave it early.
///
/// New memory is all zeros. A port takes 18 bytes, including its share of index and list. Pass it
/// to [`Nat::with_quarantine`](crate::Nat::with_quarantine).
pub struct Quarantine<const PORTS: usize, W: Width = u16> {
    ports: [Freed<W>; PORTS],
    buckets: [SlotIndex<W>; PORTS],
}

/// Memory for the quarantine beside [`WideTables`](crate::WideTables): up to 1,048,576 ports of 24
/// bytes each.
pub type WideQuarantine<const PORTS: usize> = Quarantine<PORTS, u32>;

const _: () = assert!(size_of::<Freed<u16>>() + size_of::<SlotIndex<u16>>() == 18);
const _: () = assert!(size_of::<Freed<u32>>() + size_of::<SlotIndex<u32>>() == 24);

impl<const PORTS: usize> Quarantine<PORTS> {
    /// Empty memory.
    #[expect(
        clippy::new_without_default,
        reason = "a default would be built on the stack, where it may not fit"
    )]
    pub const fn new() -> Self {
        Self::empty()
    }
}

impl<const PORTS: usize> WideQuarantine<PORTS> {
    /// Empty memory.
    pub const fn wide() -> Self {
        Self::empty()
    }
}

impl<const PORTS: usize, W: Width> Quarantine<PORTS, W> {
    const fn empty() -> Self {
        const {
            assert!(
                PORTS >= 1 && PORTS <= W::MAX_SLOTS,
                "PORTS must be 1 to 65,535, wide 1,048,576"
            );
        };
        Self {
            ports: [Freed::FREE; PORTS],
            buckets: [SlotIndex::NONE; PORTS],
        }
    }
}

/// A port in quarantine.
#[cfg_attr(feature = "audit", derive(Clone, Hash))]
struct Freed<W> {
    /// Until when, in milliseconds of the clock modulo 2^32.
    deadline: u32,
    /// Zero in a free slot: no mapping has port 0.
    port: u16,
    by_port: SlotIndex<W>,
    neighbours: [SlotIndex<W>; 2],
    external: u8,
    proto: Proto,
}

impl<W: Width> Freed<W> {
    fn new(port: ExternalPort, deadline: u32) -> Self {
        let ExternalPort {
            proto,
            external,
            port,
        } = port;
        Self {
            deadline,
            port,
            external,
            proto,
            ..Self::FREE
        }
    }

    fn port(&self) -> ExternalPort {
        ExternalPort {
            proto: self.proto,
            external: self.external,
            port: self.port,
        }
    }

    /// How much longer it stays, in milliseconds; zero if its time is over.
    fn remaining(&self, now: u32) -> u32 {
        let left = self.deadline.wrapping_sub(now);
        // Deadlines are less than 2^31 ms ahead, so a larger distance is a deadline in the past.
        if left <= i32::MAX as u32 { left } else { 0 }
    }

    fn is_over(&self, now: u32) -> bool {
        self.remaining(now) == 0
    }
}

impl<W: Width> Slot for Freed<W> {
    type Width = W;

    const FREE: Self = Self {
        deadline: 0,
        port: 0,
        by_port: SlotIndex::NONE,
        neighbours: [SlotIndex::NONE; 2],
        external: 0,
        proto: Proto::Icmp,
    };

    fn is_free(&self) -> bool {
        self.port == 0
    }

    fn spare_link(&mut self) -> &mut SlotIndex<W> {
        &mut self.by_port
    }
}

impl<W: Width> Aging for Freed<W> {
    fn neighbours(&mut self) -> &mut [SlotIndex<W>; 2] {
        &mut self.neighbours
    }

    #[cfg(feature = "audit")]
    fn both_neighbours(&self) -> [SlotIndex<W>; 2] {
        self.neighbours
    }
}

struct ByPort<W>(PhantomData<W>);

impl<W: Width> Chain for ByPort<W> {
    type Slot = Freed<W>;

    fn next(slot: &Freed<W>) -> SlotIndex<W> {
        slot.by_port
    }

    fn set_next(slot: &mut Freed<W>, next: SlotIndex<W>) {
        slot.by_port = next;
    }
}

/// The ports with the same quarantine time, in the order in which they were freed.
#[cfg_attr(feature = "audit", derive(Clone))]
struct Queue<W> {
    /// The quarantine time in milliseconds; zero for no quarantine.
    delay: u32,
    list: ExpiryList<W>,
}

/// How far the port that has been in a queue for longest has come.
struct Progress<W> {
    /// Whether its time is over.
    is_over: bool,
    /// For how long it has been in quarantine, in milliseconds.
    elapsed: u32,
    link: SlotIndex<W>,
}

/// The external ports in quarantine.
pub(crate) struct QuarantineTable<'t, W: Width> {
    key: HashKey,
    slots: Slots<'t, Freed<W>>,
    index: Index<'t, ByPort<W>>,
    // One queue for each of the two delays: within a queue the oldest is over first.
    queue: Queue<W>,
    tcp_queue: Queue<W>,
    counts: PortUse,
}

impl<'t, W: Width> QuarantineTable<'t, W> {
    /// A quarantine without memory, in which no port stays.
    pub(crate) fn none(key: HashKey, config: &Config) -> Self {
        Self::over(&mut [], &mut [], key, config)
    }

    /// An empty quarantine in `memory`, whose former content is lost.
    pub(crate) fn new<const PORTS: usize>(
        memory: &'t mut Quarantine<PORTS, W>,
        key: HashKey,
        config: &Config,
    ) -> Self {
        Self::over(&mut memory.ports, &mut memory.buckets, key, config)
    }

    fn over(
        ports: &'t mut [Freed<W>],
        buckets: &'t mut [SlotIndex<W>],
        key: HashKey,
        config: &Config,
    ) -> Self {
        let QuarantineConfig {
            delay, tcp_delay, ..
        } = config.quarantine;
        // `Config::check` has limited both to 12 days, which is less than 2^30 ms.
        let queue = |delay: Duration| Queue {
            delay: delay.as_millis() as u32,
            list: ExpiryList::EMPTY,
        };
        Self {
            key,
            slots: Slots::new(ports),
            index: Index::new(buckets),
            queue: queue(delay),
            tcp_queue: queue(tcp_delay),
            counts: PortUse::new(config),
        }
    }

    /// How many ports are in quarantine, of all pools.
    pub(crate) fn ports_waiting(&self) -> usize {
        self.slots.in_use()
    }

    /// How many ports of `pool` are in quarantine, including those whose time is over but that were
    /// not released yet.
    pub(crate) fn count(&self, pool: &PortPool) -> usize {
        if !QUARANTINE {
            return 0;
        }
        self.counts.count(pool)
    }

    /// Whether ports of `proto` are put into quarantine.
    pub(crate) fn delays(&self, proto: Proto) -> bool {
        QUARANTINE && self.queue(proto).delay != 0 && self.slots.capacity() != 0
    }

    /// Whether no port waits, as without memory for any. Then a look-up takes no hash.
    #[inline(always)]
    fn is_empty(&self) -> bool {
        !QUARANTINE || self.slots.in_use() == 0
    }

    /// How many more ports fit.
    pub(crate) fn free_slots(&self) -> usize {
        if QUARANTINE {
            self.slots.free_slots()
        } else {
            0
        }
    }

    #[inline(always)]
    pub(crate) fn contains(&self, port: ExternalPort, now: u32) -> bool {
        !self.is_empty() && self.is_waiting(port, now)
    }

    #[inline(never)]
    fn is_waiting(&self, port: ExternalPort, now: u32) -> bool {
        self.find(port)
            .and_then(|link| self.slots.get(link))
            .is_some_and(|freed| !freed.is_over(now))
    }

    /// Puts `port`, which has just been freed, into quarantine from `now` on. Its time starts again
    /// if it is there already, because two port forwards may have had it. If the memory is full,
    /// the port that has been in quarantine for longest leaves it. Returns how many ports left, or
    /// did not enter, before their time.
    pub(crate) fn insert(&mut self, port: ExternalPort, now: u32) -> u64 {
        if !self.delays(port.proto) {
            return 0;
        }
        // A port is in quarantine once, or it would leave at the earlier of two times.
        self.release(port);
        let hash = self.hash(port);
        // Before another port is evicted for it. The eviction cannot take this room away.
        if self.index.vacancy(&self.slots, hash, 1).is_err() {
            return 1;
        }
        let evicted = self.evict_oldest(now);
        // Modulo 2^32, like the clock: see `Freed::remaining`.
        let deadline = now.wrapping_add(self.queue(port.proto).delay);
        if let Some(link) = self.slots.insert(Freed::new(port, deadline)) {
            // The capacity was checked above.
            let _has_room = self.index.insert(&mut self.slots, hash, link);
            let (queue, slots) = self.queue_mut(port.proto);
            queue.list.push(slots, link);
            self.counts.add(port);
        }
        evicted
    }

    /// Releases `port`, because it is in use again.
    #[inline(always)]
    pub(crate) fn release(&mut self, port: ExternalPort) {
        if !self.is_empty() {
            self.find_and_remove(port);
        }
    }

    #[inline(never)]
    fn find_and_remove(&mut self, port: ExternalPort) {
        if let Some(link) = self.find(port) {
            self.remove(link);
        }
    }

    /// Releases up to `limit` ports whose time is over at `now`.
    pub(crate) fn release_overdue(&mut self, now: u32, limit: usize) {
        if !QUARANTINE {
            return;
        }
        for _ in 0..limit {
            let overdue = |link: &SlotIndex<W>| {
                self.slots
                    .get(*link)
                    .is_some_and(|freed| freed.is_over(now))
            };
            let Some(link) = self.first_of_queues().into_iter().find(overdue) else {
                return;
            };
            self.remove(link);
        }
    }

    /// The time from `now` until a port can be released, in milliseconds: zero if one can be
    /// released already, `None` if no port is in quarantine.
    pub(crate) fn next_deadline(&self, now: u32) -> Option<u32> {
        if !QUARANTINE {
            return None;
        }
        self.first_of_queues()
            .into_iter()
            .filter_map(|link| self.slots.get(link))
            .map(|freed| freed.remaining(now))
            .min()
    }

    /// Releases all ports.
    pub(crate) fn clear(&mut self) {
        if !QUARANTINE {
            return;
        }
        while let Some(link) = self
            .first_of_queues()
            .into_iter()
            .find(|link| !link.is_none())
        {
            self.remove(link);
        }
    }

    /// Releases all ports except those for which `stays` is true. Walks the table.
    pub(crate) fn retain(&mut self, stays: impl Fn(ExternalPort) -> bool) {
        if !QUARANTINE {
            return;
        }
        let mut cursor = 0;
        while let Some((next, link)) = self.slots.next_in_use(cursor) {
            cursor = next;
            if self
                .slots
                .get(link)
                .is_some_and(|freed| !stays(freed.port()))
            {
                self.remove(link);
            }
        }
    }

    /// Checks that each port in quarantine is found, is once in the list of its protocol, and is
    /// counted.
    #[cfg(feature = "audit")]
    pub(crate) fn audit(&self) -> Result<(), Fault> {
        self.slots.audit::<ByPort<W>>()?;
        let ports = self.slots.iter().count();
        self.index.audit(&self.slots, ports)?;
        let mut counts = PortUse::like(&self.counts);
        for (link, freed) in self.slots.iter() {
            ensure(
                self.find(freed.port()) == Some(link),
                "a port in quarantine that is not found",
            )?;
            counts.add(freed.port());
        }
        ensure(counts.counts_like(&self.counts), "the ports in quarantine")?;
        let listed = self.audit_queue(&self.queue, false)?;
        let listed_tcp = self.audit_queue(&self.tcp_queue, true)?;
        ensure(
            listed.wrapping_add(listed_tcp) == ports,
            "a port in quarantine in no list",
        )
    }

    /// Checks one queue. Returns how many ports are in it.
    #[cfg(feature = "audit")]
    fn audit_queue(&self, queue: &Queue<W>, is_tcp: bool) -> Result<usize, Fault> {
        let belongs = |freed: &Freed<W>| (freed.proto == Proto::Tcp) == is_tcp;
        audit_list(&queue.list, &self.slots, belongs, |freed| freed.deadline)
    }

    /// Releases a port if the memory is full. Returns how many ports were released before their
    /// time.
    fn evict_oldest(&mut self, now: u32) -> u64 {
        if self.slots.free_slots() > 0 {
            return 0;
        }
        // The first of a queue has been in it for longest. Of the two, one whose time is over goes
        // first, else the one that has been in quarantine for longer.
        let queues = [&self.queue, &self.tcp_queue];
        let oldest = queues
            .into_iter()
            .filter_map(|queue| self.progress(queue, now))
            .max_by_key(|progress| (progress.is_over, progress.elapsed));
        let Some(Progress { is_over, link, .. }) = oldest else {
            return 0;
        };
        self.remove(link);
        u64::from(!is_over)
    }

    /// How far the first port of a queue has come.
    fn progress(&self, queue: &Queue<W>, now: u32) -> Option<Progress<W>> {
        let link = queue.list.first();
        let remaining = self.slots.get(link)?.remaining(now);
        Some(Progress {
            is_over: remaining == 0,
            elapsed: queue.delay.saturating_sub(remaining),
            link,
        })
    }

    fn remove(&mut self, link: SlotIndex<W>) {
        let Some(port) = self.slots.get(link).map(Freed::port) else {
            return;
        };
        let hash = self.hash(port);
        self.index.remove(&mut self.slots, hash, link);
        self.counts.remove(port);
        self.free(link, port.proto);
    }

    /// Frees a slot that is no longer indexed and counted.
    fn free(&mut self, link: SlotIndex<W>, proto: Proto) {
        let (queue, slots) = self.queue_mut(proto);
        queue.list.remove(slots, link);
        slots.remove(link);
    }

    fn queue(&self, proto: Proto) -> &Queue<W> {
        match proto {
            Proto::Tcp => &self.tcp_queue,
            Proto::Icmp | Proto::Udp => &self.queue,
        }
    }

    /// The queue of a protocol, and the slots that are linked in it.
    fn queue_mut(&mut self, proto: Proto) -> (&mut Queue<W>, &mut Slots<'t, Freed<W>>) {
        let queue = match proto {
            Proto::Tcp => &mut self.tcp_queue,
            Proto::Icmp | Proto::Udp => &mut self.queue,
        };
        (queue, &mut self.slots)
    }

    fn find(&self, port: ExternalPort) -> Option<SlotIndex<W>> {
        self.index.find(&self.slots, self.hash(port), |_, freed| {
            freed.port() == port
        })
    }

    fn first_of_queues(&self) -> [SlotIndex<W>; 2] {
        [self.queue.list.first(), self.tcp_queue.list.first()]
    }

    fn hash(&self, port: ExternalPort) -> u32 {
        let ExternalPort {
            proto,
            external,
            port,
        } = port;
        self.key
            .hash(u32::from(external), u32::from(port) << 16 | proto as u32)
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use crate::Cidr;
    use crate::state::PortClass;

    use super::*;

    const KEY: [u32; 5] = [
        0x6b1e_93d5,
        0xa24f_0c87,
        0x3d95_e61b,
        0xf078_2ac9,
        0x51c3_7a2f,
    ];

    fn port(proto: Proto, external: u8, port: u16) -> ExternalPort {
        ExternalPort {
            proto,
            external,
            port,
        }
    }

    fn config() -> Config {
        let mut config =
            Config::new(Cidr::new(Ipv4Addr::new(192, 168, 1, 1), 24).expect("a prefix length"));
        config.quarantine.tcp_delay = Duration::from_secs(60);
        config
    }

    fn counts(table: &QuarantineTable<'_, u16>, external: u8) -> [usize; 3] {
        [Proto::Icmp, Proto::Tcp, Proto::Udp].map(|proto| {
            table.count(&PortPool {
                proto,
                external,
                class: PortClass::High,
                parity: None,
            })
        })
    }

    /// RFC 6888 REQ-8: ports in quarantine are counted, found and released. The counts prevent
    /// searches that cannot succeed.
    #[test]
    fn what_waits_is_counted() {
        let mut memory = Quarantine::<64>::new();
        let mut table = QuarantineTable::new(&mut memory, HashKey::new(KEY), &config());
        for round in 0..5 {
            let now = 1_000_000 * round;
            for i in 0..20 {
                assert_eq!(table.insert(port(Proto::Udp, 0, 2000 + i), now), 0);
                assert_eq!(table.insert(port(Proto::Tcp, 0, 2000 + i), now), 0);
                assert_eq!(table.insert(port(Proto::Icmp, 1, 2000 + i), now), 0);
            }
            assert_eq!(
                (counts(&table, 0), counts(&table, 1)),
                ([0, 20, 20], [20, 0, 0])
            );
            table.release(port(Proto::Udp, 0, 2007));
            table.release(port(Proto::Udp, 1, 2008));
            assert!(!table.contains(port(Proto::Udp, 0, 2007), now));
            assert!(table.contains(port(Proto::Udp, 0, 2008), now));
            table.release_overdue(now + 60_000, 15);
            assert_eq!(
                (counts(&table, 0), counts(&table, 1)),
                ([0, 5, 19], [20, 0, 0])
            );
            table.release_overdue(now + 120_000, usize::MAX);
            assert_eq!((counts(&table, 0), counts(&table, 1)), ([0; 3], [0; 3]));
            assert_eq!(table.slots.free_slots(), 64);
        }
    }

    /// RFC 6888 REQ-8: a port that is freed again while in quarantine is there once, and its time
    /// starts again.
    #[test]
    fn a_port_freed_twice_waits_once() {
        let mut memory = Quarantine::<4>::new();
        let mut table = QuarantineTable::new(&mut memory, HashKey::new(KEY), &config());
        for now in [0, 50_000] {
            assert_eq!(table.insert(port(Proto::Udp, 0, 2000), now), 0);
            assert_eq!((counts(&table, 0), table.audit()), ([0, 0, 1], Ok(())));
        }
        table.release_overdue(120_000, usize::MAX);
        assert!(table.contains(port(Proto::Udp, 0, 2000), 120_000));
        table.release_overdue(170_000, usize::MAX);
        assert_eq!((counts(&table, 0), table.slots.free_slots()), ([0; 3], 4));
    }

    /// RFC 6888 REQ-8: released ports are no longer found, and the others leave as usual.
    #[test]
    fn what_stays_is_found_and_nothing_else() {
        let mut memory = Quarantine::<64>::new();
        let mut table = QuarantineTable::new(&mut memory, HashKey::new(KEY), &config());
        for round in 0..5 {
            let proto = |i: u16| {
                if i.is_multiple_of(2) {
                    Proto::Udp
                } else {
                    Proto::Tcp
                }
            };
            for i in 0..64 {
                assert_eq!(
                    table.insert(port(proto(i), (i % 4) as u8, 2000 + i), round),
                    0
                );
            }
            table.retain(|port| port.external != 2);
            assert_eq!(
                [0, 1, 2, 3].map(|number| counts(&table, number)),
                [[0, 0, 16], [0, 16, 0], [0; 3], [0, 16, 0]]
            );
            for i in 0..64 {
                assert_eq!(
                    table.contains(port(proto(i), (i % 4) as u8, 2000 + i), round + 1),
                    i % 4 != 2,
                    "{i}"
                );
            }
            assert_eq!(table.slots.free_slots(), 16);
            match round % 2 {
                0 => table.clear(),
                _ => table.release_overdue(round + 120_000, usize::MAX),
            }
            assert_eq!(table.slots.free_slots(), 64);
            assert!((0..64).all(|i| !table.contains(port(Proto::Tcp, 0, 2000 + i), round + 1)));
        }
    }
}
