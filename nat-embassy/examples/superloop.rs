//! A router without an executor, without interrupts and without embassy-net: a loop calls
//! `Runner::poll` with a waker that does nothing. `cargo run --example superloop`.
//!
//! Both drivers are in memory and carry bare IP datagrams, as a modem does. A host sends 100
//! datagrams at once, and a server outside returns each.

use core::cell::RefCell;
use core::net::Ipv4Addr;
use core::task::{Context, Waker};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant as Clock;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use etherparse::{IpHeaders, PacketBuilder};
use nat_core::{Instant, Seed};
use nat_embassy::{Config, Outside, State};
use static_cell::ConstStaticCell;

static STATE: ConstStaticCell<State<128, 256>> = ConstStaticCell::new(State::new());

/// A driver in memory. The two ends of its wire are the queues.
#[derive(Clone, Default)]
struct Port {
    received: Rc<RefCell<VecDeque<Vec<u8>>>>,
    sent: Rc<RefCell<VecDeque<Vec<u8>>>>,
}

impl Driver for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Received, Room)> {
        let frame = self.received.borrow_mut().pop_front()?;
        Some((Received(frame), Room(self.clone())))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room> {
        Some(Room(self.clone()))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1500;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ip
    }
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

struct Room(Port);

impl TxToken for Room {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.sent.borrow_mut().push_back(frame);
        result
    }
}

const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);
const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const DATAGRAMS: usize = 100;

fn main() {
    let (lan, wan) = (Port::default(), Port::default());
    let inside = "192.168.77.1/24".parse().expect("an address and a prefix");
    let mut config = Config::new(nat_core::Config::new(inside));
    config.outside = Some(Outside {
        address: "198.51.100.77/24".parse().expect("an address and a prefix"),
        gateway: None, // a medium without link headers needs none
    });
    let (control, _, _, mut runner) = nat_embassy::new(
        STATE.take(),
        config,
        Seed::new([7; 16]), // in earnest: fresh entropy
        lan.clone(),
        wan.clone(),
    )
    .expect("a sound configuration");

    for number in 0..DATAGRAMS {
        let datagram = udp(HOST, SERVER, (5000, 7), &number.to_be_bytes());
        lan.received.borrow_mut().push_back(datagram);
    }
    let (start, mut passes, mut returned) = (Clock::now(), 0, 0);
    while returned < DATAGRAMS {
        // The time of the board. A pass moves a bounded number of frames, so that the rest of the
        // loop gets its turn. Because nothing tells this loop that frames are left, it never sleeps.
        let now = Instant::from_millis(start.elapsed().as_millis() as u64);
        runner.poll(&mut Context::from_waker(Waker::noop()), now);
        passes += 1;
        assert!(passes < 10_000, "nothing is lost");
        // Here a board feeds its watchdog, and does its other work. Here the server answers:
        while let Some(datagram) = wan.sent.borrow_mut().pop_front() {
            wan.received.borrow_mut().push_back(echo(&datagram));
        }
        returned += lan.sent.borrow_mut().drain(..).count();
    }
    println!("{returned} datagrams out and back in {passes} passes");
    control.with_nat(|nat| {
        for session in nat.sessions() {
            println!("{} as {}", session.inside, session.external);
        }
    });
}

fn udp(source: Ipv4Addr, destination: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
        .udp(ports.0, ports.1)
        .write(&mut datagram, payload)
        .expect("a short datagram");
    datagram
}

/// The datagram back to its sender.
fn echo(datagram: &[u8]) -> Vec<u8> {
    let (IpHeaders::Ipv4(ip, _), payload) = IpHeaders::from_slice(datagram).expect("IPv4") else {
        panic!("IPv4")
    };
    let (udp_header, data) = etherparse::UdpHeader::from_slice(payload.payload).expect("UDP");
    let ports = (udp_header.destination_port, udp_header.source_port);
    udp(ip.destination.into(), ip.source.into(), ports, data)
}
