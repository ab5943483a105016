//! The wires between the driver and the chip.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::Poll;
use std::rc::Rc;

use embedded_hal::digital::{InputPin, OutputPin};
use embedded_hal::spi::{self, SpiBus};
use embedded_hal_async::digital::Wait;

use super::Alarm;
use super::chip::{BYTE, Chip};

/// The bus. What is asynchronous takes its time while others run.
pub struct Spi {
    pub chip: Rc<RefCell<Chip>>,
    pub dma: Rc<RefCell<Alarm>>,
    pub fails: Rc<Cell<Failing>>,
}

/// Which accesses fail.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub enum Failing {
    #[default]
    None,
    All,
    /// Those of the receive buffer.
    Received,
}

#[derive(Debug)]
pub struct Failed;

impl spi::Error for Failed {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl Spi {
    fn exchange(&self, words: &mut [u8], timed: bool) -> Result<(), Failed> {
        for word in words {
            *word = self.chip.borrow_mut().transfer(*word, timed);
        }
        let fails = match self.fails.get() {
            Failing::None => false,
            Failing::All => true,
            Failing::Received => self.chip.borrow().block() == Some(3),
        };
        if fails { Err(Failed) } else { Ok(()) }
    }

    async fn wait(&self, bytes: usize) {
        let done = self.chip.borrow().now + bytes as u64 * BYTE;
        poll_fn(|cx| {
            if self.chip.borrow().now >= done {
                return Poll::Ready(());
            }
            *self.dma.borrow_mut() = Alarm {
                at: Some(done),
                waker: Some(cx.waker().clone()),
            };
            Poll::Pending
        })
        .await;
    }
}

impl spi::ErrorType for Spi {
    type Error = Failed;
}

impl SpiBus<u8> for Spi {
    fn read(&mut self, words: &mut [u8]) -> Result<(), Failed> {
        self.exchange(words, true)
    }

    fn write(&mut self, words: &[u8]) -> Result<(), Failed> {
        self.exchange(&mut words.to_vec(), true)
    }

    fn transfer(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Failed> {
        unimplemented!("not used by the driver")
    }

    fn transfer_in_place(&mut self, words: &mut [u8]) -> Result<(), Failed> {
        self.exchange(words, true)
    }

    fn flush(&mut self) -> Result<(), Failed> {
        Ok(())
    }
}

impl embedded_hal_async::spi::SpiBus<u8> for Spi {
    async fn read(&mut self, words: &mut [u8]) -> Result<(), Failed> {
        self.wait(words.len()).await;
        self.exchange(words, false)
    }

    async fn write(&mut self, words: &[u8]) -> Result<(), Failed> {
        self.wait(words.len()).await;
        self.exchange(&mut words.to_vec(), false)
    }

    async fn transfer(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Failed> {
        unimplemented!("not used by the driver")
    }

    async fn transfer_in_place(&mut self, words: &mut [u8]) -> Result<(), Failed> {
        self.wait(words.len()).await;
        self.exchange(words, false)
    }

    async fn flush(&mut self) -> Result<(), Failed> {
        Ok(())
    }
}

pub struct Cs(pub Rc<RefCell<Chip>>);
pub struct Reset(pub Rc<RefCell<Chip>>);
pub struct Int(pub Rc<RefCell<Chip>>);

impl embedded_hal::digital::ErrorType for Cs {
    type Error = Infallible;
}

impl OutputPin for Cs {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().select(true);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().select(false);
        Ok(())
    }
}

impl embedded_hal::digital::ErrorType for Reset {
    type Error = Infallible;
}

impl OutputPin for Reset {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().set_reset_pin(true);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().set_reset_pin(false);
        Ok(())
    }
}

impl embedded_hal::digital::ErrorType for Int {
    type Error = Infallible;
}

impl InputPin for Int {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.borrow().int_is_low())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.borrow().int_is_low())
    }
}

impl Wait for Int {
    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        poll_fn(|cx| {
            let mut chip = self.0.borrow_mut();
            if chip.int_is_low() {
                return Poll::Ready(());
            }
            chip.int_waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        Ok(())
    }

    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        unimplemented!("not used by the driver")
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        unimplemented!("not used by the driver")
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        unimplemented!("not used by the driver")
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        unimplemented!("not used by the driver")
    }
}
