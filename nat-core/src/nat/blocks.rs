//! Which host has which block of external ports, as it is reported for logs (RFC 6888 REQ-14).

use crate::Nat;
use crate::state::{Inside, MappingKind, NewMapping};
use crate::table::Width;

impl<W: Width> Nat<'_, W> {
    /// Assigns to the host of a new mapping its block on the external address, unless it has that
    /// already or the port is not of the block. An untranslated mapping has no external address.
    #[inline]
    pub(super) fn assign_block(&mut self, inside: Inside, new: NewMapping) {
        if self.state.policy.config.port_blocks.is_none() || new.kind != MappingKind::Dynamic {
            return;
        }
        // The number of an untranslated mapping stands for no address: it adds no block.
        if let Some(blocks) = self.state.tables.assign_block(inside, new.external) {
            self.events().assigned(blocks);
        }
    }

    /// Takes the blocks on an external address from their hosts. No mapping uses it any more.
    pub(super) fn release_blocks(&mut self, external: u8) {
        let mut cursor = 0;
        while let Some((next, blocks)) = self.state.tables.release_block(cursor, external) {
            cursor = next;
            self.events().released(blocks);
        }
    }
}
