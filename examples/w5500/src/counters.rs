//! Counters that can be read while the runner runs.

use core::cell::Cell;

use crate::fault::Fault;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of the driver since it was built. A reset of the chip does not clear them.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters in one cell each, so that one is changed without a copy of the others.
        pub(crate) struct Tally {
            $(pub(crate) $name: Count,)*
            pub(crate) last_fault: Cell<Option<Fault>>,
        }

        impl Tally {
            pub(crate) const fn new() -> Self {
                Self { $($name: Count(Cell::new(0)),)* last_fault: Cell::new(None) }
            }

            fn counters(&self) -> Counters {
                Counters { $($name: self.$name.0.get(),)* }
            }
        }
    };
}

counters! {
    /// Frames received.
    received,
    /// Their bytes.
    received_bytes,
    /// Frames that the chip got the command to send.
    sent,
    /// Their bytes.
    sent_bytes,
    /// Received frames longer than 1518 bytes, skipped.
    oversized,
    /// Received frames shorter than an Ethernet header, skipped.
    runts,
    /// How often the receive buffer was emptied unread because its length words were not valid.
    resyncs,
    /// Received bytes that were lost by that or by a reset. The number of frames in them is not
    /// known.
    discarded_bytes,
    /// Frames to send that were dropped because the link was down.
    unsent_link_down,
    /// Frames to send that were dropped because they were shorter than an Ethernet header.
    unsent_runts,
    /// Replies to received frames that were dropped because the transmit queue was full.
    unsent_full,
    /// Frames to send that were in the chip when it was reset. They may have been sent.
    unsent_reset,
    /// How often a frame was not sent in time.
    send_timeouts,
    /// How often the SPI bus or a pin reported an error.
    bus_errors,
    /// How often a chip that had been set up was reset.
    resets,
    /// How often a chip did not answer after a reset.
    failed_starts,
    /// How often the link came up.
    link_ups,
}

pub(crate) struct Count(Cell<u64>);

impl Count {
    pub(crate) fn add(&self, amount: u64) {
        self.0.set(self.0.get().wrapping_add(amount));
    }
}

/// Reads the counters of a driver while its runner runs on the same executor.
#[derive(Clone, Copy)]
pub struct Monitor<'d>(pub(crate) &'d Tally);

impl Monitor<'_> {
    /// The counters now.
    pub fn counters(&self) -> Counters {
        self.0.counters()
    }

    /// The latest fault, if there was one.
    pub fn last_fault(&self) -> Option<Fault> {
        self.0.last_fault.get()
    }
}
