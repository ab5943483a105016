#!/usr/bin/env bash
# embassy-net 0.9.1: two tasks that wait for the link or the configuration wake each other without end.
#
# Guess:   any number of tasks can sleep in wait_config_up, wait_link_up and so on: they take &self, and Stack is Copy.
# Instead: the stack keeps one waker. A second task that waits takes its place and wakes the first, which does the same to
#          the second: nobody misses the event, but the processor does not sleep until then. The documentation of
#          WakerRegistration in embassy-sync says so, that of embassy-net does not.
# Seen:
# | one task waits for the configuration: all asleep
# | two tasks wait for the configuration: awake after 10000 turns
# | one waits for the configuration, one for the link to go: awake after 10000 turns
. "$(dirname "$0")/crate.sh"

program <<'RUST'
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use embassy_net::driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_net::{Config, Stack, StackResources};

/// An interface whose link is up, and on which nothing happens.
struct Quiet;

impl Driver for Quiet {
    type RxToken<'a> = Never;
    type TxToken<'a> = Never;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Never, Never)> {
        None
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Never> {
        None
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([0x02, 0, 0, 0, 0, 1])
    }
}

enum Never {}

impl RxToken for Never {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: F) -> R {
        match self {}
    }
}

impl TxToken for Never {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: usize, _: F) -> R {
        match self {}
    }
}

/// Whether a task is to be polled.
struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

fn main() {
    turn("one task waits for the configuration", |stack| vec![config_up(stack)]);
    turn("two tasks wait for the configuration", |stack| vec![config_up(stack), config_up(stack)]);
    turn("one waits for the configuration, one for the link to go", |stack| vec![config_up(stack), link_down(stack)]);
}

fn config_up(stack: Stack<'static>) -> Task {
    Box::pin(async move { stack.wait_config_up().await })
}

fn link_down(stack: Stack<'static>) -> Task {
    Box::pin(async move { stack.wait_link_down().await })
}

/// Runs a stack without a configuration, and the tasks beside it: in each turn, those that are awake.
fn turn(name: &str, waiters: impl Fn(Stack<'static>) -> Vec<Task>) {
    let resources = Box::leak(Box::new(StackResources::<2>::new()));
    let (stack, mut runner) = embassy_net::new(Quiet, Config::default(), resources, 1);
    let mut tasks = waiters(stack);
    tasks.insert(0, Box::pin(async move { runner.run().await }));
    let awake: Vec<_> = tasks.iter().map(|_| Arc::new(Awake(AtomicBool::new(true)))).collect();
    for _ in 0..10_000 {
        if !awake.iter().any(|awake| awake.0.load(Ordering::Relaxed)) {
            println!("{name}: all asleep");
            return;
        }
        for (task, awake) in tasks.iter_mut().zip(&awake) {
            if awake.0.swap(false, Ordering::Relaxed) {
                let waker = Waker::from(awake.clone());
                assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "nothing to wait for");
            }
        }
    }
    println!("{name}: awake after 10000 turns");
}
RUST
check \
    'embassy-net = { version = "=0.9.1", features = ["medium-ethernet", "proto-ipv4", "udp"] }' \
    'embassy-time = { version = "=0.5.1", features = ["generic-queue-8", "std"] }' \
    'critical-section = { version = "=1.2.0", features = ["std"] }'
