//! What a soak did, by the engine's own counters and by the checker's.

use comfy_table::Table;

/// Counts of one soak, or the sums of several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(super) packets: u64,
    pub(super) forwarded: u64,
    pub(super) dropped: u64,
    pub(super) rejected: u64,
    pub(super) local: u64,
    pub(super) held: u64,
    pub(super) released: u64,
    /// Packets that were read in full and compared with what should have arrived.
    pub(super) compared: u64,
    pub(super) sessions: u64,
    pub(super) state_checks: u64,
    pub(super) address_changes: u64,
    pub(super) clock_jumps: u64,
}

impl Tally {
    /// The sums of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            forwarded: self.forwarded + other.forwarded,
            dropped: self.dropped + other.dropped,
            rejected: self.rejected + other.rejected,
            local: self.local + other.local,
            held: self.held + other.held,
            released: self.released + other.released,
            compared: self.compared + other.compared,
            sessions: self.sessions + other.sessions,
            state_checks: self.state_checks + other.state_checks,
            address_changes: self.address_changes + other.address_changes,
            clock_jumps: self.clock_jumps + other.clock_jumps,
        }
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.set_header(["", "count"]);
        for (name, count) in [
            ("packets", self.packets),
            ("forwarded", self.forwarded),
            ("dropped", self.dropped),
            ("rejected", self.rejected),
            ("for the router itself", self.local),
            ("fragments held", self.held),
            ("fragments released", self.released),
            ("packets compared with what was sent", self.compared),
            ("sessions created", self.sessions),
            ("checks of the whole state", self.state_checks),
            ("changes of the external addresses", self.address_changes),
            ("jumps of the clock", self.clock_jumps),
        ] {
            table.add_row([name, &count.to_string()]);
        }
        table
    }
}
