//! From the chip's receive buffer into the channel.

use core::cell::RefMut;

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

use crate::LONGEST;
use crate::chip::{Chip, RxPointers};
use crate::counters::Tally;
use crate::fault::Fault;
use crate::queue::{Channel, Packet, SHORT};
use crate::registers::{BUFFER_LEN, INTERRUPTS};

/// Before each frame stands its length, these two bytes included.
pub(crate) const LENGTH_WORD: u16 = 2;

/// The shortest frame: an Ethernet header.
pub(crate) const MIN_FRAME: usize = 14;

/// How many bytes are read before the chip gets their room back, unless there is nothing more to
/// read. Each time costs two accesses; the rest of the buffer is enough for what arrives meanwhile.
const GIVE_BACK: u16 = BUFFER_LEN / 4;

/// The same while the queue is full. It is less, because frames collect in the chip then.
const GIVE_BACK_FULL: u16 = BUFFER_LEN / 16;

/// How often the pointers are read until they agree. They change while they are read, and after a
/// command.
const POINTER_READS: u32 = 8;

/// From how many readings on it is enough that the size is the same twice, which is all that the
/// datasheet asks for.
const POINTER_READS_APART: u32 = 4;

/// How often in a row the buffer may hold no chain of frames, until the chip is reset.
const RESYNCS: u32 = 3;

/// How often in a row the chip may interrupt for nothing, until it is reset.
const IDLE_INTERRUPTS: u32 = 64;

pub(crate) struct Receiver<'d> {
    channel: Channel<'d>,
    tally: &'d Tally,
    /// Where the next frame begins.
    read: u16,
    /// The bytes from there on that are known to be whole frames.
    waiting: u16,
    /// The length word of the frame at `read`, if it has been read already.
    ahead: Option<u16>,
    /// The bytes before it that the chip has not got back.
    kept: u16,
    /// Whether more may have arrived than is known.
    look: bool,
    /// Resynchronisations since the last frame.
    resyncs: u32,
    /// Interrupts for nothing since the last frame.
    idle_interrupts: u32,
}

/// What a length word says.
enum Length {
    Fits(usize),
    Nonsense,
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
            kept: 0,
            look: true,
            resyncs: 0,
            idle_interrupts: 0,
        }
    }

    /// Begins anew with a chip that was set up. What was in its buffer is lost.
    pub(crate) fn restart(&mut self) {
        self.channel.announce();
        self.tally.discarded_bytes.add(self.waiting.into());
        (self.read, self.waiting, self.kept, self.ahead) = (0, 0, 0, None);
        (self.look, self.resyncs, self.idle_interrupts) = (true, 0, 0);
    }

    /// Whether the next frame is yet to be looked for.
    pub(crate) fn is_drained(&self) -> bool {
        self.waiting == 0
    }

    /// The channel, to wait for room in it, if that is what the next frame waits for.
    pub(crate) fn wants_room(&self) -> Option<Channel<'d>> {
        (self.waiting > 0).then_some(self.channel)
    }

    /// The channel, to announce the frames in it.
    pub(crate) fn channel(&self) -> &Channel<'d> {
        &self.channel
    }

    /// Has the buffer looked at, interrupt or not.
    pub(crate) fn look(&mut self) {
        self.look = true;
    }

    /// Moves one frame, if there is one and there is room for it. Returns whether there may be more
    /// to do.
    ///
    /// `interrupt` says whether the chip interrupts. That tells of arrivals only, once each, and
    /// not of what is left in the buffer; so it is taken back first, and then the buffer is
    /// emptied, until it is seen to be empty.
    pub(crate) async fn serve<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        interrupt: bool,
    ) -> Result<bool, Fault> {
        if self.waiting == 0 && !self.find(chip, interrupt)? {
            return Ok(false);
        }
        let Some(packet) = self.channel.room() else {
            if self.kept >= GIVE_BACK_FULL {
                self.settle(chip)?;
            }
            return Ok(false);
        };
        self.take(chip, packet).await?;
        if self.waiting == 0 {
            self.channel.announce();
        }
        if self.waiting == 0 || self.kept >= GIVE_BACK {
            self.settle(chip)?;
        }
        self.look |= self.waiting == 0;
        Ok(true)
    }

    /// Looks whether frames have arrived, if there is a reason to.
    fn find<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        interrupt: bool,
    ) -> Result<bool, Fault> {
        if !interrupt && !self.look {
            return Ok(false);
        }
        self.look = false;
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

    /// How much waits in the chip.
    fn size<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<u16, Fault> {
        let mut last = None;
        for reading in 0..POINTER_READS {
            let RxPointers { size, read, write } = chip.rx_pointers()?;
            let agree = write.wrapping_sub(read) == size
                || (reading >= POINTER_READS_APART && last == Some(size));
            if agree && read == self.read && size <= BUFFER_LEN {
                return Ok(size);
            }
            last = Some(size);
        }
        Err(Fault::Pointers)
    }

    /// Reads the next frame, or skips it.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "what is neither pushed nor popped belongs to this end alone"
    )]
    async fn take<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        mut packet: RefMut<'_, Packet>,
    ) -> Result<(), Fault> {
        let ahead = self.ahead.take();
        let word = ahead.map_or_else(|| chip.begin_frame(self.read), Ok)?;
        let length = self.judge(word);
        if let Length::Fits(length) = length {
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
            chip.bus.end()?;
        }
        drop(packet);
        self.book(length, word, chip)
    }

    fn judge(&self, word: u16) -> Length {
        let length = usize::from(word.saturating_sub(LENGTH_WORD));
        if word < LENGTH_WORD || word > self.waiting {
            Length::Nonsense
        } else if length < MIN_FRAME {
            Length::Runt
        } else if length > LONGEST {
            Length::Oversized
        } else {
            Length::Fits(length)
        }
    }

    fn book<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        length: Length,
        word: u16,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        match length {
            Length::Nonsense => return self.resync(chip),
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

    /// Throws away all that has arrived, because where the frames in it begin is not known. What
    /// arrives next begins where that ends.
    fn resync<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        self.resyncs += 1;
        if self.resyncs > RESYNCS {
            return Err(Fault::Framing);
        }
        self.settle(chip)?;
        self.waiting = self.size(chip)?;
        self.tally.resyncs.add(1);
        self.tally.discarded_bytes.add(self.waiting.into());
        self.advance(self.waiting);
        Ok(())
    }

    fn advance(&mut self, bytes: u16) {
        self.read = self.read.wrapping_add(bytes);
        self.waiting = self.waiting.saturating_sub(bytes);
        self.kept = self.kept.saturating_add(bytes);
    }

    /// Gives the chip back the room of what was read.
    fn settle<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        if self.kept > 0 {
            chip.give_back(self.read)?;
            self.kept = 0;
        }
        Ok(())
    }
}
