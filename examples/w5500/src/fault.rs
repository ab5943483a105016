//! The faults of a chip.

/// Why the chip was reset.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Fault {
    /// It does not answer after a reset, or does not keep its setup. Most likely no chip is
    /// connected.
    // From 1 on, so that zero means no fault: `State` must be all zeros when new.
    Absent = 1,
    /// The SPI bus or a pin reported an error.
    Bus,
    /// It has not executed a command.
    Command,
    /// Its receive buffer had length words that are not valid, several times in a row.
    Framing,
    /// It interrupts without anything received, again and again.
    Interrupt,
    /// Its buffer pointers are not valid, or not those that the driver has set: something else has
    /// reset it.
    Pointers,
    /// It has not sent a frame for 100 ms after the command.
    Send,
    /// Its socket is no longer open.
    Socket,
    /// Its version register is no longer that of a W5500.
    Version,
}
