//! The task that drives the chip.

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

/// How often the link and the chip are checked. A check finds a pulled cable soon, and costs five
/// short accesses, below 0.1 % of a 125 MHz core. It is also the time in which a frame must be
/// sent; the longest takes 1.2 ms at 10 Mbit/s.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// The reset pin is held low for at least 500 us (datasheet 1.1.0, section 5.5.1).
const RESET: Duration = Duration::from_millis(1);

/// The number of attempts to find the chip after a reset, and the pause between them. A chip needs
/// at least 1 ms; some need longer until their version register is readable.
const START_TRIES: u32 = 50;
const START_PAUSE: Duration = Duration::from_millis(2);

/// The shortest time between two resets.
const RETRY: Duration = Duration::from_millis(500);

/// The frames in each direction after which the task yields to others and checks the time.
const TURNS: u32 = 16;

/// Drives one chip. Spawn [`Runner::run`] as a task.
///
/// No one else may use the bus while the runner exists.
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
    /// Sets the name at the beginning of log lines. The default is `W5500`.
    pub fn with_name(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Sets which frames are received. The default is [`Filter::Own`].
    pub fn with_filter(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// Sets the length in bytes up to which frames are polled. Longer frames use DMA. The default
    /// is 32.
    ///
    /// Polling occupies the processor during the transfer. DMA costs the set-up, one or two
    /// interrupts, and another poll of the task: on an RP2040, about as much as polling 30 to 60
    /// bytes at 31.25 MHz. In return, other tasks and the bus of another chip can run meanwhile.
    pub fn with_poll_limit(mut self, bytes: usize) -> Self {
        self.chip.bus.poll_limit = bytes;
        self
    }

    /// Sets the source of time, for callers that advance the time themselves.
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

    /// A handle to the counters, which stays valid while the runner runs.
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
    /// Sets up the chip and moves frames. After a fault it sets up the chip again; the link is down
    /// meanwhile.
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
                    // Once, and not at every attempt.
                    if !missing {
                        warning!("{}: not found: {:?}", self.name, fault);
                    }
                    missing = true;
                    fault
                }
            };
            self.record_fault(fault);
            let pause = pin!(self.clock.sleep_until(began + RETRY));
            apart(pause).await;
        }
    }

    /// Counts a fault, and drops the frames in the chip.
    fn record_fault(&mut self, fault: Fault) {
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
        // A fault may have interrupted an access.
        self.chip.bus.end()?;
        self.reset.set_low().map_err(|_| Fault::Bus)?;
        self.sleep(RESET).await;
        self.reset.set_high().map_err(|_| Fault::Bus)?;
        for _ in 0..START_TRIES {
            self.sleep(START_PAUSE).await;
            if self.chip.link()?.1 == VERSION {
                self.chip.set_up(self.mac, self.filter)?;
                // The chip opens the socket meanwhile.
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

    /// Moves frames until there is a fault.
    async fn work(&mut self) -> Fault {
        loop {
            if let Err(fault) = self.work_until(self.clock.now() + CHECK_EVERY).await {
                return fault;
            }
        }
    }

    /// Checks the chip, and moves frames until `end`, when the next check is due.
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

    /// Moves one frame each way in turn, until there is nothing more to do or other tasks should
    /// run.
    async fn turns(
        &mut self,
        alarm: &mut Alarm<'_, impl Future<Output = ()>>,
    ) -> Result<(), Fault> {
        for _ in 0..TURNS {
            // While received frames are known to wait, the pin says nothing new.
            let interrupt =
                self.receiver.is_drained() && self.int.is_low().map_err(|_| Fault::Bus)?;
            let received = self.receiver.serve(&mut self.chip, interrupt).await?;
            let held = self.receiver.channel();
            let sent = self
                .sender
                .serve(&mut self.chip, self.link_up, held)
                .await?;
            if !received && !sent {
                // Before any wait, so that frames held back do not wait for the next one.
                self.receiver.channel().announce();
                return self.idle(alarm).await;
            }
        }
        self.receiver.channel().announce();
        yield_now().await;
        Ok(())
    }

    /// Waits until there may be something to do, or `alarm` is due.
    ///
    /// Every source is polled once, to register the waker. After a wake-up no source is polled
    /// again: the next turn finds out what there is to do, at a lower cost.
    async fn idle(&mut self, alarm: &mut Alarm<'_, impl Future<Output = ()>>) -> Result<(), Fault> {
        let blocked = self.receiver.wants_room().is_some();
        // While the queue has no room for the received frames, their interrupt is of no use, and it
        // would hide the other one.
        let and_clear = if blocked { INTERRUPT_RECEIVED } else { 0 };
        if self.sender.await_sent(&mut self.chip, and_clear)? {
            return Ok(());
        }
        // While the queue is full, only a staged frame needs the pin: that it can be sent.
        let needs_interrupt = !blocked || self.sender.wants_frame().is_none();
        let Self {
            int,
            receiver,
            sender,
            ..
        } = self;
        let mut interrupt = pin!(int.wait_for_low());
        let mut is_registered = false;
        poll_fn(|cx| {
            if core::mem::replace(&mut is_registered, true) {
                return Poll::Ready(Ok(()));
            }
            let has_work = poll_channels(receiver, sender, cx.waker());
            if has_work || alarm.is_due(cx) {
                return Poll::Ready(Ok(()));
            }
            if needs_interrupt && let Poll::Ready(done) = interrupt.as_mut().poll(cx) {
                return Poll::Ready(done.map_err(|_| Fault::Bus));
            }
            Poll::Pending
        })
        .await
    }

    /// The check that is due every [`CHECK_EVERY`]: the link, and whether the chip still works.
    #[inline(never)]
    fn check(&mut self) -> Result<(), Fault> {
        let (up, version) = self.chip.link()?;
        // A reset takes the link down for seconds, so one wrong reading is not enough.
        if version != VERSION && self.chip.link()?.1 != VERSION {
            return Err(Fault::Version);
        }
        // The first reading may come while the chip carries out a command.
        if self.chip.check_socket().is_err() {
            self.chip.check_socket()?;
        }
        self.sender.check(&mut self.chip)?;
        // An interrupt may have been missed, or its line may be broken.
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

/// Whether a channel has the room or the frame that the receiver or the sender waits for. If not,
/// `waker` is woken when it has.
fn poll_channels(receiver: &Receiver<'_>, sender: &Sender<'_>, waker: &Waker) -> bool {
    let has_room = receiver
        .wants_room()
        .is_some_and(|channel| channel.poll_room(waker));
    let has_frame = sender
        .wants_frame()
        .is_some_and(|channel| channel.poll_frame(waker));
    has_room || has_frame
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

/// A time at which this task is woken. Setting a timer is expensive, so it is set once for all
/// waits until then.
struct Alarm<'a, Sleep> {
    sleep: Pin<&'a mut Sleep>,
    /// The waker that the timer has.
    set_by: Option<Waker>,
}

impl<Sleep: Future<Output = ()>> Alarm<'_, Sleep> {
    /// Whether the time is reached. If not, the task of `cx` is woken then.
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
