//! Accesses to the chip over SPI. Short transfers are polled, long ones use DMA.

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

use crate::fault::Fault;
use crate::registers::Header;

/// A bus with one chip on it.
pub(crate) struct Bus<Spi, Cs> {
    spi: Spi,
    cs: Cs,
    /// The longest part of a frame in bytes that is polled.
    pub(crate) poll_limit: usize,
}

// Functions with many callers are not inlined: the copies would not fit the cache of a chip that
// runs from flash.
impl<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin> Bus<Spi, Cs> {
    pub(crate) const fn new(spi: Spi, cs: Cs, poll_limit: usize) -> Self {
        Self {
            spi,
            cs,
            poll_limit,
        }
    }

    /// A whole read access: sends `words`, a header with space for the answer, and overwrites them
    /// with what is received meanwhile.
    #[inline(never)]
    pub(crate) fn read(&mut self, words: &mut [u8]) -> Result<(), Fault> {
        let done = self.begin(words);
        self.end()?;
        done
    }

    /// A whole write access: `words` is a header and the data.
    #[inline(never)]
    pub(crate) fn write(&mut self, words: &[u8]) -> Result<(), Fault> {
        self.select()?;
        let done = SpiBus::write(&mut self.spi, words);
        self.end()?;
        done.map_err(|_| Fault::Bus)
    }

    /// A whole write access for a frame.
    pub(crate) async fn write_frame(&mut self, header: Header, frame: &[u8]) -> Result<(), Fault> {
        self.select()?;
        let mut done = SpiBus::write(&mut self.spi, &header);
        if done.is_ok() {
            done = if frame.len() <= self.poll_limit {
                SpiBus::write(&mut self.spi, frame)
            } else {
                AsyncSpiBus::write(&mut self.spi, frame).await
            };
        }
        self.end()?;
        done.map_err(|_| Fault::Bus)
    }

    /// Begins a read access like [`Bus::read`], but leaves the chip selected, so that it can be
    /// continued.
    #[inline(never)]
    pub(crate) fn begin(&mut self, words: &mut [u8]) -> Result<(), Fault> {
        self.select()?;
        SpiBus::transfer_in_place(&mut self.spi, words).map_err(|_| Fault::Bus)
    }

    /// Fills `frame` with the next bytes of an access that has begun. The chip ignores the bytes
    /// that are sent meanwhile.
    pub(crate) async fn continue_read(&mut self, frame: &mut [u8]) -> Result<(), Fault> {
        let done = if frame.len() <= self.poll_limit {
            SpiBus::transfer_in_place(&mut self.spi, frame)
        } else {
            AsyncSpiBus::read(&mut self.spi, frame).await
        };
        done.map_err(|_| Fault::Bus)
    }

    /// Ends an access, whether it is complete or not.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        let flushed = SpiBus::flush(&mut self.spi);
        self.cs.set_high().map_err(|_| Fault::Bus)?;
        flushed.map_err(|_| Fault::Bus)
    }

    fn select(&mut self) -> Result<(), Fault> {
        self.cs.set_low().map_err(|_| Fault::Bus)
    }
}
