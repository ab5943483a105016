//! Counters that can be read while the tasks run.

use core::cell::Cell;

use crate::Refusal;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of the LAN since it was built.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters in one cell each, so that one is changed without a copy of the others.
        pub(crate) struct Tally {
            $(pub(crate) $name: Count,)*
            pub(crate) last_refusal: Cell<Option<Refusal>>,
        }

        impl Tally {
            pub(crate) const fn new() -> Self {
                Self { $($name: Count(Cell::new(0)),)* last_refusal: Cell::new(None) }
            }

            pub(crate) fn counters(&self) -> Counters {
                Counters { $($name: self.$name.0.get(),)* }
            }
        }
    };
}

counters! {
    /// Frames received from the host.
    received,
    /// Their bytes.
    received_bytes,
    /// Blocks received from the host that were accepted.
    received_blocks,
    /// Frames handed to the host.
    sent,
    /// Their bytes.
    sent_bytes,
    /// Blocks handed to the host.
    sent_blocks,
    /// Received frames longer than 1518 bytes, and blocks that said they are longer than 2048;
    /// dropped.
    oversized,
    /// Received frames shorter than an Ethernet header, dropped.
    runts,
    /// Received blocks with a length or place that is not true, dropped as a whole.
    refused_blocks,
    /// Blocks that the end of the link cut off, in either direction.
    cut_blocks,
    /// Replies to received frames that were dropped because the transmit queue was full.
    unsent_full,
    /// Frames that were dropped because the link was down.
    unsent_link_down,
    /// How often the link came up.
    link_ups,
    /// How often the host suspended the bus, or was unplugged.
    suspensions,
}

impl Counters {
    /// The counters without those of ordinary traffic, which the router's statistics report.
    pub(crate) fn rare(self) -> Self {
        Self {
            received: 0,
            received_bytes: 0,
            received_blocks: 0,
            sent: 0,
            sent_bytes: 0,
            sent_blocks: 0,
            ..self
        }
    }
}

pub(crate) struct Count(Cell<u64>);

impl Count {
    pub(crate) fn add(&self, amount: u64) {
        self.0.set(self.0.get().wrapping_add(amount));
    }
}

/// Reads the counters while the tasks run on the same executor.
#[derive(Clone, Copy)]
pub struct Monitor(pub(crate) &'static Tally);

impl Monitor {
    /// The counters now.
    pub fn counters(&self) -> Counters {
        self.0.counters()
    }

    /// Why the latest refused block was refused, if there was one.
    pub fn last_refusal(&self) -> Option<Refusal> {
        self.0.last_refusal.get()
    }
}
