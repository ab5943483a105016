//! Checks a driver: `cargo run --example driver_check`. The driver here is that of
//! `embassy-net-driver-channel`. For yours, copy `kit.rs` to its tests, and write what `Bench` is here.

mod kit;

use std::process::ExitCode;

use embassy_net_driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;

use kit::{Level, Wire};

const MTU: usize = 1514;

/// The far end of a channel: its frames go straight to and from the queues.
struct Bench {
    plug: channel::Runner<'static, MTU>,
    to_driver: Vec<Vec<u8>>,
    from_driver: Vec<Vec<u8>>,
}

fn main() -> ExitCode {
    let findings = kit::check(connect);
    let mut failed = false;
    for finding in &findings {
        match &finding.fault {
            None => println!("ok      {}", finding.rule),
            Some(fault) if finding.level == Level::Should => {
                println!("note    {}: {fault}", finding.rule);
            }
            Some(fault) => {
                println!("FAULT   {}: {fault}", finding.rule);
                failed = true;
            }
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// A driver and the far end of its wire.
fn connect() -> (channel::Device<'static, MTU>, Bench) {
    let state = Box::leak(Box::new(channel::State::<MTU, 4, 4>::new()));
    let address = HardwareAddress::Ethernet([0x02, 0, 0, 0, 0, 1]);
    let (mut plug, device) = channel::new(state, address);
    plug.set_link_state(LinkState::Up);
    let bench = Bench {
        plug,
        to_driver: Vec::new(),
        from_driver: Vec::new(),
    };
    (device, bench)
}

impl Wire for Bench {
    fn send(&mut self, frame: &[u8]) {
        self.to_driver.push(frame.to_vec());
    }

    fn take_received(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.from_driver)
    }

    fn run(&mut self) {
        let (_, mut rx, mut tx) = self.plug.borrow_split();
        for frame in self.to_driver.drain(..) {
            let buffer = rx.try_rx_buf().expect("room for the frames of a check");
            buffer[..frame.len()].copy_from_slice(&frame);
            rx.rx_done(frame.len());
        }
        while let Some(frame) = tx.try_tx_buf() {
            self.from_driver.push(frame.to_vec());
            tx.tx_done();
        }
    }
}
