//! Which host has which block of external ports. The number of the block is the number of the
//! host's slot.

use crate::state::blocks::{Blocks, Externals};
use crate::state::{Host, Inside};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

impl<W: Width> SessionTables<'_, W> {
    /// The number of a host, or the number that it will get with its first mapping; `None` if the
    /// table of hosts is full.
    pub(crate) fn host_number(&self, inside: Inside) -> Option<u32> {
        let known = self.find_host(inside.origin, inside.endpoint.address);
        known.or_else(|| self.hosts.next_free()).map(number)
    }

    /// Records that a host has its block on an external address. Returns the block if it is new.
    pub(crate) fn assign_block(&mut self, inside: Inside, external: u8) -> Option<Blocks> {
        let link = self.find_host(inside.origin, inside.endpoint.address)?;
        let host = self.hosts.get_mut(link)?;
        let externals = Externals::of(external);
        if host.blocks.contains(externals) {
            return None;
        }
        host.blocks.add(externals);
        Some(Blocks {
            inside: host.address,
            number: number(link),
            externals,
        })
    }

    /// Takes the block on an external address away from the first host at or after `cursor` that
    /// has one. Returns the block, and the cursor to go on with.
    pub(crate) fn release_block(&mut self, cursor: usize, external: u8) -> Option<(usize, Blocks)> {
        let externals = Externals::of(external);
        let mut cursor = cursor;
        loop {
            let (next, link) = self.hosts.next_in_use(cursor)?;
            cursor = next;
            if let Some(host) = self
                .hosts
                .get_mut(link)
                .filter(|host| host.blocks.contains(externals))
            {
                host.blocks.remove(externals);
                return Some((
                    next,
                    Blocks {
                        inside: host.address,
                        number: number(link),
                        externals,
                    },
                ));
            }
        }
    }
}

/// The blocks that are free when the host at `link` is removed.
pub(super) fn blocks_of<W: Width>(host: &Host<W>, link: SlotIndex<W>) -> Option<Blocks> {
    let Host {
        address, blocks, ..
    } = *host;
    (blocks != Externals::NONE).then(|| Blocks {
        inside: address,
        number: number(link),
        externals: blocks,
    })
}

/// The number of a host, from zero.
fn number<W: Width>(host: SlotIndex<W>) -> u32 {
    // Slots are numbered from one.
    host.number().saturating_sub(1)
}
