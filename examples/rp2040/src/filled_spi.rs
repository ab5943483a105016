//! The SPI of the RP2040. Short transfers are polled with the FIFO kept filled; long ones use DMA
//! with one interrupt.
//!
//! `embassy-rp` waits for the answer to each polled byte before it sends the next one, so the bus
//! is idle for most of the time. Its DMA transfers cost an interrupt and a poll of the task for
//! each of the two channels. The driver of a W5500 makes several accesses of a few bytes for every
//! frame, and most frames are short.

use core::future::Future;

use embassy_rp::pac;
use embassy_rp::pac::spi::regs::Dr;
use embassy_rp::spi::{Blocking, Error, Instance, Spi};
use embedded_hal::spi::{ErrorType, SpiBus};

use crate::spi_dma::Dma;

/// The bytes that the FIFO of each direction holds (RP2040 datasheet, section 4.4.1).
const FIFO: usize = 8;

/// A bus whose polled transfers send up to [`FIFO`] bytes before they wait for the answers to them.
pub struct FilledSpi<Bus: Instance + 'static> {
    spi: Spi<'static, Bus, Blocking>,
    registers: pac::spi::Spi,
    dma: Dma,
}

impl<Bus: Instance> FilledSpi<Bus> {
    /// `registers` must be those of `spi`, which does not expose them, and `dma` must be paced by
    /// it.
    pub const fn new(spi: Spi<'static, Bus, Blocking>, registers: pac::spi::Spi, dma: Dma) -> Self {
        Self {
            spi,
            registers,
            dma,
        }
    }

    fn send(&self, byte: u8) {
        self.registers.dr().write_value(Dr(byte.into()));
    }

    /// The answer to the oldest byte without one.
    fn receive(&self) -> u8 {
        while !self.registers.sr().read().rne() {}
        self.registers.dr().read().data() as u8
    }
}

impl<Bus: Instance> ErrorType for FilledSpi<Bus> {
    type Error = Error;
}

// Each transfer ends with its last answer, so between two transfers the FIFOs are empty and the bus
// is idle.
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

// Each DMA transfer receives as many bytes as it sends, and ends with the last received one, like a
// polled transfer. Dropping its futures stops it.
impl<Bus: Instance> embedded_hal_async::spi::SpiBus<u8> for FilledSpi<Bus> {
    fn transfer_in_place(&mut self, words: &mut [u8]) -> impl Future<Output = Result<(), Error>> {
        self.dma.transfer_in_place(words)
    }

    fn write(&mut self, words: &[u8]) -> impl Future<Output = Result<(), Error>> {
        self.dma.write(words)
    }

    // The driver of the W5500 does not use these two.

    async fn transfer(&mut self, read: &mut [u8], write: &[u8]) -> Result<(), Error> {
        SpiBus::transfer(self, read, write)
    }

    async fn read(&mut self, words: &mut [u8]) -> Result<(), Error> {
        SpiBus::read(self, words)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
