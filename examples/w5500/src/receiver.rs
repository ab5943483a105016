//! Moves frames from the chip's receive buffer into the channel.

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

use crate::LONGEST;
use crate::chip::{Chip, RxPointers};
use crate::counters::Tally;
use crate::fault::Fault;
use crate::queue::{Channel, SHORT};
use crate::registers::{BUFFER_LEN, INTERRUPTS};

/// The length of the word before each frame, which holds the frame's length plus its own.
pub(crate) const LENGTH_WORD: u16 = 2;

/// The shortest frame: an Ethernet header.
pub(crate) const MIN_FRAME: usize = 14;

/// The bytes to read before their buffer memory is released, unless there is nothing more to read.
/// Each release costs two accesses. The rest of the buffer is enough for what arrives meanwhile.
const RELEASE_AT: u16 = BUFFER_LEN / 4;

/// The same while the queue is full. It is less, because frames collect in the chip then.
const RELEASE_AT_FULL: u16 = BUFFER_LEN / 16;

/// How often the pointers are read until they are consistent. They change while they are read, and
/// after a command.
const POINTER_READS: u32 = 8;

/// After this many readings, it is enough that the size is the same twice, which is all that the
/// datasheet asks for.
const POINTER_READS_APART: u32 = 4;

/// The resynchronisations in a row after which the chip is reset.
const RESYNCS: u32 = 3;

/// The interrupts in a row without a received frame after which the chip is reset.
const IDLE_INTERRUPTS: u32 = 64;

/// The receiving half of the runner.
pub(crate) struct Receiver<'d> {
    channel: Channel<'d>,
    tally: &'d Tally,
    /// Where the next frame begins.
    read: u16,
    /// The bytes from there on that the chip has received.
    waiting: u16,
    /// The length word of the frame at `read`, if it has been read already.
    ahead: Option<u16>,
    /// The bytes before it that are read but not released.
    unreleased: u16,
    /// Whether the buffer must be looked at even without an interrupt.
    look: bool,
    /// Resynchronisations since the last frame.
    resyncs: u32,
    /// Interrupts without a received frame since the last frame.
    idle_interrupts: u32,
}

/// The meaning of a length word.
enum Length {
    Fits(usize),
    Invalid,
    Oversized,
    Runt,
}

impl<'d> Receiver<'d> {
    pub(crate) fn new(channel: Channel<'d>, tally: &'d Tally) -> Self {
        Self {
            channel,
            tally,
            read: 0,
            waiting: 0,
            ahead: None,
            unreleased: 0,
            look: true,
            resyncs: 0,
            idle_interrupts: 0,
        }
    }

    /// Starts again with a chip that was set up. The data in its buffer is lost.
    pub(crate) fn restart(&mut self) {
        self.channel.announce();
        self.tally.discarded_bytes.add(self.waiting.into());
        (self.read, self.waiting, self.unreleased, self.ahead) = (0, 0, 0, None);
        (self.look, self.resyncs, self.idle_interrupts) = (true, 0, 0);
    }

    /// Whether no received frame is known that was not read.
    pub(crate) fn is_drained(&self) -> bool {
        self.waiting == 0
    }

    /// The channel, if the next frame waits for room in it.
    pub(crate) fn wants_room(&self) -> Option<Channel<'d>> {
        (self.waiting > 0).then_some(self.channel)
    }

    /// The channel, to announce the frames in it.
    pub(crate) fn channel(&self) -> &Channel<'d> {
        &self.channel
    }

    /// Makes the next [`Receiver::serve`] look at the buffer even without an interrupt.
    pub(crate) fn look(&mut self) {
        self.look = true;
    }

    /// Moves one frame, if there is one and room for it. Returns whether there may be more to do.
    ///
    /// `interrupt` is whether the chip interrupts. The interrupt reports each arrival once, not
    /// what is left in the buffer. So it is cleared first, and then the buffer is read until it
    /// is empty.
    pub(crate) async fn serve<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        interrupt: bool,
    ) -> Result<bool, Fault> {
        if self.waiting == 0 && !self.find(chip, interrupt)? {
            return Ok(false);
        }
        if !self.channel.has_room() {
            // The chip goes on receiving meanwhile, as long as it has memory.
            if self.unreleased >= RELEASE_AT_FULL {
                self.release(chip)?;
            }
            return Ok(false);
        }
        self.take(chip).await?;
        if self.waiting == 0 {
            self.channel.announce();
        }
        if self.waiting == 0 || self.unreleased >= RELEASE_AT {
            self.release(chip)?;
        }
        self.look |= self.waiting == 0;
        Ok(true)
    }

    /// Checks whether frames have arrived, if there is an interrupt or [`Receiver::look`] was
    /// called.
    fn find<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        interrupt: bool,
    ) -> Result<bool, Fault> {
        if !interrupt && !self.look {
            return Ok(false);
        }
        self.look = false;
        // Cleared before the size is read, so that a frame that arrives in between interrupts
        // again.
        if interrupt {
            chip.clear_interrupts(INTERRUPTS)?;
        } else if chip.rx_is_empty()? {
            return Ok(false);
        }
        self.waiting = self.size(chip)?;
        if interrupt && self.waiting == 0 {
            self.idle_interrupts += 1;
            if self.idle_interrupts > IDLE_INTERRUPTS {
                return Err(Fault::Interrupt);
            }
        }
        Ok(self.waiting > 0)
    }

    /// The number of received bytes in the chip.
    fn size<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<u16, Fault> {
        let mut last = None;
        for reading in 0..POINTER_READS {
            let RxPointers { size, read, write } = chip.rx_pointers()?;
            let agree = write.wrapping_sub(read) == size
                || (reading >= POINTER_READS_APART && last == Some(size));
            // The chip never moves the read pointer by itself, so another value is a wrong reading,
            // or the chip has lost its state.
            if agree && read == self.read && size <= BUFFER_LEN {
                return Ok(size);
            }
            last = Some(size);
        }
        Err(Fault::Pointers)
    }

    /// Reads the next frame, for which the queue has room, or skips it.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "only this end uses a slot that is neither pushed nor popped"
    )]
    async fn take<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        let ahead = self.ahead.take();
        let word = ahead.map_or_else(|| chip.begin_frame(self.read), Ok)?;
        let length = self.check_length(word);
        if let Length::Fits(length) = length {
            let Some(mut packet) = self.channel.free(length) else {
                // The frame waits: its length word is known the next time.
                self.ahead = Some(word);
                return chip.bus.end();
            };
            // The bus is busy for a while now, in which the router may forward what it has.
            if length > SHORT {
                self.channel.announce();
            }
            packet.resize(length);
            let more = self.waiting.saturating_sub(word) >= LENGTH_WORD;
            // The next length word is read with the frame, if it has arrived.
            let after = if more { LENGTH_WORD.into() } else { 0 };
            let words = if ahead.is_some() {
                chip.begin_known_frame(self.read, &mut packet, after)?
            } else {
                packet.rest(after)
            };
            let done = chip.bus.exchange(words).await;
            chip.bus.end()?;
            done?;
            self.ahead = more.then(|| u16::from_be_bytes(packet.word_after()));
        } else if ahead.is_none() {
            // The access that has read the length word is still open.
            chip.bus.end()?;
        }
        self.finish(length, word, chip)
    }

    fn check_length(&self, word: u16) -> Length {
        let length = usize::from(word.saturating_sub(LENGTH_WORD));
        if word < LENGTH_WORD || word > self.waiting {
            Length::Invalid
        } else if length < MIN_FRAME {
            Length::Runt
        } else if length > LONGEST {
            Length::Oversized
        } else {
            Length::Fits(length)
        }
    }

    /// Counts a frame that was read or skipped, and moves on to the next one.
    fn finish<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        length: Length,
        word: u16,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        match length {
            Length::Invalid => return self.resync(chip),
            Length::Oversized => self.tally.oversized.add(1),
            Length::Runt => self.tally.runts.add(1),
            Length::Fits(length) => {
                self.channel.push_held(length);
                self.tally.received.add(1);
                self.tally.received_bytes.add(length as u64);
            }
        }
        self.advance(word);
        (self.resyncs, self.idle_interrupts) = (0, 0);
        Ok(())
    }

    /// Discards all received data, because it is not known where the frames in it begin. The next
    /// frame begins where the data ends.
    fn resync<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        self.resyncs += 1;
        if self.resyncs > RESYNCS {
            return Err(Fault::Framing);
        }
        // First, so that the size counts from `read`.
        self.release(chip)?;
        self.waiting = self.size(chip)?;
        self.tally.resyncs.add(1);
        self.tally.discarded_bytes.add(self.waiting.into());
        self.advance(self.waiting);
        Ok(())
    }

    fn advance(&mut self, bytes: u16) {
        // The chip's pointers have 16 bits and wrap, too.
        self.read = self.read.wrapping_add(bytes);
        self.waiting = self.waiting.saturating_sub(bytes);
        self.unreleased = self.unreleased.saturating_add(bytes);
    }

    /// Releases the buffer memory of the data that was read.
    fn release<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        if self.unreleased > 0 {
            chip.release(self.read)?;
            self.unreleased = 0;
        }
        Ok(())
    }
}
