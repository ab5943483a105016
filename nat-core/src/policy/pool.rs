//! The pool of external addresses. Each has a number that identifies it as long as it is in the
//! pool.

use core::net::Ipv4Addr;

use heapless::Vec;

use crate::Instant;
use crate::config::{Cidr, MAX_EXTERNAL_ADDRESSES};

#[derive(Clone, Copy, Hash)]
struct PoolEntry {
    address: u32,
    number: u8,
    /// Until when the sessions of an address go on that is being removed. `None` if it is not.
    drains_until: Option<Instant>,
}

/// The external addresses: the primary first, the draining ones last.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct Pool {
    entries: Vec<PoolEntry, MAX_EXTERNAL_ADDRESSES>,
    /// The addresses that are not draining, by number. Zero where there is none.
    active: [u32; NUMBERS],
}

/// A new address gets the lowest number that no other has, while at most as many are replaced.
const NUMBERS: usize = 2 * MAX_EXTERNAL_ADDRESSES;

impl Pool {
    /// A pool of `addresses`, which must all be different.
    pub(crate) fn new(addresses: &[Ipv4Addr]) -> Self {
        let mut pool = Self {
            entries: Vec::new(),
            active: [0; NUMBERS],
        };
        pool.replace(addresses);
        pool
    }

    /// Feeds `hasher` with the addresses and their numbers. None may drain, for that has a time.
    #[cfg(feature = "audit")]
    pub(crate) fn hash_canonical(&self, hasher: &mut impl core::hash::Hasher) {
        core::hash::Hash::hash(&self.entries, hasher);
    }

    /// The number of an address that may be used at `now`.
    #[inline(always)]
    pub(crate) fn number(&self, address: u32, now: Instant) -> Option<u8> {
        let entry = self.find(|entry| entry.address == address)?;
        entry
            .drains_until
            .is_none_or(|until| now < until)
            .then_some(entry.number)
    }

    /// The address with a number, if it may be used at `now`.
    #[inline(always)]
    pub(crate) fn address(&self, number: u8, now: Instant) -> Option<u32> {
        self.active_address(number)
            .or_else(|| self.draining_address(number, now))
    }

    #[inline(never)]
    fn draining_address(&self, number: u8, now: Instant) -> Option<u32> {
        let entry = self.find(|entry| entry.number == number)?;
        entry
            .drains_until
            .is_none_or(|until| now < until)
            .then_some(entry.address)
    }

    /// Whether this address is in the pool, also if it may no longer be used.
    #[inline(always)]
    pub(crate) fn has(&self, address: u32) -> bool {
        self.find(|entry| entry.address == address).is_some()
    }

    /// The numbers in use.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u8> {
        self.entries.iter().map(|entry| entry.number)
    }

    /// The address with a number, also if it may no longer be used.
    pub(crate) fn any_address(&self, number: u8) -> Option<u32> {
        self.entries
            .iter()
            .find(|entry| entry.number == number)
            .map(|entry| entry.address)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The primary address, if there is one.
    #[inline(always)]
    pub(crate) fn primary(&self) -> Option<u32> {
        self.active().next().map(|(_, address)| address)
    }

    /// The number and the address that new mappings have, if they have no choice.
    #[inline(always)]
    pub(crate) fn only(&self) -> Option<(u8, u32)> {
        let mut active = self.active();
        let only = active.next()?;
        active.next().is_none().then_some(only)
    }

    /// The numbers and addresses that new mappings may have, the primary first.
    pub(crate) fn active(&self) -> impl Iterator<Item = (u8, u32)> {
        self.entries
            .iter()
            .filter(|entry| entry.drains_until.is_none())
            .map(|entry| (entry.number, entry.address))
    }

    /// Whether new mappings may have the address with this number.
    pub(crate) fn is_active(&self, number: u8) -> bool {
        self.active_address(number).is_some()
    }

    /// Whether new mappings may have this address.
    pub(crate) fn may_give(&self, address: u32) -> bool {
        self.active().any(|(_, active)| active == address)
    }

    /// The draining addresses.
    pub(crate) fn draining(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.entries
            .iter()
            .filter(|entry| entry.drains_until.is_some())
            .map(|entry| Ipv4Addr::from_bits(entry.address))
    }

    /// Whether any address is in `network`.
    pub(crate) fn touches(&self, network: &Cidr) -> bool {
        self.entries
            .iter()
            .any(|entry| network.contains(Ipv4Addr::from_bits(entry.address)))
    }

    /// Replaces the addresses. An address that is in the old and in the new list keeps its number.
    /// A new address may get the number of a removed one, so no mapping of the removed one may be
    /// left.
    pub(crate) fn replace(&mut self, addresses: &[Ipv4Addr]) {
        let mut old = core::mem::take(&mut self.entries);
        old.retain(|entry| addresses.contains(&Ipv4Addr::from_bits(entry.address)));
        // The lowest number that no remaining address has.
        let is_free = |number: &u8| old.iter().all(|entry| entry.number != *number);
        let mut free = (0..=u8::MAX).filter(is_free);
        for address in addresses {
            let address = address.to_bits();
            let kept = old.iter().find(|entry| entry.address == address);
            let Some(number) = kept.map(|entry| entry.number).or_else(|| free.next()) else {
                break;
            };
            // `Config::check_external_addresses` has limited their number.
            let _has_room = self.entries.push(PoolEntry {
                address,
                number,
                drains_until: None,
            });
        }
        self.list_active();
    }

    fn list_active(&mut self) {
        self.active = [0; NUMBERS];
        for entry in self
            .entries
            .iter()
            .filter(|entry| entry.drains_until.is_none())
        {
            if let Some(address) = self.active.get_mut(usize::from(entry.number)) {
                *address = entry.address;
            }
        }
    }

    /// The address with a number, if it is not draining. Without a search: for the fast path.
    #[inline(always)]
    pub(crate) fn active_address(&self, number: u8) -> Option<u32> {
        let address = *self.active.get(usize::from(number))?;
        (address != 0).then_some(address)
    }

    /// Makes an address drain until `until`. Returns false if there is no such address, or if it
    /// drains already.
    pub(crate) fn drain(&mut self, address: Ipv4Addr, until: Instant) -> bool {
        let active =
            |entry: &PoolEntry| entry.address == address.to_bits() && entry.drains_until.is_none();
        let Some(position) = self.entries.iter().position(active) else {
            return false;
        };
        let entry = PoolEntry {
            drains_until: Some(until),
            ..self.entries.remove(position)
        };
        // At the end: behind the addresses for new mappings, and where `drains` looks.
        let drains = self.entries.push(entry).is_ok();
        self.list_active();
        drains
    }

    /// Whether any address drains.
    pub(crate) fn drains(&self) -> bool {
        self.entries
            .last()
            .is_some_and(|entry| entry.drains_until.is_some())
    }

    /// When the next draining address is to be removed.
    pub(crate) fn next_drained(&self) -> Option<Instant> {
        self.entries
            .iter()
            .filter_map(|entry| entry.drains_until)
            .min()
    }

    /// The number of an address to be removed: one whose time is over at `now`, or a draining one
    /// that is `unused`.
    pub(crate) fn drained(&self, now: Instant, unused: impl Fn(u8) -> bool) -> Option<u8> {
        let drained = |entry: &&PoolEntry| {
            entry
                .drains_until
                .is_some_and(|until| until <= now || unused(entry.number))
        };
        self.entries.iter().find(drained).map(|entry| entry.number)
    }

    /// Most routers have one address, so a pool of one is handled without a loop.
    #[inline(always)]
    fn find(&self, is_it: impl Fn(&PoolEntry) -> bool) -> Option<&PoolEntry> {
        match self.entries.as_slice() {
            [only] => is_it(only).then_some(only),
            entries => find_among(entries, is_it),
        }
    }

    /// Removes an address.
    pub(crate) fn remove(&mut self, number: u8) {
        self.entries.retain(|entry| entry.number != number);
        self.list_active();
    }
}

#[inline(never)]
fn find_among(entries: &[PoolEntry], is_it: impl Fn(&PoolEntry) -> bool) -> Option<&PoolEntry> {
    entries.iter().find(|entry| is_it(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
    const B: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
    const C: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 3);
    const NOW: Instant = Instant::from_millis(0);

    fn numbers(pool: &Pool) -> [Option<u8>; 3] {
        [A, B, C].map(|address| pool.number(address.to_bits(), NOW))
    }

    #[test]
    fn an_address_keeps_its_number_while_others_come_and_go() {
        let mut pool = Pool::new(&[A, B]);
        let [a, b, _] = numbers(&pool);
        pool.replace(&[C, B, A]);
        let [a_after, b_after, c] = numbers(&pool);
        assert_eq!((a, b), (a_after, b_after));
        assert!(c.is_some() && c != a && c != b);
        assert_eq!(pool.primary(), Some(C.to_bits()));
        pool.replace(&[B]);
        assert_eq!(numbers(&pool), [None, b, None]);
    }

    #[test]
    fn an_address_drains_until_its_time_is_up_or_nobody_uses_it() {
        let at = Instant::from_secs;
        let mut pool = Pool::new(&[A, B]);
        assert!(pool.drain(A, at(350)) && !pool.drain(A, at(9)) && !pool.drain(C, at(350)));
        assert_eq!(pool.primary(), Some(B.to_bits()));
        assert!(
            pool.number(A.to_bits(), at(349)).is_some()
                && pool.number(A.to_bits(), at(350)).is_none()
        );
        assert_eq!(pool.next_drained(), Some(at(350)));
        assert_eq!(pool.drained(at(349), |_| false), None);
        assert_eq!(pool.drained(at(350), |_| false), Some(0));
        pool.remove(0);
        assert!(pool.drain(B, at(350)));
        assert_eq!(pool.drained(at(0), |number| number == 1), Some(1));
        pool.remove(1);
        assert_eq!((pool.primary(), pool.next_drained()), (None, None));
    }
}
