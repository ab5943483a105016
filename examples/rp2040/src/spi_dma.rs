//! The two DMA channels of an SPI bus, which both take part in every transfer.
//!
//! `embassy-rp` configures each channel for every transfer, aborts both after it although they have
//! ended, and checks every channel in an interrupt. That is expensive where each frame of 60 bytes
//! needs two transfers. Here a transfer needs five register writes and one interrupt.
//!
//! # Why no wake-up is lost
//!
//! The interrupt handler and the task share one thing, the waker in [`WAITING`], and only in
//! critical sections. The handler first clears the channel's flag and then wakes, so every end of a
//! transfer is followed by a wake-up of the task that was registered last:
//!
//! - The task is registered already, which is so in all transfers but its first. The first poll
//!   returns `Pending` without a look. If the transfer has ended before, the handler has woken the
//!   task since it was started, and a task that is woken while it runs is polled again. The later
//!   polls look.
//! - The task is not registered. It registers, and then looks. If the transfer ends before that
//!   look, the look finds it ended, whomever the handler has woken. If it ends later, the handler
//!   wakes this task.
//! - The wake-up of an earlier transfer may come late, or be one with that of this transfer, if
//!   both end before the handler runs. It comes after both, so the poll that follows finds this one
//!   ended. One that comes too early is spurious: the poll finds the transfer under way.

use core::cell::Cell;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::sync::atomic::{Ordering, compiler_fence};
use core::task::{Context, Poll, Waker};

use cortex_m::interrupt::{Mutex, free};
use embassy_rp::dma::ChannelInstance;
use embassy_rp::interrupt::typelevel::{Binding, DMA_IRQ_0, Handler, Interrupt};
use embassy_rp::pac::dma::Channel;
use embassy_rp::pac::dma::regs::CtrlTrig;
use embassy_rp::pac::dma::vals::{DataSize, TreqSel};
use embassy_rp::spi::Error;
use embassy_rp::{Peri, pac};

/// The channels that can be used.
const CHANNELS: usize = 4;

/// The task that waits for each channel. It stays when it has been woken, because the same task
/// waits next.
static WAITING: [Mutex<Cell<Option<Waker>>>; CHANNELS] =
    [const { Mutex::new(Cell::new(None)) }; CHANNELS];

/// Where received bytes are discarded.
static mut UNWANTED: u8 = 0;

/// Handles the interrupts of one channel.
pub struct Finished<Channel>(PhantomData<Channel>);

impl<Channel: ChannelInstance> Handler<DMA_IRQ_0> for Finished<Channel> {
    unsafe fn on_interrupt() {
        let channel = 1 << Channel::number();
        if pac::DMA.ints(0).read() & channel != 0 {
            pac::DMA.ints(0).write_value(channel);
            wake(Channel::number());
        }
    }
}

fn wake(channel: u8) {
    free(|cs| {
        if let Some(waiting) = WAITING.get(usize::from(channel)) {
            let waiting = waiting.borrow(cs);
            let waker = waiting.take();
            if let Some(waker) = &waker {
                waker.wake_by_ref();
            }
            waiting.set(waker);
        }
    });
}

/// The DMA channels of a bus. Only that which receives interrupts: it ends last.
pub struct Dma {
    send: Channel,
    receive: Channel,
    /// The task in [`WAITING`], to be compared without a critical section.
    registered: Option<Waker>,
    /// How the channel that receives is set to keep nothing.
    discard: CtrlTrig,
}

impl Dma {
    /// `pace` are the requests of the bus to send and to receive, `data` its data register.
    pub fn new<Send, Receive>(
        _channels: (Peri<'static, Send>, Peri<'static, Receive>),
        pace: (TreqSel, TreqSel),
        data: *mut u32,
        _irq: impl Binding<DMA_IRQ_0, Finished<Receive>>,
    ) -> Self
    where
        Send: ChannelInstance<Interrupt = DMA_IRQ_0>,
        Receive: ChannelInstance<Interrupt = DMA_IRQ_0>,
    {
        assert!(
            usize::from(Receive::number()) < CHANNELS,
            "a channel without a place in WAITING"
        );
        let (send, receive) = (Send::regs(), Receive::regs());
        let mut control = CtrlTrig(0);
        control.set_data_size(DataSize::SIZE_BYTE);
        control.set_en(true);
        let mut sending = control;
        sending.set_treq_sel(pace.0);
        sending.set_chain_to(Send::number());
        sending.set_incr_read(true);
        let mut discard = control;
        discard.set_treq_sel(pace.1);
        discard.set_chain_to(Receive::number());
        // What is the same for all transfers.
        send.al1_ctrl().write_value(sending.0);
        send.write_addr().write_value(data as u32);
        receive.read_addr().write_value(data as u32);
        pac::DMA
            .inte(0)
            .modify(|channels| *channels |= 1 << Receive::number());
        // SAFETY: the handler is bound.
        unsafe { DMA_IRQ_0::enable() };
        Self {
            send,
            receive,
            registered: None,
            discard,
        }
    }

    /// Sends `words`, and puts there what comes meanwhile.
    pub fn transfer_in_place<'d, 'w>(&'d mut self, words: &'w mut [u8]) -> Transfer<'d, 'w> {
        let place = words.as_mut_ptr();
        let mut keep = self.discard;
        keep.set_incr_write(true);
        // SAFETY: `words` is borrowed for as long as the transfer lasts. No byte is received before
        // it was sent, so none is overwritten too early.
        unsafe { self.start(place, (place, keep), words.len()) }
    }

    /// Sends `words`.
    pub fn write<'d, 'w>(&'d mut self, words: &'w [u8]) -> Transfer<'d, 'w> {
        let unwanted = (&raw mut UNWANTED, self.discard);
        // SAFETY: `words` is borrowed for as long as the transfer lasts, and nothing else uses the
        // byte that is written.
        unsafe { self.start(words.as_ptr(), unwanted, words.len()) }
    }

    /// # Safety
    ///
    /// From `from` `len` bytes can be read, and to `to` as many can be written if `control` keeps
    /// them, and one if not, until the transfer has ended or is dropped.
    unsafe fn start<'d, 'w>(
        &'d mut self,
        from: *const u8,
        (to, control): (*mut u8, CtrlTrig),
        len: usize,
    ) -> Transfer<'d, 'w> {
        let Self { send, receive, .. } = self;
        receive.al1_ctrl().write_value(control.0);
        receive.al2_trans_count().write_value(len as u32);
        send.al3_trans_count().write_value(len as u32);
        // What the processor has written is in memory before the DMA reads it.
        compiler_fence(Ordering::SeqCst);
        receive.al2_write_addr_trig().write_value(to as u32);
        send.al3_read_addr_trig().write_value(from as u32);
        Transfer {
            dma: self,
            waited_for: false,
            words: PhantomData,
        }
    }

    fn is_busy(&self) -> bool {
        let control = self.receive.ctrl_trig().read();
        assert!(!control.ahb_error(), "DMA to an invalid address");
        control.busy()
    }

    fn is_registered(&self, waker: &Waker) -> bool {
        let registered = self.registered.as_ref();
        registered.is_some_and(|other| other.will_wake(waker))
    }

    #[cold]
    fn register(&mut self, waker: &Waker) {
        self.registered = Some(waker.clone());
        let channel = usize::from(self.discard.chain_to());
        free(|cs| {
            if let Some(waiting) = WAITING.get(channel) {
                waiting.borrow(cs).set(Some(waker.clone()));
            }
        });
    }
}

/// A transfer under way. It does not fail.
pub struct Transfer<'d, 'w> {
    dma: &'d mut Dma,
    /// Whether it was polled.
    waited_for: bool,
    words: PhantomData<&'w [u8]>,
}

impl Future for Transfer<'_, '_> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.dma.is_registered(cx.waker()) {
            self.dma.register(cx.waker());
        } else if !self.waited_for {
            // Most likely under way. If not, the interrupt has woken the task.
            self.waited_for = true;
            return Poll::Pending;
        }
        if self.dma.is_busy() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

/// Stops a transfer that has not ended.
impl Drop for Transfer<'_, '_> {
    fn drop(&mut self) {
        let Dma { send, receive, .. } = &*self.dma;
        for channel in [send, receive] {
            if channel.ctrl_trig().read().busy() {
                let number = channel.ctrl_trig().read().chain_to();
                pac::DMA
                    .chan_abort()
                    .write(|channels| channels.set_chan_abort(1 << number));
                while channel.ctrl_trig().read().busy() {}
            }
        }
        // What was received is in memory before the processor reads it.
        compiler_fence(Ordering::SeqCst);
    }
}
