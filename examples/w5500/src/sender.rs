//! Moves frames from the channel into the chip's transmit buffer.

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

use crate::chip::Chip;
use crate::counters::Tally;
use crate::fault::Fault;
use crate::queue::{Channel, SHORT};
use crate::receiver::MIN_FRAME;
use crate::registers::INTERRUPT_RECEIVED;

/// The sending half of the runner. The chip sends all data up to the write pointer as one frame, so
/// only one frame is being sent at a time. The next one is written into the buffer meanwhile.
pub(crate) struct Sender<'d> {
    channel: Channel<'d>,
    tally: &'d Tally,
    /// Where the last frame ends for which the chip got the command to send.
    write: u16,
    /// Whether that frame may not be sent yet.
    sending: bool,
    /// The length of the next frame, if it is in the buffer.
    staged: Option<u16>,
    /// Whether the interrupt for a sent frame is enabled.
    interrupts: bool,
    /// Where the frame ends that was being sent at the last [`Sender::check`].
    checked: Option<u16>,
}

impl<'d> Sender<'d> {
    pub(crate) const fn new(channel: Channel<'d>, tally: &'d Tally) -> Self {
        Self {
            channel,
            tally,
            write: 0,
            sending: false,
            staged: None,
            interrupts: false,
            checked: None,
        }
    }

    /// Starts again with a chip that was set up. The data in its buffer is lost.
    pub(crate) fn restart(&mut self) {
        self.tally
            .unsent_reset
            .add(u64::from(self.sending) + u64::from(self.staged.is_some()));
        (self.write, self.sending, self.staged) = (0, false, None);
        (self.interrupts, self.checked) = (false, None);
    }

    /// The channel, if the sender can take a frame from it.
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
        if self.is_sending(chip)? {
            return Ok(false);
        }
        // The chip's pointers have 16 bits and wrap, too.
        self.write = self.write.wrapping_add(length);
        chip.send(self.write)?;
        (self.sending, self.staged) = (true, None);
        self.tally.sent.add(1);
        self.tally.sent_bytes.add(length.into());
        if self.interrupts {
            self.interrupts = false;
            chip.set_interrupts(INTERRUPT_RECEIVED)?;
        }
        Ok(true)
    }

    /// Writes the next frame to the chip's buffer, or drops it. Returns whether there was one.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "only this end uses a slot that is neither pushed nor popped"
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
            // The bus is busy for a while now, in which the router may forward what it has.
            if length > SHORT {
                received.announce();
            }
            self.staged = u16::try_from(length).ok();
            chip.write_frame(self.write, &mut packet).await?;
        }
        drop(packet);
        self.channel.pop();
        Ok(true)
    }

    /// Whether the last frame has yet to be sent.
    fn is_sending<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<bool, Fault> {
        if self.sending {
            self.sending = chip.tx_read()? != self.write;
        }
        Ok(self.sending)
    }

    /// Prepares for a wait: if a frame is staged, enables the interrupt for the moment at which it
    /// can be sent. Returns whether it can be sent already. Clears the interrupts `and_clear`,
    /// too.
    pub(crate) fn await_sent<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
        and_clear: u8,
    ) -> Result<bool, Fault> {
        if self.staged.is_none() {
            return Ok(false);
        }
        // Enabled before the pointer is read, so that a frame that is sent in between interrupts.
        chip.announce_sent(and_clear)?;
        self.interrupts = true;
        Ok(!self.is_sending(chip)?)
    }

    /// Fails if the frame being sent is the same as at the last call.
    pub(crate) fn check<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin>(
        &mut self,
        chip: &mut Chip<Spi, Cs>,
    ) -> Result<(), Fault> {
        let before = self.checked.take();
        if self.is_sending(chip)? {
            self.checked = Some(self.write);
            if self.checked == before {
                self.tally.send_timeouts.add(1);
                return Err(Fault::Send);
            }
        }
        Ok(())
    }
}
