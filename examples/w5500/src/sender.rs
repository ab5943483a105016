//! From the channel into the chip's transmit buffer.

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

use crate::chip::Chip;
use crate::counters::Tally;
use crate::fault::Fault;
use crate::queue::{Channel, SHORT};
use crate::receiver::MIN_FRAME;
use crate::registers::INTERRUPT_RECEIVED;

/// One frame is under way at most, because the chip sends all that it was told of as one; the next
/// is written to the buffer meanwhile.
pub(crate) struct Sender<'d> {
    channel: Channel<'d>,
    tally: &'d Tally,
    /// Where the last frame that the chip was told to send ends.
    write: u16,
    /// Whether that frame is not known to be sent.
    under_way: bool,
    /// The length of the frame in the buffer that comes after it.
    staged: Option<u16>,
    /// Whether the chip interrupts when a frame has been sent.
    announced: bool,
    /// The frame that was under way when the clock struck last, by where it ends.
    overdue: Option<u16>,
}

impl<'d> Sender<'d> {
    pub(crate) const fn new(channel: Channel<'d>, tally: &'d Tally) -> Self {
        Self {
            channel,
            tally,
            write: 0,
            under_way: false,
            staged: None,
            announced: false,
            overdue: None,
        }
    }

    /// Begins anew with a chip that was set up. What was in its buffer is lost.
    pub(crate) fn restart(&mut self) {
        self.tally
            .unsent_reset
            .add(u64::from(self.under_way) + u64::from(self.staged.is_some()));
        (self.write, self.under_way, self.staged) = (0, false, None);
        (self.announced, self.overdue) = (false, None);
    }

    /// The channel, to wait for frames, if the next can be taken.
    pub(crate) fn wants_frame(&self) -> Option<Channel<'d>> {
        self.staged.is_none().then_some(self.channel)
    }

    /// Moves one frame, if there is one. Returns whether there may be more to do.
    ///
    /// Before the bus is busy with a long frame, the frames in `received` are announced.
    pub(crate) async fn serve<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        link_up: bool,
        received: &Channel<'_>,
    ) -> Result<bool, Fault> {
        if self.staged.is_none() && !self.stage(chip, link_up, received).await? {
            return Ok(false);
        }
        let Some(length) = self.staged else {
            return Ok(true);
        };
        if self.is_under_way(chip)? {
            return Ok(false);
        }
        self.write = self.write.wrapping_add(length);
        chip.send(self.write)?;
        (self.under_way, self.staged) = (true, None);
        self.tally.sent.add(1);
        self.tally.sent_bytes.add(length.into());
        if self.announced {
            self.announced = false;
            chip.set_interrupts(INTERRUPT_RECEIVED)?;
        }
        Ok(true)
    }

    /// Writes the next frame to the chip's buffer, or drops it. Returns whether there was one.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "what is neither pushed nor popped belongs to this end alone"
    )]
    async fn stage<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        link_up: bool,
        received: &Channel<'_>,
    ) -> Result<bool, Fault> {
        let Some(mut packet) = self.channel.oldest() else {
            return Ok(false);
        };
        let length = packet.frame().len();
        if !link_up {
            self.tally.unsent_link_down.add(1);
        } else if length < MIN_FRAME {
            self.tally.unsent_runts.add(1);
        } else {
            if length > SHORT {
                received.announce();
            }
            self.staged = u16::try_from(length).ok();
            chip.write_frame(self.write, &mut packet).await?;
        }
        drop(packet);
        self.channel.pop(length);
        Ok(true)
    }

    /// Whether the last frame has yet to be sent.
    fn is_under_way<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<bool, Fault> {
        if self.under_way {
            self.under_way = chip.tx_read()? != self.write;
        }
        Ok(self.under_way)
    }

    /// Before nothing is done until the chip interrupts: has it do so when the staged frame can be
    /// sent, if there is one. Returns whether that is so already. `and_clear` are further
    /// interrupts to take back.
    pub(crate) fn await_sent<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        and_clear: u8,
    ) -> Result<bool, Fault> {
        if self.staged.is_none() {
            return Ok(false);
        }
        chip.announce_sent(and_clear)?;
        self.announced = true;
        Ok(!self.is_under_way(chip)?)
    }

    /// Finds the frame that is under way for too long: since the last time that this was called.
    pub(crate) fn check<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        let before = self.overdue.take();
        if self.is_under_way(chip)? {
            self.overdue = Some(self.write);
            if self.overdue == before {
                self.tally.send_timeouts.add(1);
                return Err(Fault::Send);
            }
        }
        Ok(())
    }
}
