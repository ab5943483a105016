//! The task that does all the work.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use embassy_futures::yield_now;
use embassy_time::{Duration, Instant};
use embedded_hal::digital::{InputPin, OutputPin};
use embedded_hal::spi::SpiBus;
use embedded_hal_async::digital::Wait;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

use crate::chip::{Chip, Filter};
use crate::clock::{Clock, EmbassyTime};
use crate::counters::{Monitor, Tally};
use crate::device::Link;
use crate::fault::Fault;
use crate::log::{info, warning};
use crate::receiver::Receiver;
use crate::registers::{INTERRUPT_RECEIVED, VERSION};
use crate::sender::Sender;

/// How often the link and the chip's health are looked at. A pulled cable is seen soon, at a cost
/// of five short accesses, below 0.1 % of a 125 MHz core. It is also the time that a frame gets to
/// be sent; the longest takes 1.2 ms at 10 Mbit/s.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// The reset pin is held low for at least 500 us (datasheet 1.1.0, section 5.5.1).
const RESET: Duration = Duration::from_millis(1);

/// How often, and with what pause, the chip is asked whether it is up after a reset. It needs 1 ms
/// at least; some need longer until they tell their version.
const START_TRIES: u32 = 50;
const START_PAUSE: Duration = Duration::from_millis(2);

/// A chip is reset once in that time at most.
const RETRY: Duration = Duration::from_millis(500);

/// After that many frames in each direction without a pause, other tasks get their turn, and the
/// clock is looked at.
const TURNS: u32 = 16;

/// Drives one chip. Spawn [`Runner::run`] as a task.
///
/// The bus is used by nobody else while the runner lives.
pub struct Runner<'d, Spi, Cs, Int, Reset, Time = EmbassyTime> {
    pub(crate) name: &'static str,
    pub(crate) mac: [u8; 6],
    pub(crate) filter: Filter,
    pub(crate) chip: Chip<Spi, Cs>,
    pub(crate) int: Int,
    pub(crate) reset: Reset,
    pub(crate) clock: Time,
    pub(crate) receiver: Receiver<'d>,
    pub(crate) sender: Sender<'d>,
    pub(crate) link: &'d Link,
    pub(crate) link_up: bool,
    pub(crate) tally: &'d Tally,
}

impl<'d, Spi, Cs, Int, Reset, Time> Runner<'d, Spi, Cs, Int, Reset, Time> {
    /// Has `name` begin the lines on the log, `W5500` unless this says otherwise.
    pub fn with_name(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Lets in other frames than [`Filter::Own`] does.
    pub fn with_filter(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// Polls the bus for frames of up to `bytes`, 32 unless this says otherwise, and uses DMA for
    /// longer ones.
    ///
    /// Polling keeps the processor for as long as the transfer takes; DMA costs it the set-up, an
    /// interrupt or two, and another poll of the task, about as much as polling 30 to 60 bytes
    /// at 31.25 MHz on an RP2040. In return other tasks run meanwhile, and so does the bus of
    /// another chip.
    pub fn with_poll_limit(mut self, bytes: usize) -> Self {
        self.chip.bus.poll_limit = bytes;
        self
    }

    /// Takes the time from `clock`, for callers that move it themselves.
    pub fn with_clock<Other: Clock + Clone>(
        self,
        clock: Other,
    ) -> Runner<'d, Spi, Cs, Int, Reset, Other> {
        let Self {
            name,
            mac,
            filter,
            chip,
            int,
            reset,
            receiver,
            sender,
            link,
            link_up,
            tally,
            ..
        } = self;
        Runner {
            name,
            mac,
            filter,
            chip,
            int,
            reset,
            clock,
            receiver,
            sender,
            link,
            link_up,
            tally,
        }
    }

    /// A handle to the counters that stays when the runner runs.
    pub const fn monitor(&self) -> Monitor<'d> {
        Monitor(self.tally)
    }
}

impl<Spi, Cs, Int, Reset, Time> Runner<'_, Spi, Cs, Int, Reset, Time>
where
    Spi: SpiBus<u8> + AsyncSpiBus<u8>,
    Cs: OutputPin,
    Int: InputPin + Wait,
    Reset: OutputPin,
    Time: Clock + Clone,
{
    /// Brings the chip up, moves frames, and brings it up again whenever something is wrong with
    /// it. The link is down meanwhile.
    pub async fn run(mut self) -> ! {
        let mut missing = false;
        loop {
            let began = self.clock.now();
            let started = {
                let start = pin!(self.start());
                apart(start).await
            };
            let fault = match started {
                Ok(()) => {
                    info!("{}: found", self.name);
                    missing = false;
                    let fault = self.work().await;
                    self.tally.resets.add(1);
                    warning!("{}: reset: {:?}", self.name, fault);
                    fault
                }
                Err(fault) => {
                    self.tally.failed_starts.add(1);
                    if !missing {
                        warning!("{}: not found: {:?}", self.name, fault);
                    }
                    missing = true;
                    fault
                }
            };
            self.give_up(fault);
            let pause = pin!(self.clock.sleep_until(began + RETRY));
            apart(pause).await;
        }
    }

    /// Books a fault. The frames in the chip are lost.
    fn give_up(&mut self, fault: Fault) {
        self.tally.last_fault.set(Some(fault));
        if fault == Fault::Bus {
            self.tally.bus_errors.add(1);
        }
        self.set_link(false);
        self.receiver.restart();
        self.sender.restart();
    }

    /// Resets the chip and sets it up.
    async fn start(&mut self) -> Result<(), Fault> {
        // An access may have been broken off.
        self.chip.bus.end()?;
        self.reset.set_low().map_err(|_| Fault::Bus)?;
        self.sleep(RESET).await;
        self.reset.set_high().map_err(|_| Fault::Bus)?;
        for _ in 0..START_TRIES {
            self.sleep(START_PAUSE).await;
            if self.chip.link()?.1 == VERSION {
                self.chip.set_up(self.mac, self.filter)?;
                self.sleep(START_PAUSE).await;
                return if self.chip.is_set_up(self.mac)? {
                    Ok(())
                } else {
                    Err(Fault::Absent)
                };
            }
        }
        Err(Fault::Absent)
    }

    async fn sleep(&self, time: Duration) {
        self.clock.sleep_until(self.clock.now() + time).await;
    }

    /// Moves frames until something is wrong.
    async fn work(&mut self) -> Fault {
        loop {
            if let Err(fault) = self.work_until(self.clock.now() + CHECK_EVERY).await {
                return fault;
            }
        }
    }

    /// Looks at the chip's health, and moves frames until the time has come for that again.
    async fn work_until(&mut self, end: Instant) -> Result<(), Fault> {
        self.check()?;
        let clock = self.clock.clone();
        let mut alarm = Alarm {
            sleep: pin!(clock.sleep_until(end)),
            set_by: None,
        };
        while clock.now() < end {
            let turns = pin!(self.turns(&mut alarm));
            apart(turns).await?;
        }
        Ok(())
    }

    /// Moves one frame each way in turn, until there is nothing more to do or other tasks are due.
    async fn turns(
        &mut self,
        alarm: &mut Alarm<'_, impl Future<Output = ()>>,
    ) -> Result<(), Fault> {
        for _ in 0..TURNS {
            let interrupt =
                self.receiver.is_drained() && self.int.is_low().map_err(|_| Fault::Bus)?;
            let received = self.receiver.serve(&mut self.chip, interrupt).await?;
            let held = self.receiver.channel();
            let sent = self
                .sender
                .serve(&mut self.chip, self.link_up, held)
                .await?;
            if !received && !sent {
                self.receiver.channel().announce();
                return self.idle(alarm).await;
            }
        }
        self.receiver.channel().announce();
        yield_now().await;
        Ok(())
    }

    /// Waits until there may be something to do, or it is time for `alarm`.
    ///
    /// Everything is asked once, for it to wake this task. What woke it is not asked again: the
    /// next turn sees that anyway, and cheaper.
    async fn idle(&mut self, alarm: &mut Alarm<'_, impl Future<Output = ()>>) -> Result<(), Fault> {
        let blocked = self.receiver.wants_room().is_some();
        // With no room for the frames that have arrived, their interrupt is of no use, and stands
        // in the way of the other.
        let and_clear = if blocked { INTERRUPT_RECEIVED } else { 0 };
        if self.sender.await_sent(&mut self.chip, and_clear)? {
            return Ok(());
        }
        let needs_interrupt = !blocked || self.sender.wants_frame().is_none();
        let Self {
            int,
            receiver,
            sender,
            ..
        } = self;
        let mut interrupt = pin!(int.wait_for_low());
        let mut asleep = false;
        poll_fn(|cx| {
            if core::mem::replace(&mut asleep, true) {
                return Poll::Ready(Ok(()));
            }
            let mut ready = receiver
                .wants_room()
                .is_some_and(|channel| channel.poll_room(cx.waker()));
            ready |= sender
                .wants_frame()
                .is_some_and(|channel| channel.poll_frame(cx.waker()));
            if ready || alarm.is_due(cx) {
                return Poll::Ready(Ok(()));
            }
            if needs_interrupt && let Poll::Ready(done) = interrupt.as_mut().poll(cx) {
                return Poll::Ready(done.map_err(|_| Fault::Bus));
            }
            Poll::Pending
        })
        .await
    }

    /// What is due every [`CHECK_EVERY`]: the link, and whether the chip is still what it was.
    #[inline(never)]
    fn check(&mut self) -> Result<(), Fault> {
        let (up, version) = self.chip.link()?;
        // A single wrong reading is not worth the seconds that a link needs to come back.
        if version != VERSION && self.chip.link()?.1 != VERSION {
            return Err(Fault::Version);
        }
        if self.chip.check_socket().is_err() {
            self.chip.check_socket()?;
        }
        self.sender.check(&mut self.chip)?;
        // In case an interrupt was missed, or its line is broken.
        self.receiver.look();
        self.set_link(up);
        Ok(())
    }

    fn set_link(&mut self, up: bool) {
        if up != self.link_up {
            self.link_up = up;
            self.link.set(up);
            info!("{}: link up: {}", self.name, up);
            self.tally.link_ups.add(up.into());
        }
    }
}

/// Polls a future in a function of its own. Otherwise the compiler inlines the whole task into one
/// function, which computes at each poll the addresses that only its rare parts need.
fn apart<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = F::Output> {
    poll_fn(move |cx| poll_apart(future.as_mut(), cx))
}

#[inline(never)]
fn poll_apart<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    future.poll(cx)
}

/// A point in time that this task is woken at. Setting a timer is dear, so it is set once for all
/// waits until then.
struct Alarm<'a, Sleep> {
    sleep: Pin<&'a mut Sleep>,
    /// Who will be woken.
    set_by: Option<Waker>,
}

impl<Sleep: Future<Output = ()>> Alarm<'_, Sleep> {
    /// Has the task of `cx` woken, unless it is due already.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        if self
            .set_by
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            return false;
        }
        self.set_by = Some(cx.waker().clone());
        self.sleep.as_mut().poll(cx).is_ready()
    }
}
