//! A router that a loop polls, without an executor: with a waker that does nothing, and with one that
//! tells the loop when it may sleep.

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use std::sync::Arc;
use std::task::Wake;

use embassy_net_driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;
use etherparse::PacketBuilder;
use nat_core::{Instant, Seed};
use nat_embassy::{Config, Outside, Runner, State};

type Device = channel::Device<'static, 1500>;
type Plug = channel::Runner<'static, 1500>;

const QUEUE: usize = 64;
/// What one pass moves at most from each side. The documentation of `Runner::poll` names it.
const A_PASS: usize = 8;

struct Loop {
    runner: Runner<'static, Device, Device>,
    lan: Plug,
    wan: Plug,
    now: Instant,
}

fn device() -> (Plug, Device) {
    let state = Box::leak(Box::new(channel::State::<1500, QUEUE, QUEUE>::new()));
    let (mut plug, device) = channel::new(state, HardwareAddress::Ip);
    plug.set_link_state(LinkState::Up);
    (plug, device)
}

impl Loop {
    fn new() -> Self {
        let ((lan, lan_device), (wan, wan_device)) = (device(), device());
        let state = Box::leak(Box::new(State::<64, 128, 16>::new()));
        let mut config = Config::new(nat_core::Config::new("192.168.77.1/24".parse().unwrap()));
        config.outside = Some(Outside {
            address: "198.51.100.77/24".parse().unwrap(),
            gateway: None,
        });
        let seed = Seed::new([7; 16]);
        let (_, _, _, runner) =
            nat_embassy::new(state, config, seed, lan_device, wan_device).unwrap();
        let now = Instant::from_secs(1);
        Self {
            runner,
            lan,
            wan,
            now,
        }
    }

    /// One pass, a millisecond after the last one.
    fn pass(&mut self, waker: &Waker) -> Option<Instant> {
        self.now = Instant::from_millis(self.now.as_millis() + 1);
        self.runner.poll(&mut Context::from_waker(waker), self.now)
    }

    fn host_sends(&mut self, datagrams: usize) {
        let (_, mut rx, _) = self.lan.borrow_split();
        for _ in 0..datagrams {
            let host = Ipv4Addr::new(192, 168, 77, 10).octets();
            let mut datagram = Vec::new();
            PacketBuilder::ipv4(host, [203, 0, 113, 5], 64)
                .udp(5000, 7)
                .write(&mut datagram, b"hello")
                .unwrap();
            rx.try_rx_buf().expect("room")[..datagram.len()].copy_from_slice(&datagram);
            rx.rx_done(datagram.len());
        }
    }

    /// How many datagrams have left outside since the last call.
    fn sent(&mut self) -> usize {
        let (_, _, mut tx) = self.wan.borrow_split();
        core::iter::from_fn(|| tx.try_tx_buf().is_some().then(|| tx.tx_done())).count()
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_loop_that_never_sleeps_needs_no_waker() {
    let mut w = Loop::new();
    w.pass(Waker::noop());
    w.host_sends(40);
    let passes: Vec<usize> = (0..6)
        .map(|_| {
            w.pass(Waker::noop());
            w.sent()
        })
        .collect();
    assert_eq!(passes.iter().sum::<usize>(), 40, "{passes:?}");
    assert!(passes.iter().all(|sent| *sent <= A_PASS), "{passes:?}");
    assert_eq!(passes[5], 0, "{passes:?}");
}

/// The returned time is that of the next timer. It says nothing of frames that are left.
#[test]
fn a_loop_that_sleeps_asks_the_waker_whether_frames_are_left() {
    let mut w = Loop::new();
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    while {
        w.pass(&waker);
        flag.0.swap(false, Ordering::Relaxed)
    } {}
    w.host_sends(40);
    assert!(
        flag.0.swap(false, Ordering::Relaxed),
        "an arrival wakes the loop"
    );
    let (mut passes, mut sent) = (0, 0);
    loop {
        let due = w.pass(&waker);
        passes += 1;
        sent += w.sent();
        assert!(due.is_none_or(|due| due > w.now), "{due:?}");
        if !flag.0.swap(false, Ordering::Relaxed) {
            break; // the loop sleeps until an interrupt, or until `due`
        }
    }
    assert_eq!(
        (passes, sent),
        (6, 40),
        "nothing is left when the loop may sleep"
    );
}
