//! The known neighbours: a hash table by address, and two lists in the order of their last use.

use core::net::Ipv4Addr;
use core::num::NonZeroU16;
use core::time::Duration;

use nat_core::Instant;

use crate::ethernet::Mac;

/// A point in time in units of 32 ms, of which 32 bits last four years. Never zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp(u32);

impl Stamp {
    const NEVER: Self = Self(0);
    const SHIFT: u32 = 5;

    pub(super) fn of(now: Instant) -> Self {
        Self(((now.as_millis() >> Self::SHIFT) as u32).max(1))
    }

    /// The time from `self` to `now`, exact or up to 32 ms too long.
    pub(super) const fn age(self, now: Self) -> Age {
        // The difference is right though the stamps wrap, because both are of the last four years.
        // One more, because each may be rounded down.
        Age(now.0.wrapping_sub(self.0).saturating_add(1))
    }
}

/// A time in the units of [`Stamp`], which are compared without the arithmetic of a [`Duration`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Age(u32);

impl Age {
    /// The shortest age of at least `time`.
    pub(super) const fn of(time: Duration) -> Self {
        Self((time.as_millis() as u32).div_ceil(1 << Stamp::SHIFT))
    }
}

/// The index of an entry plus one, or zero for none. So new memory is all zeros.
type Link = u16;

/// The index of an entry plus one.
pub(super) type Id = NonZeroU16;

/// A neighbour whose hardware address is known.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    address: Ipv4Addr,
    pub(super) mac: Mac,
    /// The next entry with the same hash, or the next free entry if this one is free.
    chain: Link,
    /// The neighbours in its [`List`].
    newer: Link,
    older: Link,
    pub(super) confirmed_at: Stamp,
    /// When a packet was last sent to it, to [`Table::USE_PRECISION`]; [`Stamp::NEVER`] if it has
    /// only sent ARP packets to the router.
    used_at: Stamp,
}

// The documentation says 26 bytes for a neighbour: this, and a hash bucket of two bytes.
const _: () = assert!(size_of::<Entry>() == 24);

impl Entry {
    const FREE: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        mac: Mac::ZERO,
        chain: 0,
        newer: 0,
        older: 0,
        confirmed_at: Stamp::NEVER,
        used_at: Stamp::NEVER,
    };

    pub(super) const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Whether `now` differs from the time of its last packet by less than
    /// [`Table::USE_PRECISION`].
    pub(super) fn is_used_at(&self, now: Stamp) -> bool {
        self.unused_for(now)
            .is_some_and(|unused| unused < const { Age::of(Table::USE_PRECISION) })
    }

    /// The time since a packet was last sent to it; `None` if none was.
    pub(super) fn unused_for(&self, now: Stamp) -> Option<Age> {
        (self.used_at != Stamp::NEVER).then(|| self.used_at.age(now))
    }
}

/// Memory for `N` neighbours, all zeros when new.
pub(crate) struct Memory<const N: usize> {
    entries: [Entry; N],
    buckets: [Link; N],
}

impl<const N: usize> Memory<N> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: [Entry::FREE; N],
            buckets: [0; N],
        }
    }

    pub(super) const fn parts(&mut self) -> (&mut [Entry], &mut [Link]) {
        (&mut self.entries, &mut self.buckets)
    }
}

/// The ends of a list of entries.
#[derive(Clone, Copy, Default)]
struct List {
    newest: Link,
    oldest: Link,
}

/// The table of known neighbours.
pub(super) struct Table<'d> {
    entries: &'d mut [Entry],
    buckets: &'d mut [Link],
    /// Keys the hash, so that no one outside can choose addresses with the same hash.
    secret: u32,
    /// The neighbours that packets were sent to, by the time of the last one.
    used: List,
    /// The neighbours that no packet was sent to, by the time at which they came.
    unused: List,
    /// The first free entry of those that were in use before.
    free: Link,
    /// The number of entries that are or were in use. The entries after them are free, too.
    taken: u16,
}

impl<'d> Table<'d> {
    /// A neighbour in constant use moves in its list no more often than this.
    pub(super) const USE_PRECISION: Duration = Duration::from_secs(1);

    pub(super) fn new((entries, buckets): (&'d mut [Entry], &'d mut [Link]), secret: u32) -> Self {
        let (used, unused) = (List::default(), List::default());
        Self {
            entries,
            buckets,
            secret,
            used,
            unused,
            free: 0,
            taken: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.fill(Entry::FREE);
        self.buckets.fill(0);
        (self.used, self.unused) = (List::default(), List::default());
        (self.free, self.taken) = (0, 0);
    }

    pub(super) fn find(&self, address: Ipv4Addr) -> Option<Id> {
        self.find_entry(address).map(|(id, _)| id)
    }

    #[inline]
    pub(super) fn find_entry(&self, address: Ipv4Addr) -> Option<(Id, &Entry)> {
        let mut id = Id::new(*self.buckets.get(self.bucket(address))?)?;
        // Each entry is in one chain, once, so the chain ends.
        loop {
            let entry = self.get(id)?;
            if entry.address == address {
                return Some((id, entry));
            }
            id = Id::new(entry.chain)?;
        }
    }

    pub(super) fn get(&self, id: Id) -> Option<&Entry> {
        self.entries.get(usize::from(id.get()) - 1)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.get_mut(usize::from(id.get()) - 1)
    }

    /// Adds a neighbour, which must not be in the table. `None` if the table is full.
    pub(super) fn insert(&mut self, address: Ipv4Addr, mac: Mac, now: Stamp) -> Option<Id> {
        let id = self.take_free()?;
        let bucket = self.bucket(address);
        let first = core::mem::replace(self.buckets.get_mut(bucket)?, id.get());
        *self.get_mut(id)? = Entry {
            address,
            mac,
            chain: first,
            confirmed_at: now,
            ..Entry::FREE
        };
        self.push_newest(id, false);
        Some(id)
    }

    pub(super) fn remove(&mut self, id: Id) {
        self.unlink(id);
        self.unchain(id);
        let free = self.free;
        if let Some(entry) = self.get_mut(id) {
            *entry = Entry {
                chain: free,
                ..Entry::FREE
            };
            self.free = id.get();
        }
    }

    /// Notes that a packet is sent to it.
    pub(super) fn touch(&mut self, id: Id, now: Stamp) {
        let Some(entry) = self.get(id) else { return };
        if entry.is_used_at(now) {
            return;
        }
        // Before the change of `used_at`, which says in which list it is.
        self.unlink(id);
        if let Some(entry) = self.get_mut(id) {
            entry.used_at = now;
        }
        self.push_newest(id, true);
    }

    /// The least recently used neighbour, or of those never used, the one that came first. Never
    /// `pinned`.
    pub(super) fn oldest(&self, used: bool, pinned: Ipv4Addr) -> Option<Id> {
        let list = if used { self.used } else { self.unused };
        let oldest = Id::new(list.oldest)?;
        let entry = self.get(oldest)?;
        // At most one entry is pinned, so the next one is not.
        if entry.address == pinned {
            Id::new(entry.newer)
        } else {
            Some(oldest)
        }
    }

    fn take_free(&mut self) -> Option<Id> {
        if let Some(id) = Id::new(self.free) {
            self.free = self.get(id)?.chain;
            return Some(id);
        }
        // Entries that were never used are taken in order, so that new memory is no list yet, but
        // all zeros.
        let next = self.taken.checked_add(1)?;
        if usize::from(next) > self.entries.len() {
            return None;
        }
        self.taken = next;
        Id::new(next)
    }

    fn bucket(&self, address: Ipv4Addr) -> usize {
        // A prime near 2^32 divided by the golden ratio (Knuth). Both factors are odd, so that no
        // multiplication loses a bit.
        const ODD: u32 = 0x9e37_79b1;
        let mixed = (address.to_bits() ^ self.secret).wrapping_mul(ODD);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(self.secret | 1);
        // Scales the upper half, whose bits are mixed best, to the number of buckets. A
        // multiplication and a shift are cheaper than a division.
        ((mixed >> 16) as usize * self.buckets.len().min(1 << 16)) >> 16
    }

    fn unchain(&mut self, id: Id) {
        let Some(entry) = self.get(id).copied() else {
            return;
        };
        let bucket = self.bucket(entry.address);
        let Some(first) = self.buckets.get_mut(bucket) else {
            return;
        };
        if *first == id.get() {
            *first = entry.chain;
            return;
        }
        let mut before = Id::new(*first);
        while let Some(other) = before.and_then(|other| self.get_mut(other)) {
            if other.chain == id.get() {
                other.chain = entry.chain;
                return;
            }
            before = Id::new(other.chain);
        }
    }

    fn list(&mut self, used: bool) -> &mut List {
        if used {
            &mut self.used
        } else {
            &mut self.unused
        }
    }

    fn push_newest(&mut self, id: Id, used: bool) {
        let list = self.list(used);
        let before = core::mem::replace(&mut list.newest, id.get());
        if list.oldest == 0 {
            list.oldest = id.get();
        }
        if let Some(before) = Id::new(before).and_then(|before| self.get_mut(before)) {
            before.newer = id.get();
        }
        if let Some(entry) = self.get_mut(id) {
            (entry.newer, entry.older) = (0, before);
        }
    }

    fn unlink(&mut self, id: Id) {
        let Some(Entry {
            newer,
            older,
            used_at,
            ..
        }) = self.get(id).copied()
        else {
            return;
        };
        let list = self.list(used_at != Stamp::NEVER);
        if list.newest == id.get() {
            list.newest = older;
        }
        if list.oldest == id.get() {
            list.oldest = newer;
        }
        if let Some(entry) = Id::new(newer).and_then(|newer| self.get_mut(newer)) {
            entry.older = older;
        }
        if let Some(entry) = Id::new(older).and_then(|older| self.get_mut(older)) {
            entry.newer = newer;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::VecDeque;
    use std::vec::Vec;

    use super::*;

    const CAPACITY: usize = 13;

    /// A table that cannot be wrong: the order is that of the queue, the oldest first.
    #[derive(Default)]
    struct Model {
        used: VecDeque<(Ipv4Addr, u32)>,
        silent: VecDeque<Ipv4Addr>,
    }

    fn order(table: &Table<'_>, used: bool) -> Vec<Ipv4Addr> {
        let list = if used { table.used } else { table.unused };
        let mut next = Id::new(list.oldest);
        core::iter::from_fn(|| {
            let entry = table.get(next?)?;
            next = Id::new(entry.newer);
            Some(entry.address)
        })
        .collect()
    }

    /// Steps at random: the table has the same neighbours in the same order as the model, and finds
    /// each of them.
    #[test]
    fn the_table_does_what_a_queue_would() {
        let mut memory = Memory::<CAPACITY>::new();
        let mut table = Table::new(memory.parts(), 0x1234_5678);
        let mut model = Model::default();
        let mut random = 1_u64;
        let mut below = |limit: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % limit
        };
        for step in 1..20_000_u32 {
            let now = Stamp(step * 100);
            let address = Ipv4Addr::from_bits(0x0a00_0000 + below(20) as u32);
            match (table.find(address), below(3)) {
                (None, _) => {
                    let full = model.used.len() + model.silent.len() == CAPACITY;
                    assert_eq!(table.insert(address, Mac::ZERO, now).is_none(), full);
                    if !full {
                        model.silent.push_back(address);
                    }
                }
                (Some(id), 0) => {
                    table.remove(id);
                    model.silent.retain(|other| *other != address);
                    model.used.retain(|(other, _)| *other != address);
                }
                (Some(id), _) => {
                    table.touch(id, now);
                    model.silent.retain(|other| *other != address);
                    model.used.retain(|(other, _)| *other != address);
                    model.used.push_back((address, step));
                }
            }
            let used: Vec<_> = model.used.iter().map(|(address, _)| *address).collect();
            assert_eq!(
                (order(&table, true), order(&table, false)),
                (used, Vec::from(model.silent.clone()))
            );
            for address in model
                .used
                .iter()
                .map(|(address, _)| address)
                .chain(&model.silent)
            {
                assert_eq!(
                    table
                        .get(table.find(*address).expect("here"))
                        .unwrap()
                        .address,
                    *address
                );
            }
            let kept = model
                .used
                .front()
                .map_or(Ipv4Addr::UNSPECIFIED, |(address, _)| *address);
            let second = model.used.get(1).map(|(address, _)| *address);
            assert_eq!(
                table
                    .oldest(true, kept)
                    .and_then(|id| table.get(id))
                    .map(Entry::address),
                second
            );
        }
        table.clear();
        assert!((0..20).all(|low| table.find(Ipv4Addr::from_bits(0x0a00_0000 + low)).is_none()));
    }

    /// The addresses of a network spread over the buckets, whatever the secret.
    #[test]
    fn few_addresses_of_a_network_have_the_same_hash() {
        for secret in [0, 1, 0xffff_ffff, 0x8000_0001, 0x1357_9bdf] {
            let mut memory = Memory::<254>::new();
            let table = Table::new(memory.parts(), secret);
            let mut counts = [0; 254];
            for host in 1..255 {
                counts[table.bucket(Ipv4Addr::new(192, 168, 77, host))] += 1;
            }
            assert!(
                counts.iter().all(|count| *count <= 8),
                "{secret:#x}: {counts:?}"
            );
        }
    }
}
