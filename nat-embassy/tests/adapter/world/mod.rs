//! A router between two fake drivers, with a clock that only the test moves.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses another part of the world"
)]

pub mod frames;
pub mod nic;
pub mod random;
pub mod traffic;

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use std::sync::Arc;
use std::task::Wake;

use embassy_net_driver::{Driver, HardwareAddress, RxToken, TxToken};
use nat_core::{Cidr, Instant, Seed, Width};
use nat_embassy::{Config, Control, FrameDrop, LanDevice, Outside, Runner, State, WanDevice};

use frames::{Mac, Station, Udp, arp_reply, as_arp, check_datagram, check_frame, ipv4_frame};
use nic::Nic;

pub const ROUTER_LAN: Station = ([0x02, 0, 0, 0, 0, 0x01], Ipv4Addr::new(192, 168, 77, 1));
pub const ROUTER_WAN: Station = ([0x02, 0, 0, 0, 0, 0x02], Ipv4Addr::new(198, 51, 100, 77));
pub const GATEWAY: Station = ([0x02, 0, 0, 0, 0, 0x03], Ipv4Addr::new(198, 51, 100, 1));
pub const HOST: Station = ([0x02, 0, 0, 0, 0, 0x0a], Ipv4Addr::new(192, 168, 77, 10));
pub const OTHER_HOST: Station = ([0x02, 0, 0, 0, 0, 0x0b], Ipv4Addr::new(192, 168, 77, 11));
/// Beyond the gateway.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

pub const OUTSIDE: Outside = Outside {
    address: cidr(ROUTER_WAN.1),
    gateway: Some(GATEWAY.1),
};

pub const fn cidr(address: Ipv4Addr) -> Cidr {
    match Cidr::new(address, 24) {
        Some(cidr) => cidr,
        None => panic!("24 is a prefix length"),
    }
}

pub const SEED: Seed = Seed::new([7; 16]);

pub fn config() -> Config {
    let mut config = Config::new(nat_core::Config::new(cidr(ROUTER_LAN.1)));
    config.outside = Some(OUTSIDE);
    // Queries are as good as any UDP here, and live as long.
    config.nat.timeouts.dns = None;
    // There is one host, and it may fill the tables.
    config.nat.limits.sessions_per_host = Some(u16::MAX);
    config.nat.limits.mappings_per_host = Some(u16::MAX);
    config
}

pub fn ethernet_nic(station: Station) -> Nic {
    Nic::new(HardwareAddress::Ethernet(station.0), 1514)
}

pub fn ip_nic() -> Nic {
    Nic::new(HardwareAddress::Ip, 1500)
}

/// Whether a task was woken.
#[derive(Default)]
pub struct Flag(AtomicBool);

impl Flag {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub struct World<W: Width = u16> {
    pub lan: Nic,
    pub wan: Nic,
    pub control: Control<'static, W>,
    pub lan_stack: LanDevice<'static>,
    pub wan_stack: WanDevice<'static>,
    runner: Runner<'static, Nic, Nic, W>,
    woken: Arc<Flag>,
    pub now: Instant,
    /// When the router wants to be polled at the latest.
    pub deadline: Option<Instant>,
}

impl World {
    /// A router between two Ethernet drivers, with what it says at start thrown away.
    pub fn new() -> Self {
        Self::with(config(), ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN))
    }

    pub fn with(config: Config, lan: Nic, wan: Nic) -> Self {
        Self::of(
            Box::leak(Box::new(State::<64, 128, 16>::new())),
            config,
            lan,
            wan,
        )
    }

    /// The same, where the neighbours of both sides are known already.
    pub fn acquainted() -> Self {
        let mut world = Self::new();
        world.introduce();
        world
    }

    /// What the next frame for a local stack holds, taken from its device.
    pub fn stack_receives(device: &mut LanDevice<'static>) -> Option<Vec<u8>> {
        let mut cx = Context::from_waker(Waker::noop());
        let (frame, _) = device.receive(&mut cx)?;
        Some(frame.consume(|frame| frame.to_vec()))
    }

    /// A local stack sends a frame. Returns whether there was room for it.
    pub fn stack_sends(device: &mut LanDevice<'static>, frame: &[u8]) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let token = device.transmit(&mut cx);
        token
            .map(|token| token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame)))
            .is_some()
    }
}

impl<W: Width> World<W> {
    /// A router of this memory.
    pub fn of<
        const MAPPINGS: usize,
        const SESSIONS: usize,
        const HOSTS: usize,
        const FREED: usize,
    >(
        state: &'static mut State<MAPPINGS, SESSIONS, HOSTS, 4, FREED, W>,
        config: Config,
        lan: Nic,
        wan: Nic,
    ) -> Self {
        let (control, lan_stack, wan_stack, runner) =
            nat_embassy::new(state, config, SEED, lan.clone(), wan.clone())
                .expect("a sound configuration");
        let woken = Arc::new(Flag::default());
        let now = Instant::from_secs(1_000_000);
        let mut world = Self {
            lan,
            wan,
            control,
            lan_stack,
            wan_stack,
            runner,
            woken,
            now,
            deadline: None,
        };
        world.poll();
        world.run();
        world.lan.take_sent();
        world.wan.take_sent();
        world
    }

    /// Lets the router learn the host and the gateway, from their questions.
    pub fn introduce(&mut self) {
        self.lan.arrive(frames::arp_request(HOST, ROUTER_LAN.1));
        self.wan.arrive(frames::arp_request(GATEWAY, ROUTER_WAN.1));
        self.run();
        self.lan.take_sent();
        self.wan.take_sent();
    }

    /// One pass, woken or not.
    pub fn poll(&mut self) {
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(self.woken.clone());
        self.deadline = self.runner.poll(&mut Context::from_waker(&waker), self.now);
    }

    pub fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Passes as long as the router is woken, as an executor would. Returns how many.
    #[track_caller]
    pub fn run(&mut self) -> usize {
        let mut passes = 0;
        while self.is_woken() {
            self.poll();
            passes += 1;
            assert!(passes < 10_000, "the router never comes to rest");
        }
        passes
    }

    /// Lets time pass. The router is polled when it has asked for it, never otherwise.
    #[track_caller]
    pub fn advance(&mut self, millis: u64) {
        let end = Instant::from_millis(self.now.as_millis() + millis);
        self.run();
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
            assert!(
                deadline > self.now,
                "the router asks to be polled at {deadline:?}, which is past"
            );
            self.now = deadline;
            self.poll();
            self.run();
        }
        self.now = end;
    }

    pub fn inside_drops(&self, reason: FrameDrop) -> u64 {
        self.control.stats().inside.dropped(reason)
    }

    pub fn outside_drops(&self, reason: FrameDrop) -> u64 {
        self.control.stats().outside.dropped(reason)
    }

    /// The frames that wait in the router, by its counters.
    pub fn waiting(&self) -> u64 {
        let nat = self.control.with_nat(|nat| nat.stats());
        self.control.stats().waiting(&nat)
    }

    /// The host sends, and the gateway gets it: the external port.
    #[track_caller]
    pub fn open_session(&mut self) -> u16 {
        self.lan.arrive(from_host(&outbound()));
        self.run();
        let sent = self.wan.take_sent();
        let [frame] = &sent[..] else {
            panic!("one frame outside, not {sent:02x?}")
        };
        check_frame(frame).1.ports.expect("UDP").0
    }

    /// What waits for the inside stack.
    pub fn stack_frames(&mut self) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| World::stack_receives(&mut self.lan_stack)).collect()
    }
}

pub fn outbound() -> Udp {
    Udp {
        src: HOST.1,
        src_port: 5000,
        dst: SERVER,
        dst_port: 53,
        payload: b"question".to_vec(),
    }
}

/// The answer to [`outbound`], to the external port that it left from.
pub fn inbound(external_port: u16) -> Udp {
    Udp {
        src: SERVER,
        src_port: 53,
        dst: ROUTER_WAN.1,
        dst_port: external_port,
        payload: b"answer".to_vec(),
    }
}

pub fn from_host(udp: &Udp) -> Vec<u8> {
    ipv4_frame(ROUTER_LAN.0, HOST.0, &udp.build())
}

pub fn from_gateway(udp: &Udp) -> Vec<u8> {
    ipv4_frame(ROUTER_WAN.0, GATEWAY.0, &udp.build())
}

/// The addresses asked for in those frames that are ARP requests to all.
pub fn asked(frames: &[Vec<u8>]) -> Vec<Ipv4Addr> {
    let requests = frames
        .iter()
        .filter(|frame| frame[..6] == frames::BROADCAST);
    let requests = requests.filter_map(|frame| as_arp(frame));
    requests
        .filter(|arp| arp.operation == etherparse::ArpOperation::REQUEST)
        .map(|arp| arp.target_ipv4_addr())
        .collect()
}

pub fn gateway_answers() -> Vec<u8> {
    arp_reply(GATEWAY, ROUTER_WAN)
}

pub fn check_all(frames: &[Vec<u8>]) -> Vec<frames::Seen> {
    frames.iter().map(|frame| check_frame(frame).1).collect()
}

pub fn check_datagrams(datagrams: &[Vec<u8>]) -> Vec<frames::Seen> {
    datagrams
        .iter()
        .map(|datagram| check_datagram(datagram))
        .collect()
}

pub fn destination_mac(frame: &[u8]) -> Mac {
    frame[..6].try_into().expect("a link header")
}
