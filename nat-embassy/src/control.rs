//! The handle by which the application reaches the running router.

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::net::Ipv4Addr;
use core::pin::pin;
use core::task::Poll;

use embassy_sync::waitqueue::WakerRegistration;
use embassy_time::{Duration, Timer};
use heapless::Vec;
use nat_core::{Cidr, ConfigError, EventHook, Instant, MAX_EXTERNAL_ADDRESSES, Nat, Side, Width};

use crate::addresses::Addresses;
use crate::application::{ApplicationFrame, FrameBuffer};
use crate::clock::Clock;
use crate::conflicts::Conflicts;
use crate::deadline::Deadline;
use crate::local::StackWatch;
use crate::log::{info, warning};
use crate::probes::Probes;
use crate::{FrameDrop, FrameStats, Outside};

/// How often [`Control::follow`] looks at a stack that gets and sends nothing. After each frame it
/// looks at once.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(5);

/// How long sessions outlive the outside configuration that [`Control::follow`] has seen go.
const LOST_HOLDS: Duration = Duration::from_secs(60);

/// What the runner and the handles share.
pub(crate) struct Shared<'d, W: Width> {
    cell: RefCell<Inner<'d, W>>,
    /// Told when the outside stack may have learned something.
    pub(crate) outside_stack: StackWatch,
}

pub(crate) struct Inner<'d, W: Width> {
    pub(crate) nat: Nat<'d, W>,
    pub(crate) deadline: Deadline,
    pub(crate) stats: FrameStats,
    pub(crate) outside: Option<Outside>,
    /// Set when `outside` is new to the runner.
    pub(crate) outside_changed: bool,
    pub(crate) waker: WakerRegistration,
    pub(crate) clock: Clock,
    /// Not part of this, because every move of it through the stack would move them.
    pub(crate) probes: &'d mut Probes,
    pub(crate) conflicts: Conflicts,
    pub(crate) application_frame: ApplicationFrame<'d>,
    /// Whether the links are up, inside and outside.
    links_up: [bool; 2],
    addresses: Addresses,
    /// Whether the outside configuration is lost for the moment, while the NAT keeps its address
    /// for the sessions.
    suspended: bool,
    /// The outside configuration that the NAT has refused, if it was the last.
    refused: Option<Outside>,
}

impl<'d, W: Width> Shared<'d, W> {
    pub(crate) fn new(
        nat: Nat<'d, W>,
        further: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>,
        outside: Option<Outside>,
        frame: &'d mut FrameBuffer,
        probes: &'d mut Probes,
    ) -> Result<Self, ConfigError> {
        let mut inner = Inner {
            nat,
            deadline: Deadline::UNKNOWN,
            stats: FrameStats::ZERO,
            outside: None,
            outside_changed: true,
            waker: WakerRegistration::new(),
            clock: Clock::default(),
            probes,
            conflicts: Conflicts::new(),
            application_frame: ApplicationFrame::None(frame),
            links_up: [false; 2],
            addresses: Addresses::new(further),
            suspended: false,
            refused: None,
        };
        inner.check_further()?;
        inner.replace_outside(outside)?;
        Ok(Self {
            cell: RefCell::new(inner),
            outside_stack: StackWatch::new(),
        })
    }

    /// Calls `f` with all that is shared. The borrow ends with the call, so it never lasts across
    /// an await.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Inner<'d, W>) -> R) -> R {
        f(&mut self.cell.borrow_mut())
    }
}

impl<W: Width> Inner<'_, W> {
    /// The network on `side`; `None` outside while there is no address there.
    pub(crate) fn network(&self, side: Side) -> Option<Cidr> {
        match side {
            Side::Inside => Some(self.nat.config().inside),
            Side::Outside => self.outside.map(|outside| outside.address),
        }
    }

    /// Whether the link of `side` is up.
    pub(crate) const fn is_up(&self, side: Side) -> bool {
        let [inside, outside] = self.links_up;
        match side {
            Side::Inside => inside,
            Side::Outside => outside,
        }
    }

    /// Notes whether the link of `side` is up.
    pub(crate) const fn set_up(&mut self, side: Side, up: bool) {
        let [inside, outside] = &mut self.links_up;
        match side {
            Side::Inside => *inside = up,
            Side::Outside => *outside = up,
        }
    }

    /// Whether `address`, seen from `side`, is that of many: broadcast or multicast.
    pub(crate) fn is_for_many(&self, side: Side, address: Ipv4Addr) -> bool {
        let directed = self.network(side).and_then(|network| network.broadcast());
        address.is_broadcast() || address.is_multicast() || directed == Some(address)
    }

    /// The neighbour on `side` that a packet for `destination` is handed to.
    pub(crate) fn next_hop(&self, side: Side, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        match side {
            Side::Inside => Some(destination),
            Side::Outside => self.outside?.next_hop(destination),
        }
    }

    /// That something may leave by `side`: outside, not while the configuration is lost and the
    /// sessions wait for it.
    pub(crate) fn check_in_force(&self, side: Side) -> Result<(), FrameDrop> {
        if self.network(side).is_some() {
            Ok(())
        } else {
            Err(FrameDrop::NoRoute)
        }
    }

    pub(crate) fn count_put_off(&mut self) {
        if self.stats.timers_put_off == 0 {
            warning!("timers of the NAT stay due: put off, please report");
        }
        self.stats.timers_put_off = self.stats.timers_put_off.wrapping_add(1);
    }

    pub(crate) fn count_delivery(&mut self, side: Side) {
        let stats = self.stats.side_mut(side);
        stats.to_stack = stats.to_stack.wrapping_add(1);
    }

    /// Refuses external addresses of the configuration that cannot work, before any lease comes.
    fn check_further(&mut self) -> Result<(), ConfigError> {
        self.nat
            .set_external_addresses(self.addresses.further(), self.clock.now())
    }

    fn replace_outside(&mut self, outside: Option<Outside>) -> Result<(), ConfigError> {
        let primary = outside.map(|outside| outside.address.address());
        let addresses = primary
            .map(|primary| self.addresses.with(primary))
            .unwrap_or_default();
        self.nat
            .set_external_addresses(&addresses, self.clock.now())?;
        self.addresses.set_primary(primary);
        self.outside = outside;
        self.suspended = false;
        self.outside_changed = true;
        self.deadline = Deadline::UNKNOWN;
        Ok(())
    }

    /// The same while the router runs: what cannot work counts as `None`.
    fn put_in_force(&mut self, outside: Option<Outside>) {
        self.refused = None;
        if let Err(error) = self.replace_outside(outside) {
            warning!(
                "outside address refused: {}: {}",
                error.field,
                error.problem
            );
            self.refused = outside;
            let _ = self.replace_outside(None);
        }
        match self.outside {
            Some(outside) => tell(outside),
            None => info!("no outside address"),
        }
        self.waker.wake();
    }

    fn external_addresses(&self) -> Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES> {
        self.nat.external_addresses().iter().copied().collect()
    }

    fn is_in_force(&self, outside: Option<Outside>) -> bool {
        self.outside == outside && !self.suspended
    }
}

fn tell(outside: Outside) {
    info!("outside address {:?}", outside.address.address().octets());
    if let Some(gateway) = outside
        .gateway
        .filter(|gateway| !outside.address.contains(*gateway))
    {
        warning!(
            "gateway {:?} is not in the outside network",
            gateway.octets()
        );
    }
}

/// The handle by which the application reaches the running router. Copies are the same router.
#[derive(Clone, Copy)]
pub struct Control<'d, W: Width = u16> {
    pub(crate) shared: &'d Shared<'d, W>,
}

impl<'d, W: Width> Control<'d, W> {
    pub(crate) const fn new(shared: &'d Shared<'d, W>) -> Self {
        Self { shared }
    }

    /// Puts a new lease or static configuration of the outside in force; `None` when there is none
    /// any more.
    ///
    /// Its address becomes the primary external address of the NAT, which decides what happens to
    /// the sessions of the old one: see [`Nat::set_external_addresses`]. Neighbours known
    /// outside are forgotten, packets that wait for one are dropped, as are the fragments of a
    /// datagram that has left in part, and the new addresses are announced. The configuration
    /// in force already changes nothing.
    ///
    /// A configuration that the NAT refuses, such as a lease of a loopback address, counts as
    /// `None`, with a warning in the log.
    pub fn set_outside(&self, outside: Option<Outside>) {
        self.shared.with(|inner| {
            if !inner.is_in_force(outside) {
                inner.put_in_force(outside);
            }
        });
    }

    /// The configuration of the outside that is in force.
    #[must_use]
    pub fn outside(&self) -> Option<Outside> {
        self.shared.with(|inner| inner.outside)
    }

    /// Keeps the router's outside configuration the same as that of `stack`, the stack on its
    /// outside device: now and after every change, be it a DHCP lease or static.
    ///
    /// A lease reaches the router at once, and so does the loss of one with the link, since the
    /// stack gets a frame then, or its link changes. A configuration that the application gives
    /// to the stack does so with the next frame, or after 5 s. Nothing but a change wakes the
    /// runner. A configuration that the NAT refuses is not tried again before it changes.
    ///
    /// When the stack loses its configuration, as with every interruption of the link, nothing is
    /// sent outside any more, nor answered there; but the sessions live on for a minute, so
    /// that they survive if the same address comes back.
    pub async fn follow(&self, stack: embassy_net::Stack<'_>) -> ! {
        let mut lost: Option<embassy_time::Instant> = None;
        loop {
            let config = stack.config_v4();
            let mut next = embassy_time::Instant::now() + FOLLOW_INTERVAL;
            match config.as_ref().and_then(outside_of) {
                Some(outside) => {
                    lost = None;
                    self.set_outside_once(Some(outside));
                }
                None => {
                    let ends = *lost.get_or_insert_with(embassy_time::Instant::now) + LOST_HOLDS;
                    if embassy_time::Instant::now() < ends {
                        self.suspend_outside();
                        next = next.min(ends);
                    } else {
                        self.set_outside_once(None);
                    }
                }
            }
            self.config_changed(stack, &config, next).await;
        }
    }

    /// Waits until the configuration of `stack` is not `known` any more, but no longer than until
    /// `next`.
    async fn config_changed(
        &self,
        stack: embassy_net::Stack<'_>,
        known: &Option<embassy_net::StaticConfigV4>,
        next: embassy_time::Instant,
    ) {
        let mut timer = pin!(Timer::at(next));
        poll_fn(|cx| {
            self.shared.outside_stack.register(cx.waker());
            if stack.config_v4() == *known {
                timer.as_mut().poll(cx)
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// [`Control::set_outside`], but what the NAT has refused already is not tried again.
    fn set_outside_once(&self, outside: Option<Outside>) {
        if outside.is_none() || self.shared.with(|inner| inner.refused != outside) {
            self.set_outside(outside);
        }
    }

    /// Takes the outside configuration out of force, and leaves the sessions of its address alone:
    /// nothing is sent outside any more, nor answered there. The sessions go on if
    /// [`Control::set_outside`] brings the same address back, and end when it brings another or
    /// `None`, which is for the caller to do in time.
    pub fn suspend_outside(&self) {
        self.shared.with(|inner| {
            if inner.outside.take().is_some() {
                inner.suspended = true;
                inner.outside_changed = true;
                info!("outside configuration lost");
                inner.waker.wake();
            }
        });
    }

    /// The time of the router's clock, which the methods of the NAT take: that of `embassy_time`
    /// with [`Runner::run`], or else the time of the latest [`Runner::poll`].
    ///
    /// [`Runner::run`]: crate::Runner::run
    /// [`Runner::poll`]: crate::Runner::poll
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.with(|inner| inner.clock.now())
    }

    /// Calls `f` with the NAT, as it is at [`Control::now`]: to add port forwards, list sessions,
    /// read counters and so on.
    ///
    /// ```
    /// # fn end_all(control: nat_embassy::Control<'_>) {
    /// let now = control.now();
    /// control.with_nat(|nat| nat.clear(now));
    /// # }
    /// ```
    ///
    /// External addresses that `f` adds are kept beside every outside configuration to come, as
    /// those of [`Config::nat`](crate::Config::nat) are, and those that it takes away or drains
    /// do not come back. The primary address alone is the outside configuration's: if `f` takes
    /// it away, it is back with the next one that has it. While there is no outside
    /// configuration, the NAT has none of them.
    ///
    /// # Panics
    ///
    /// If `f` calls a method of a `Control` of the same router.
    pub fn with_nat<R>(&self, f: impl FnOnce(&mut Nat<'_, W>) -> R) -> R {
        self.shared.with(|inner| {
            inner.nat.handle_timeout(inner.clock.now());
            let before = inner.external_addresses();
            let result = f(&mut inner.nat);
            let after = inner.external_addresses();
            inner.addresses.note_change(&before, &after);
            // The call may have brought the NAT's next deadline nearer.
            inner.deadline = Deadline::UNKNOWN;
            inner.waker.wake();
            result
        })
    }

    /// Tells `hook` from now on of mappings and refused sessions: see [`Nat::set_event_hook`]. To
    /// hear of all mappings, set it before the runner runs.
    ///
    /// # Panics
    ///
    /// The router panics if `hook` calls a method of a `Control` of the same router.
    pub fn set_event_hook(&self, hook: &'d mut (dyn EventHook + Send)) {
        self.shared.with(|inner| inner.nat.set_event_hook(hook));
    }

    /// Tells nobody of events from now on.
    pub fn clear_event_hook(&self) {
        self.shared.with(|inner| inner.nat.clear_event_hook());
    }

    /// The frame counters at present.
    pub fn stats(&self) -> FrameStats {
        self.shared.with(|inner| inner.stats)
    }
}

fn outside_of(config: &embassy_net::StaticConfigV4) -> Option<Outside> {
    let address = Cidr::new(config.address.address(), config.address.prefix_len())?;
    Some(Outside {
        address,
        gateway: config.gateway,
    })
}
