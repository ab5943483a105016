//! A router between two wires whose other ends the test holds. Time is the machine's own.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses another part of the world"
)]

pub mod client;
pub mod isp;
pub mod wire;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::net::Ipv4Addr;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};

use embassy_futures::join::{join, join3};
use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_hal::digital::{ErrorType, OutputPin};
use nat_core::Cidr;
use nat_embassy::Control;
use nat_router::{Config, DhcpClient, Memory};

use isp::Isp;
use wire::{End, device};

pub const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub const ROUTER_MACS: [[u8; 6]; 2] = [[0x02, 0, 0, 0, 0, 0x01], [0x02, 0, 0, 0, 0, 0x02]];

pub const fn cidr(address: Ipv4Addr, bits: u8) -> Cidr {
    match Cidr::new(address, bits) {
        Some(cidr) => cidr,
        None => panic!("a prefix of at most 32 bits"),
    }
}

/// What a test can see and touch of a router that runs.
pub struct World {
    pub control: Control<'static>,
    pub outside: Stack<'static>,
    pub dhcp_client: DhcpClient,
    /// The wire inside.
    pub lan: Rc<End>,
    pub isp: Rc<Isp>,
    /// Signs of life since the start.
    pub life: Rc<Cell<u32>>,
    pub led: Led,
}

/// Which tasks of the router run.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Tasks {
    Both,
    ServicesOnly,
}

/// Runs `test` on a router of this configuration, with a provider outside who leases an address.
pub fn run<T>(config: Config, test: impl AsyncFnOnce(&World) -> T) -> T {
    run_tasks(Tasks::Both, config, test)
}

pub fn run_tasks<T>(tasks: Tasks, config: Config, test: impl AsyncFnOnce(&World) -> T) -> T {
    let memory = Box::leak(Box::new(Memory::<64, 128, 16>::new()));
    let [(lan, lan_device), (wan, wan_device)] = ROUTER_MACS.map(device);
    let router = nat_router::new(memory, config, [7; 32], lan_device, wan_device)
        .expect("a sound configuration");
    let world = World {
        control: router.control,
        outside: router.outside,
        dhcp_client: router.dhcp_client,
        lan: Rc::new(lan),
        isp: Rc::new(Isp::new(wan)),
        life: Rc::default(),
        led: Led::default(),
    };
    let life = world.life.clone();
    let forwarding = async {
        if tasks == Tasks::Both {
            router.runner.run(move || life.set(life.get() + 1)).await;
        }
    };
    let isp = world.isp.clone();
    let everything = join3(
        forwarding,
        router.services.run(world.led.clone()),
        async move { isp.run().await },
    );
    let test = with_timeout(Duration::from_secs(20), test(&world));
    match block_on(select(everything, test)) {
        Either::First(_) => unreachable!("none of them ends"),
        Either::Second(result) => result.expect("within 20 s"),
    }
}

impl World {
    /// Waits until the router has this address outside.
    pub async fn lease(&self, address: Ipv4Addr) {
        while self
            .control
            .outside()
            .is_none_or(|outside| outside.address.address() != address)
        {
            Timer::after_millis(5).await;
        }
    }
}

/// A pin that remembers when it changed.
#[derive(Clone, Default)]
pub struct Led(Rc<RefCell<Vec<(Instant, bool)>>>);

impl Led {
    /// Each level it had so far with how long in milliseconds, but for the last, which still holds.
    pub fn levels(&self) -> Vec<(bool, u64)> {
        let changes = self.0.borrow();
        changes
            .windows(2)
            .map(|two| (two[0].1, (two[1].0 - two[0].0).as_millis()))
            .collect()
    }

    fn set(&self, level: bool) {
        if self.0.borrow().last().is_none_or(|last| last.1 != level) {
            self.0.borrow_mut().push((Instant::now(), level));
        }
    }

    pub fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(true);
        Ok(())
    }
}

/// Whether a task has been woken.
pub struct Woken(AtomicBool);

impl Woken {
    /// A task that is to be polled for the first time.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future to its end. The thread sleeps until the future is woken, so that the tests that
/// run beside it have the CPU.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(thread::current())).into();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Polls `task` as an executor does, only when it is woken, until the clock says `end`. Returns how
/// often that was.
pub fn execute(task: &mut Pin<&mut impl Future>, woken: &Arc<Woken>, end: Instant) -> u32 {
    let waker = woken.clone().into();
    let mut polls = 0;
    while Instant::now() < end {
        if woken.0.swap(false, Ordering::Relaxed) {
            polls += 1;
            assert!(
                task.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        } else {
            std::thread::sleep(core::time::Duration::from_millis(1));
        }
    }
    polls
}

/// Does both at once.
pub async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    join(one, other).await
}
