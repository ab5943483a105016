//! What can be wrong with the chip.

/// Why the chip was reset.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Fault {
    /// It does not answer after a reset, or forgets what it was told. Nothing is connected, most
    /// likely.
    // From 1 on, so that no fault at all is zero: `State` must be all zeros when new.
    Absent = 1,
    /// The SPI bus or a pin reported an error.
    Bus,
    /// It has not taken a command.
    Command,
    /// What lies in its receive buffer is no chain of frames, again and again.
    Framing,
    /// It interrupts without a reason that could be removed.
    Interrupt,
    /// Its pointers into the buffers make no sense, or are not those it was told: it has been reset
    /// by something else.
    Pointers,
    /// A frame that it was told to send was not sent for 100 ms.
    Send,
    /// Its socket is no longer open.
    Socket,
    /// Its version register no longer says that it is a W5500.
    Version,
}
