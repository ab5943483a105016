//! The SPI of the RP2040, with polled transfers that keep its FIFO filled.
//!
//! `embassy-rp` waits for the answer to each byte before it sends the next, so the bus is idle for longer than it takes to
//! send one. A W5500 is told and asked much in a few bytes each, for every frame. What goes by DMA is left to `embassy-rp`.

use embassy_rp::pac;
use embassy_rp::pac::spi::regs::Dr;
use embassy_rp::spi::{Async, Error, Instance, Spi};
use embedded_hal::spi::{ErrorType, SpiBus};

/// The FIFO of each direction holds that many bytes (RP2040 datasheet, section 4.4.1).
const FIFO: usize = 8;

/// A bus whose polled transfers send up to [`FIFO`] bytes before they wait for the answers to them.
pub(crate) struct FilledSpi<Bus: Instance + 'static> {
    spi: Spi<'static, Bus, Async>,
    registers: pac::spi::Spi,
}

impl<Bus: Instance> FilledSpi<Bus> {
    /// `registers` are those of `spi`, which does not tell them.
    pub(crate) const fn new(spi: Spi<'static, Bus, Async>, registers: pac::spi::Spi) -> Self {
        Self { spi, registers }
    }

    fn send(&self, byte: u8) {
        self.registers.dr().write_value(Dr(byte.into()));
    }

    /// The answer to the first byte that was not yet answered.
    fn receive(&self) -> u8 {
        while !self.registers.sr().read().rne() {}
        self.registers.dr().read().data() as u8
    }
}

impl<Bus: Instance> ErrorType for FilledSpi<Bus> {
    type Error = Error;
}

// Each transfer ends with the last answer, so the FIFOs are empty and the bus is idle between two of them.
impl<Bus: Instance> SpiBus<u8> for FilledSpi<Bus> {
    fn write(&mut self, words: &[u8]) -> Result<(), Error> {
        for chunk in words.chunks(FIFO) {
            chunk.iter().for_each(|byte| self.send(*byte));
            chunk.iter().for_each(|_| {
                self.receive();
            });
        }
        Ok(())
    }

    fn transfer_in_place(&mut self, words: &mut [u8]) -> Result<(), Error> {
        for chunk in words.chunks_mut(FIFO) {
            chunk.iter().for_each(|byte| self.send(*byte));
            chunk.iter_mut().for_each(|byte| *byte = self.receive());
        }
        Ok(())
    }

    fn read(&mut self, words: &mut [u8]) -> Result<(), Error> {
        SpiBus::read(&mut self.spi, words)
    }

    fn transfer(&mut self, read: &mut [u8], write: &[u8]) -> Result<(), Error> {
        SpiBus::transfer(&mut self.spi, read, write)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl<Bus: Instance> embedded_hal_async::spi::SpiBus<u8> for FilledSpi<Bus> {
    async fn read(&mut self, words: &mut [u8]) -> Result<(), Error> {
        self.spi.read(words).await
    }

    async fn write(&mut self, words: &[u8]) -> Result<(), Error> {
        self.spi.write(words).await
    }

    async fn transfer(&mut self, read: &mut [u8], write: &[u8]) -> Result<(), Error> {
        self.spi.transfer(read, write).await
    }

    async fn transfer_in_place(&mut self, words: &mut [u8]) -> Result<(), Error> {
        self.spi.transfer_in_place(words).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
