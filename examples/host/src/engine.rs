//! The sizes of the NAT's tables on this machine.

use core::fmt;

use anyhow::{Result, bail};
use nat_core::{Quarantine, Tables, WideQuarantine, WideTables, Width};
#[cfg(target_os = "linux")]
use nat_router::{Memory, WideMemory};
use static_cell::ConstStaticCell;

/// Default number of mappings.
pub(crate) const MAPPINGS: u32 = 8_192;
/// Default number of sessions.
pub(crate) const SESSIONS: u32 = 16_384;
/// Fragmented datagrams that are tracked at once.
pub(crate) const FRAGMENTED: usize = 128;
/// Fragments that can be held until the first fragment of their datagram arrives.
pub(crate) const HELD: usize = 64;
/// External ports that can be in quarantine at once: about as many as an address has.
pub(crate) const FREED: usize = 65_535;
/// Packets that can wait for ARP on each side of the router.
#[cfg(target_os = "linux")]
pub(crate) const WAITING: usize = 64;

/// The size of the tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Capacity {
    pub(crate) mappings: u32,
    pub(crate) sessions: u32,
    pub(crate) hosts: u32,
}

impl Capacity {
    /// The smallest of the compiled sizes that holds this many.
    pub(crate) fn holding(mappings: u32, sessions: u32) -> Result<Self> {
        let holds =
            |capacity: &&Self| mappings <= capacity.mappings && sessions <= capacity.sessions;
        match LADDER.iter().find(holds) {
            Some(capacity) => Ok(*capacity),
            None => bail!("the largest tables are {LARGEST}"),
        }
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} mappings, {} sessions, {} hosts",
            self.mappings, self.sessions, self.hosts
        )
    }
}

/// A task that works with tables of any size.
pub(crate) trait TablesTask {
    fn run<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, W: Width>(
        self,
        tables: &'static mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        quarantine: &'static mut Quarantine<FREED, W>,
    ) -> Result<()>;
}

/// A task that works with a router's memory of any size.
#[cfg(target_os = "linux")]
pub(crate) trait MemoryTask {
    fn run<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, W: Width>(
        self,
        memory: &'static mut Memory<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>,
    ) -> Result<()>;
}

/// The sizes that are compiled in. Unused ones take no memory, because tables are zeros at the start.
/// None of them is ever on the stack.
macro_rules! ladder {
    ($($mappings:literal, $sessions:literal, $hosts:literal, $tables:ident, $quarantine:ident, $memory:ident, $empty:ident;)*) => {
        /// All sizes, the smallest first.
        const LADDER: &[Capacity] = &[$(Capacity { mappings: $mappings, sessions: $sessions, hosts: $hosts }),*];

        /// Runs `task` with the tables of `capacity`. Works once in a process.
        pub(crate) fn with_tables(capacity: Capacity, task: impl TablesTask) -> Result<()> {
            match capacity.mappings {
                $($mappings => {
                    static TABLES: ConstStaticCell<$tables<$mappings, $sessions, $hosts>> =
                        ConstStaticCell::new($tables::$empty());
                    static QUARANTINE: ConstStaticCell<$quarantine<FREED>> =
                        ConstStaticCell::new($quarantine::$empty());
                    task.run(TABLES.take(), QUARANTINE.take())
                })*
                _ => bail!("no tables of {capacity}"),
            }
        }

        /// Runs `task` with the memory of a router of `capacity`. Works once in a process.
        #[cfg(target_os = "linux")]
        pub(crate) fn with_memory(capacity: Capacity, task: impl MemoryTask) -> Result<()> {
            match capacity.mappings {
                $($mappings => {
                    static MEMORY: ConstStaticCell<$memory<$mappings, $sessions, $hosts, WAITING, FREED>> =
                        ConstStaticCell::new($memory::$empty());
                    task.run(MEMORY.take())
                })*
                _ => bail!("no tables of {capacity}"),
            }
        }
    };
}

ladder! {
    8, 16, 8, Tables, Quarantine, Memory, new;
    64, 128, 64, Tables, Quarantine, Memory, new;
    512, 1_024, 512, Tables, Quarantine, Memory, new;
    8_192, 16_384, 1_024, Tables, Quarantine, Memory, new;
    65_535, 65_535, 1_024, Tables, Quarantine, Memory, new;
    131_072, 131_072, 1_024, WideTables, WideQuarantine, WideMemory, wide;
    262_144, 262_144, 1_024, WideTables, WideQuarantine, WideMemory, wide;
}

/// The largest size.
pub(crate) const LARGEST: Capacity = LADDER[LADDER.len() - 1];

/// The help of `--mappings`.
pub(crate) fn help() -> String {
    let steps: Vec<String> = LADDER
        .iter()
        .map(|step| format!("{}/{}", step.mappings, step.sessions))
        .collect();
    let steps = steps.join(", ");
    format!(
        "Number of mappings. Together with --sessions it is rounded up to the first of these sizes that holds both: {steps}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_smallest_that_hold_both() {
        for ((mappings, sessions), expected) in [
            ((1, 1), (8, 16)),
            ((8, 16), (8, 16)),
            ((9, 16), (64, 128)),
            ((8, 17), (64, 128)),
            ((8, 1_025), (8_192, 16_384)),
            ((MAPPINGS, SESSIONS), (8_192, 16_384)),
            ((65_535, 65_535), (65_535, 65_535)),
            ((65_536, 1), (131_072, 131_072)),
            ((1, 262_144), (262_144, 262_144)),
        ] {
            let capacity = Capacity::holding(mappings, sessions).unwrap();
            assert_eq!(
                (capacity.mappings, capacity.sessions),
                expected,
                "{mappings}, {sessions}"
            );
        }
        let error = Capacity::holding(1, 262_145).unwrap_err().to_string();
        assert!(
            error.contains("262144 mappings, 262144 sessions"),
            "{error}"
        );
    }

    /// The number of mappings alone identifies a size.
    #[test]
    fn every_step_of_the_ladder_is_larger_than_the_one_before() {
        for (small, large) in LADDER.iter().zip(LADDER.iter().skip(1)) {
            assert!(
                small.mappings < large.mappings
                    && small.sessions <= large.sessions
                    && small.hosts <= large.hosts
            );
        }
    }
}
