//! The client identifiers of messages that wait, because replies must return them (RFC 6842).

use core::net::Ipv4Addr;
use core::ops::Range;

use heapless::Vec;

/// The longest identifier, in bytes: as long as an option can be.
const MAX_LEN: usize = u8::MAX as usize;

/// The bytes for all identifiers. One made of a DUID (RFC 4361) takes 20 to 30, so this is enough
/// for about 20 clients.
const CAPACITY: usize = 512;

/// The bytes before each identifier: the address that its client waits for, and its length.
const HEADER_LEN: usize = 5;

/// Identifiers of different lengths, one after the other, each with the address that its client
/// waits for.
pub(crate) struct Identifiers {
    records: Vec<u8, CAPACITY>,
}

/// One identifier.
struct Record {
    address: Ipv4Addr,
    range: Range<usize>,
}

impl Identifiers {
    pub(crate) const fn new() -> Self {
        Self {
            records: Vec::new(),
        }
    }

    /// Stores the identifier of the client that waits for `address`. Removes those of addresses for
    /// which `waits` is false. Returns `false` if the memory is full: the client then gets its
    /// reply when it asks again.
    pub(super) fn keep(
        &mut self,
        address: Ipv4Addr,
        client_id: &[u8],
        waits: impl Fn(Ipv4Addr) -> bool,
    ) -> bool {
        let is_stale = |record: &Record| record.address == address || !waits(record.address);
        // One by one, because each removal moves the records behind it.
        while let Some(stale) = self.find(is_stale) {
            self.remove(stale.range);
        }
        let Ok(len) = u8::try_from(client_id.len()) else {
            return false;
        };
        if self.records.len() + HEADER_LEN + client_id.len() > CAPACITY {
            return false;
        }
        let [a, b, c, d] = address.octets();
        self.records.extend([a, b, c, d, len]);
        self.records.extend(client_id.iter().copied());
        true
    }

    /// Takes out the identifier of the client that waited for `address`.
    pub(super) fn take(&mut self, address: Ipv4Addr) -> Option<Vec<u8, MAX_LEN>> {
        let Record { range, .. } = self.find(|record| record.address == address)?;
        let client_id = self.records.get(range.start + HEADER_LEN..range.end)?;
        let client_id = client_id.iter().copied().collect();
        self.remove(range);
        Some(client_id)
    }

    fn find(&self, is_it: impl Fn(&Record) -> bool) -> Option<Record> {
        let mut start = 0;
        let mut records = core::iter::from_fn(|| {
            let [a, b, c, d, len] = *self.records.get(start..)?.first_chunk::<HEADER_LEN>()?;
            let range = start..start + HEADER_LEN + usize::from(len);
            start = range.end;
            Some(Record {
                address: Ipv4Addr::new(a, b, c, d),
                range,
            })
        });
        records.find(is_it)
    }

    fn remove(&mut self, range: Range<usize>) {
        let left = self.records.len().saturating_sub(range.len());
        if range.end <= self.records.len() {
            self.records.copy_within(range.end.., range.start);
            self.records.truncate(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec;

    use rand_core::Rng;
    use rand_pcg::Pcg32;

    use super::*;

    /// Against a map without bounds.
    #[test]
    fn each_identifier_that_was_kept_is_given_back() {
        let mut random = Pcg32::new(1, 1);
        let mut below = |bound: u32| random.next_u32() % bound;
        let (mut identifiers, mut model) = (Identifiers::new(), BTreeMap::new());
        let (mut kept, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let address = Ipv4Addr::from_bits(below(40));
            match below(4) {
                0 => {
                    let taken = identifiers.take(address).map(|id| id.to_vec());
                    // One that waits no longer may be there still, until the room is needed.
                    let waits = model.remove(&address);
                    assert!(waits.is_none() || taken == waits, "{taken:?}");
                }
                1 => drop(model.remove(&address)),
                _ => {
                    let longest = if below(4) == 0 { 255 } else { 32 };
                    let id = vec![below(256) as u8; below(longest + 1) as usize];
                    model.remove(&address);
                    if identifiers.keep(address, &id, |address| model.contains_key(&address)) {
                        model.insert(address, id);
                        kept += 1;
                    } else {
                        let used: usize = model.values().map(|id| id.len() + HEADER_LEN).sum();
                        assert!(used + HEADER_LEN + id.len() > CAPACITY, "there was room");
                        refused += 1;
                    }
                }
            }
        }
        assert!(kept > 1000 && refused > 100, "{kept} {refused}");
    }
}
