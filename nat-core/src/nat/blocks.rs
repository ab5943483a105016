//! Which host has which block of external ports, as a log is told of it (RFC 6888 REQ-14).

use crate::Nat;
use crate::state::{MappingKind, NewMapping};
use crate::table::Width;

impl<W: Width> Nat<'_, W> {
    /// Assigns to the host of a mapping that has just been made its block on the external address,
    /// unless it has it already or the port is not of the block. One that is not translated has
    /// no external address to have a block on.
    pub(super) fn assign_block(&mut self, new: &NewMapping) {
        if self.config.port_blocks.is_none() || new.kind != MappingKind::Dynamic {
            return;
        }
        if let Some(blocks) = self.tables.assign_block(new.tuple.inside, new.external) {
            self.events().assigned(blocks);
        }
    }

    /// Takes the blocks on an external address, which no mapping has any more, from the hosts that
    /// are left.
    pub(super) fn release_blocks(&mut self, external: u8) {
        let mut cursor = 0;
        while let Some((next, blocks)) = self.tables.release_block(cursor, external) {
            cursor = next;
            self.events().released(blocks);
        }
    }
}
