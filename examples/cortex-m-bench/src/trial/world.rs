//! An engine in one of its modes, with its tables empty, half full or full.

use core::net::SocketAddrV4;

use nat_core::{
    Cidr, Config, Filtering, Fragments, Instant, Mapping, Nat, OneToOne, PortForward, PortRange,
    Protocol as ForwardProtocol, Quarantine, Seed, Side, Tables, Untranslated, Verdict,
};

use super::recipe::{Recipe, Sessions, host};
use crate::counter::Counter;
use crate::packets::{EXTERNAL, Ends, Frame, HEADER_LEN, MAX_LEN, Protocol, ROUTER, Step, write};

const SESSIONS: usize = 640;

pub type EngineTables = Tables<SESSIONS, SESSIONS>;

/// The memory of an engine and of its packets, used by one world after the other.
pub struct Memory {
    pub tables: &'static mut EngineTables,
    pub fragments: &'static mut Fragments<16, 4>,
    pub quarantine: &'static mut Quarantine<64>,
    pub frame: &'static mut Frame,
    pub released: &'static mut [u8; MAX_LEN],
}

/// How an engine is configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// The default: endpoint-independent mapping, and the strictest filter.
    Default,
    /// The filter admits all ports of an address that the host has sent to.
    AddressDependent,
    /// The filter admits anyone.
    Open,
    /// Sessions to different destinations share external ports.
    Overlapping,
    /// Every list of rules is full: port forwards, one-to-one translation, addresses, untranslated
    /// networks; a DMZ host, pings, lower MTUs.
    Rules,
    /// Each host has a block of external ports.
    Blocks,
}

impl Mode {
    pub const ALL: [Self; 6] = [
        Self::Default,
        Self::AddressDependent,
        Self::Open,
        Self::Overlapping,
        Self::Rules,
        Self::Blocks,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AddressDependent => "address",
            Self::Open => "open",
            Self::Overlapping => "overlapping",
            Self::Rules => "rules",
            Self::Blocks => "blocks",
        }
    }

    /// The configuration of an engine in this mode.
    pub fn config(self) -> Config {
        let mut config = Config::new(Cidr::new(ROUTER, 24).expect("a prefix length"));
        config
            .external_addresses
            .push(EXTERNAL)
            .expect("room for one");
        match self {
            Self::Default => {}
            Self::AddressDependent => config.filtering = Filtering::AddressDependent,
            Self::Open => config.filtering = Filtering::EndpointIndependent,
            Self::Overlapping => config.mapping = Mapping::AddressAndPortDependent,
            Self::Rules => all_rules(&mut config),
            Self::Blocks => config.port_blocks = Some(256),
        }
        config
    }
}

fn all_rules(config: &mut Config) {
    for number in 1..8 {
        let address = (EXTERNAL.to_bits() + number).into();
        config
            .external_addresses
            .push(address)
            .expect("room for eight");
        if number > 3 {
            let rule = OneToOne {
                external: address,
                inside: (ROUTER.to_bits() + 50 + number).into(),
            };
            config.one_to_one.push(rule).expect("room for eight");
        }
        let network = Cidr::new([172, 16, number as u8, 0].into(), 24).expect("a prefix length");
        config
            .untranslated
            .push(Untranslated {
                network,
                ports: PortRange::new(80, 90),
            })
            .expect("room for eight");
    }
    config.dmz_host = Some(host(0));
    config.dhcp_client = true;
    config.outside_ping = true;
    config.mss_clamp = true;
    (config.inside_mtu, config.outside_mtu) = (1280, 576);
}

/// How full the tables are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    Empty,
    Half,
    Full,
}

impl Load {
    pub const ALL: [Self; 3] = [Self::Empty, Self::Half, Self::Full];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Half => "half",
            Self::Full => "full",
        }
    }

    const fn sessions(self) -> usize {
        match self {
            Self::Empty => 1,
            Self::Half => SESSIONS / 2,
            Self::Full => SESSIONS,
        }
    }
}

/// What one packet has cost.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// Of `Nat::process`.
    pub process: u32,
    /// Of the calls of `Nat::release` after it.
    pub release: u32,
}

pub struct World<'m> {
    pub nat: Nat<'m>,
    frame: &'m mut [u8],
    released: &'m mut [u8; MAX_LEN],
    pub millis: u64,
    ports: Ports,
}

/// The external ports of the sessions that were opened.
struct Ports {
    of: [u16; SESSIONS],
    count: usize,
}

/// The inside endpoint of a session by its number.
pub fn inside_of(number: usize) -> ([u8; 4], u16) {
    (host(number).octets(), 20_000 + (number / 8) as u16)
}

impl Sessions for Ports {
    fn count(&self) -> usize {
        self.count.max(1)
    }

    fn inside(&self, number: usize) -> ([u8; 4], u16) {
        inside_of(number)
    }

    fn external_port(&self, number: usize) -> u16 {
        self.of[number]
    }
}

impl<'m> World<'m> {
    /// A world that is the same each time.
    pub fn new(memory: &'m mut Memory, mode: Mode, load: Load) -> Self {
        let Memory {
            tables,
            fragments,
            quarantine,
            frame,
            released,
        } = memory;
        let nat =
            Nat::new(tables, mode.config(), Seed::new([7; 16])).expect("a sound configuration");
        let mut world = Self {
            nat: nat.with_fragments(fragments).with_quarantine(quarantine),
            // An even address: one more is an odd one.
            frame: &mut frame.0[HEADER_LEN..],
            released,
            millis: 1_000_000,
            ports: Ports {
                of: [0; SESSIONS],
                count: 0,
            },
        };
        if mode == Mode::Rules {
            world.forward();
        }
        world.open(load.sessions());
        world
    }

    fn forward(&mut self) {
        for number in 0..32 {
            let inside = SocketAddrV4::new((ROUTER.to_bits() + 20 + u32::from(number)).into(), 80);
            let forward = PortForward::new(ForwardProtocol::Tcp, 8080 + 2 * number, inside);
            self.nat.add_port_forward(forward).expect("room for 32");
        }
    }

    /// Opens sessions until there are so many, or until one is refused.
    fn open(&mut self, sessions: usize) {
        for session in 0..sessions {
            self.millis += 1;
            let now = Instant::from_millis(self.millis);
            let protocol = [Protocol::Udp, Protocol::Tcp][session % 2];
            let len = write(
                self.frame,
                protocol,
                Step::Syn,
                &Ends::outbound(session),
                46,
            );
            let verdict = self.nat.process(&mut self.frame[..len], Side::Inside, now);
            if !matches!(verdict, Verdict::Forward { .. }) {
                break;
            }
            let port = u16::from_be_bytes([self.frame[20], self.frame[21]]);
            self.ports.of[session] = port;
            self.ports.count = session + 1;
            let len = write(self.frame, protocol, Step::SynAck, &Ends::inbound(port), 46);
            let _ = self.nat.process(&mut self.frame[..len], Side::Outside, now);
            let len = write(
                self.frame,
                protocol,
                Step::Data,
                &Ends::outbound(session),
                46,
            );
            let _ = self.nat.process(&mut self.frame[..len], Side::Inside, now);
        }
    }

    /// Processes the packet of a recipe, after the timers that are due.
    pub fn process(&mut self, recipe: &Recipe, from: Side, counter: &Counter) -> (Verdict, Cost) {
        let made = recipe.write(&mut self.frame[..MAX_LEN - 1 + 1], from, &self.ports);
        self.millis += made.pause;
        let now = Instant::from_millis(self.millis);
        // As the caller must.
        self.nat.handle_timeout(now);
        let (verdict, process) = if made.odd && made.len < MAX_LEN {
            self.frame.copy_within(..made.len, 1);
            let packet = &mut self.frame[1..=made.len];
            counter.measure(|| self.nat.process(packet, from, now))
        } else {
            let packet = &mut self.frame[..made.len];
            counter.measure(|| self.nat.process(packet, from, now))
        };
        let mut cost = Cost {
            process,
            release: 0,
        };
        if !matches!(verdict, Verdict::Drop(_)) {
            loop {
                let (more, release) = counter.measure(|| self.nat.release(self.released, now));
                cost.release += release;
                if more.is_none() {
                    break;
                }
            }
        }
        (verdict, cost)
    }
}
