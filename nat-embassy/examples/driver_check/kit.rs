//! What the router needs of a driver, as checks. Copy this file to the tests of your driver; it needs
//! `embassy-net-driver` alone.
//!
//! Give [`check`] a closure that makes a driver with the far end of its wire. Each check gets a new
//! one. A driver of real hardware runs on a model of its chip, or on a chip whose wire is looped to a
//! peer that does what [`Wire`] says.
#![allow(
    unreachable_pub,
    reason = "it is a module of each program that uses it"
)]

use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Waker};
use std::sync::Arc;
use std::task::Wake;

use embassy_net_driver::{Driver, HardwareAddress, LinkState, RxToken, TxToken};

/// The far end of the wire.
pub trait Wire {
    /// Sends a frame to the driver.
    fn send(&mut self, frame: &[u8]);

    /// The frames that the driver has sent since the last call.
    fn take_received(&mut self) -> Vec<Vec<u8>>;

    /// Lets the driver's own task run until it has nothing to do. A driver without a task does nothing.
    fn run(&mut self);
}

/// How much a rule matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Without it the router loses frames or stands still.
    Must,
    /// Without it the router works, but at a cost.
    Should,
}

/// A rule that was checked.
#[derive(Debug)]
pub struct Finding {
    pub level: Level,
    pub rule: &'static str,
    /// What was seen instead.
    pub fault: Option<String>,
}

type Check<D, W> = fn(&mut D, &mut W) -> Result<(), String>;

/// Checks the drivers that `make` makes against every rule.
pub fn check<D: Driver, W: Wire>(mut make: impl FnMut() -> (D, W)) -> Vec<Finding> {
    let rules: [(Level, &'static str, Check<D, W>); 10] = [
        (Level::Must, "the link comes up", link_comes_up),
        (
            Level::Must,
            "capabilities and address suit IPv4, and stay",
            properties_suit,
        ),
        (
            Level::Must,
            "received frames are whole, once each and in order",
            receives,
        ),
        (
            Level::Must,
            "sent frames are whole, once each and in order",
            sends,
        ),
        (
            Level::Must,
            "a frame can be sent while a received one is read",
            sends_while_reading,
        ),
        (
            Level::Must,
            "a transmit token that is dropped sends nothing and costs no room",
            drops_tokens,
        ),
        (
            Level::Must,
            "a frame that arrives wakes the task that polled last",
            arrival_wakes,
        ),
        (
            Level::Must,
            "a full driver takes frames again, and wakes its task then",
            room_wakes,
        ),
        (
            Level::Should,
            "an idle driver does not wake its task",
            is_quiet,
        ),
        (
            Level::Should,
            "a receive token that is dropped does not lose the frame",
            keeps_frames,
        ),
    ];
    let mut findings = Vec::new();
    for (level, rule, check) in rules {
        let (mut driver, mut wire) = make();
        wire.run();
        let fault = check(&mut driver, &mut wire).err();
        findings.push(Finding { level, rule, fault });
    }
    findings
}

/// Counts how often its task is woken.
#[derive(Default)]
struct Task(AtomicU32);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn wakes(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An Ethernet frame of `len` bytes to the driver's station, or an IPv4 datagram, with `number` in it.
fn frame(driver: &impl Driver, len: usize, number: u8) -> Vec<u8> {
    let mut frame = vec![number; len];
    match driver.hardware_address() {
        HardwareAddress::Ethernet(address) => {
            frame[..6].copy_from_slice(&address);
            frame[6..14].copy_from_slice(&[0x02, 0, 0, 0, 0, 0x99, 0x08, 0x00]);
        }
        _ => frame[..4].copy_from_slice(&[0x45, 0, (len >> 8) as u8, len as u8]),
    }
    frame
}

/// Lengths from the shortest Ethernet frame without its check sequence to the longest of this driver.
fn lengths(driver: &impl Driver) -> [usize; 5] {
    [
        60,
        61,
        128,
        1001,
        // One that is too small has a rule of its own.
        driver.capabilities().max_transmission_unit.max(60),
    ]
}

fn receive(driver: &mut impl Driver) -> Option<Vec<u8>> {
    let mut cx = Context::from_waker(Waker::noop());
    let (frame, _) = driver.receive(&mut cx)?;
    Some(frame.consume(|frame| frame.to_vec()))
}

fn send(driver: &mut impl Driver, frame: &[u8]) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let token = driver.transmit(&mut cx);
    token
        .map(|token| token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame)))
        .is_some()
}

fn expect(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

/// Every chip needs a moment; its task has run when this is called.
fn link_comes_up<D: Driver, W: Wire>(driver: &mut D, _: &mut W) -> Result<(), String> {
    let mut cx = Context::from_waker(Waker::noop());
    let link = driver.link_state(&mut cx);
    expect(link == LinkState::Up, || "the link is down".to_owned())
}

fn properties_suit<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    let (address, longest) = (
        driver.hardware_address(),
        driver.capabilities().max_transmission_unit,
    );
    let least = match address {
        HardwareAddress::Ethernet(address) => {
            let is_station = address[0] & 1 == 0 && address != [0; 6];
            expect(is_station, || {
                format!("{address:02x?} is no station's address")
            })?;
            14 + 68
        }
        HardwareAddress::Ip => 68,
        other => return Err(format!("{other:?} carries no IPv4 here")),
    };
    expect(longest >= least, || {
        format!(
            "max_transmission_unit is {longest}, and the router needs {least}: link header and 68 bytes"
        )
    })?;
    wire.run();
    let later = driver.capabilities().max_transmission_unit;
    expect(later == longest, || {
        format!("max_transmission_unit was {longest}, and is {later} later")
    })
}

fn receives<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    expect(receive(driver).is_none(), || {
        "a frame that nobody sent".to_owned()
    })?;
    for (number, len) in (1..).zip(lengths(driver)) {
        let sent = frame(driver, len, number);
        wire.send(&sent);
        wire.run();
        let got =
            receive(driver).ok_or_else(|| format!("a frame of {len} bytes does not arrive"))?;
        expect(got == sent, || {
            format!(
                "a frame of {len} bytes arrives changed, with {} bytes",
                got.len()
            )
        })?;
        expect(receive(driver).is_none(), || {
            format!("a frame of {len} bytes arrives twice")
        })?;
    }
    let pair = [1, 2].map(|number| frame(driver, 60, number));
    pair.iter().for_each(|frame| wire.send(frame));
    wire.run();
    for sent in pair {
        expect(receive(driver).as_ref() == Some(&sent), || {
            "two frames at once: lost or out of order".to_owned()
        })?;
    }
    Ok(())
}

fn sends<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    for (number, len) in (1..).zip(lengths(driver)) {
        let given = frame(driver, len, number);
        expect(send(driver, &given), || {
            format!("no room for a frame of {len} bytes")
        })?;
        wire.run();
        let got = wire.take_received();
        expect(got == [given], || {
            format!(
                "a frame of {len} bytes: {} leave, or it is changed",
                got.len()
            )
        })?;
    }
    // The router sends ARP packets as short as this one. Padding is the driver's work, or the chip's.
    let short = frame(driver, 42, 9);
    expect(send(driver, &short), || {
        "no room for a frame of 42 bytes".to_owned()
    })?;
    wire.run();
    let got = wire.take_received();
    let whole = got.len() == 1 && got[0].starts_with(&short) && got[0].len() <= 60;
    expect(whole, || {
        "a frame of 42 bytes does not leave, or not as it is".to_owned()
    })
}

/// The router writes its answer to a frame, or the translated frame itself, while it holds the buffer
/// of the received one.
fn sends_while_reading<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    let sent = frame(driver, 200, 3);
    wire.send(&sent);
    wire.run();
    let mut cx = Context::from_waker(Waker::noop());
    let (rx, tx) = driver.receive(&mut cx).ok_or("no frame arrives")?;
    rx.consume(|frame| tx.consume(frame.len(), |buffer| buffer.copy_from_slice(frame)));
    wire.run();
    expect(wire.take_received() == [sent], || {
        "the answer does not leave, or is changed".to_owned()
    })
}

fn drops_tokens<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    for _ in 0..1000 {
        let mut cx = Context::from_waker(Waker::noop());
        expect(driver.transmit(&mut cx).is_some(), || {
            "there is no room left".to_owned()
        })?;
        wire.run();
    }
    expect(wire.take_received().is_empty(), || {
        "something was sent".to_owned()
    })
}

/// All of the driver's polls come from one task, with one waker. After any of them, it counts.
fn arrival_wakes<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    for poll in ["receive", "transmit", "link_state"] {
        let task = Arc::new(Task::default());
        let waker = Waker::from(task.clone());
        let mut cx = Context::from_waker(&waker);
        // As in the router, which asks for everything before it sleeps.
        let polls = ["link_state", "transmit", "receive"]
            .into_iter()
            .filter(|other| *other != poll);
        for poll in polls.chain([poll]) {
            match poll {
                "receive" => drop(driver.receive(&mut cx)),
                "transmit" => drop(driver.transmit(&mut cx)),
                _ => _ = driver.link_state(&mut cx),
            }
        }
        let before = task.wakes();
        wire.send(&frame(driver, 60, 1));
        wire.run();
        let fault = || format!("after `{poll}`, the arrival of a frame wakes nobody");
        expect(task.wakes() > before, fault)?;
        expect(receive(driver).is_some(), || {
            "the frame does not arrive".to_owned()
        })?;
    }
    Ok(())
}

fn room_wakes<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    const MANY: usize = 1000;
    let given = frame(driver, 60, 1);
    let queued = (0..MANY).take_while(|_| send(driver, &given)).count();
    if queued == MANY {
        return Ok(()); // it is never full
    }
    let task = Arc::new(Task::default());
    let waker = Waker::from(task.clone());
    let full = driver.transmit(&mut Context::from_waker(&waker)).is_none();
    expect(full, || {
        "the driver is not full any more, though it sent nothing".to_owned()
    })?;
    let before = task.wakes();
    wire.run();
    expect(wire.take_received().len() == queued, || {
        format!("{queued} frames were given, others left")
    })?;
    expect(task.wakes() > before, || {
        format!("full with {queued} frames, it wakes nobody after they have left")
    })?;
    expect(send(driver, &given), || {
        "there is no room after all frames have left".to_owned()
    })
}

/// A driver that wakes its task at each poll keeps the processor awake.
fn is_quiet<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    let task = Arc::new(Task::default());
    let waker = Waker::from(task.clone());
    for _ in 0..100 {
        let mut cx = Context::from_waker(&waker);
        let _ = driver.link_state(&mut cx);
        drop(driver.transmit(&mut cx));
        drop(driver.receive(&mut cx));
        wire.run();
    }
    // A task that starts may have something to say once.
    expect(task.wakes() < 10, || {
        format!("{} wakes in 100 idle polls", task.wakes())
    })
}

/// The router never drops such a token, since it takes the other driver's transmit token first. A
/// stack may.
fn keeps_frames<D: Driver, W: Wire>(driver: &mut D, wire: &mut W) -> Result<(), String> {
    let sent = frame(driver, 60, 1);
    wire.send(&sent);
    wire.run();
    let mut cx = Context::from_waker(Waker::noop());
    drop(driver.receive(&mut cx));
    wire.run();
    expect(receive(driver).as_ref() == Some(&sent), || {
        "the frame is lost".to_owned()
    })
}
