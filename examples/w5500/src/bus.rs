//! Accesses to the chip over SPI. Short transfers are polled, long ones use DMA.

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

use crate::fault::Fault;

/// What is moved with a frame at most, in bytes: the header of the access, and the next length word.
const BESIDE_FRAME: usize = 5;

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

    /// Reads a frame in an access that has begun: sends `words`, and puts there what came
    /// meanwhile. What is sent after the header of the access is of no effect.
    pub(crate) async fn exchange(&mut self, words: &mut [u8]) -> Result<(), Fault> {
        let done = if words.len() <= self.poll_limit.saturating_add(BESIDE_FRAME) {
            SpiBus::transfer_in_place(&mut self.spi, words)
        } else {
            AsyncSpiBus::transfer_in_place(&mut self.spi, words).await
        };
        done.map_err(|_| Fault::Bus)
    }

    /// A whole access that writes `words`: a header, and a frame.
    pub(crate) async fn write_frame(&mut self, words: &[u8]) -> Result<(), Fault> {
        self.select()?;
        let done = if words.len() <= self.poll_limit.saturating_add(BESIDE_FRAME) {
            SpiBus::write(&mut self.spi, words)
        } else {
            AsyncSpiBus::write(&mut self.spi, words).await
        };
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

    /// Ends an access, whether it is complete or not.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        // The last byte must have left before the chip is deselected, and the chip must be
        // deselected even if that fails.
        let flushed = SpiBus::flush(&mut self.spi);
        self.cs.set_high().map_err(|_| Fault::Bus)?;
        flushed.map_err(|_| Fault::Bus)
    }

    /// Begins an access.
    pub(crate) fn select(&mut self) -> Result<(), Fault> {
        self.cs.set_low().map_err(|_| Fault::Bus)
    }
}
