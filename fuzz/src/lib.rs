//! A NAT driven by bytes, with everything that it promises asserted on the way.
//!
//! - It never panics.
//! - A forwarded datagram is whole, no longer than what came in, carries an external source or an inside destination, and
//!   has a valid header checksum; its transport checksum is valid if it was before.
//! - A packet that is dropped or rejected is unchanged, and so are the tables.
//! - An answer is a valid datagram of 576 bytes at most, to the sender; toward the outside only about a packet that had a
//!   session.
//! - At the end each packet is counted once, no two inside endpoints share an external one, and time empties the tables.
#![forbid(unsafe_code)]

mod oracle;
mod packet;
mod script;

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{
    Cidr, Config, Filtering, Fragments, Instant, MAX_HELD_LEN, Nat, Pieces, PortForward, Protocol, Seed, Side, Tables,
    Timeouts, Verdict,
};

use crate::script::{Entry, Kind, Script};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
const EXTERNAL: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)];

/// Runs the script in `data`, which the [`script`] module describes, and returns what became of each packet.
pub fn run(data: &[u8]) -> Vec<Verdict> {
    let Some((&options, data)) = data.split_first() else {
        return Vec::new();
    };
    let mut tables = Tables::<16, 32, 4>::new();
    let mut fragments = Fragments::<4, 3>::new();
    let nat = Nat::new(&mut tables, config(options), Seed::new(*b"the fuzzer's key")).unwrap();
    let mut world = World::new(nat.with_fragments(&mut fragments));
    let verdicts: Vec<_> = Script::new(data).filter_map(|entry| world.step(&entry)).collect();
    oracle::check_end(&mut world.nat, verdicts.len(), world.now);
    verdicts
}

fn config(options: u8) -> Config {
    let bit = |n: u8| options & (1 << n) != 0;
    let mut config = Config::new(Cidr::new(ROUTER, 24).unwrap());
    config.external_addresses.extend(EXTERNAL.into_iter().take(1 + usize::from(bit(0))));
    config.filtering = match (bit(1), bit(2)) {
        (false, _) => Filtering::AddressAndPortDependent,
        (true, false) => Filtering::AddressDependent,
        (true, true) => Filtering::EndpointIndependent,
    };
    config.timeouts = if bit(3) { Timeouts::GATEWAY } else { Timeouts::RFC };
    config.dhcp_client = bit(4);
    config.mss_clamp = bit(5);
    config.inside_mtu = if bit(6) { 576 } else { 1500 };
    config.outside_mtu = if bit(7) { 576 } else { 1500 };
    config
}

struct World<'t> {
    nat: Nat<'t>,
    now: Instant,
    /// What was forwarded last, and where to: an answer to it comes from there.
    last: Option<(Vec<u8>, Side)>,
}

impl<'t> World<'t> {
    fn new(mut nat: Nat<'t>) -> Self {
        let forward = |protocol, port| PortForward::new(protocol, port, SocketAddrV4::new(SERVER, 80));
        nat.add_forward(forward(Protocol::Tcp, 8080)).unwrap();
        nat.add_forward(forward(Protocol::Udp, 8080)).unwrap();
        Self { nat, now: Instant::from_secs(1), last: None }
    }

    /// Carries out one entry; `None` when it is an answer and there is nothing to answer yet.
    fn step(&mut self, entry: &Entry<'_>) -> Option<Verdict> {
        let (mut bytes, from) = self.packet_of(entry)?;
        if entry.repair {
            packet::repair(&mut bytes);
        }
        self.now = entry.time_after(self.now);
        if entry.fires_timers {
            self.nat.handle_timeout(self.now);
        }
        Some(self.judge(entry, &mut bytes, from))
    }

    fn packet_of(&self, entry: &Entry<'_>) -> Option<(Vec<u8>, Side)> {
        let last = self.last.as_ref();
        match entry.kind {
            Kind::Answer => last.map(|(packet, to)| (packet::answer(packet, entry.payload), *to)),
            Kind::Error => last.map(|(packet, to)| (packet::error(packet, entry.payload), *to)),
            Kind::From(side) => Some((entry.payload.to_vec(), side)),
            Kind::Local => Some((entry.payload.to_vec(), Side::Inside)),
        }
    }

    fn judge(&mut self, entry: &Entry<'_>, bytes: &mut Vec<u8>, from: Side) -> Verdict {
        let before = oracle::Before::of(&self.nat, bytes, from, entry);
        let verdict = match entry.kind {
            Kind::Local => self.nat.process_local(bytes, self.now),
            Kind::Answer | Kind::Error | Kind::From(_) => self.nat.process(bytes, from, self.now),
        };
        before.check(&self.nat, bytes, &verdict);
        check_pieces(bytes, &verdict);
        let mut waiting = [0; MAX_HELD_LEN];
        while let Some(verdict) = self.nat.release(&mut waiting, self.now) {
            oracle::check_released(&waiting, &verdict);
            check_pieces(&waiting, &verdict);
        }
        if let Verdict::Forward { to, len } | Verdict::Fragment { to, len, .. } = verdict {
            bytes.truncate(len);
            self.last = Some((core::mem::take(bytes), to));
        }
        verdict
    }
}

/// A datagram that is cut comes out whole, in pieces of the right size.
fn check_pieces(packet: &[u8], verdict: &Verdict) {
    let Verdict::Fragment { len, mtu, .. } = *verdict else { return };
    let mut pieces = Pieces::new(&packet[..len], mtu);
    let (mut piece, mut payload) = ([0; 1500], 0);
    while let Some(len) = pieces.emit(&mut piece) {
        assert!(len <= usize::from(mtu), "a fragment of {len} bytes for an MTU of {mtu}");
        let (header, total) = packet::lengths(&piece).expect("a fragment is a datagram");
        assert!(total == len && packet::header_is_valid(&piece));
        payload += total - header;
    }
    let (header, total) = packet::lengths(packet).expect("a forwarded packet is a datagram");
    assert_eq!(payload, total - header, "fragments carry what the datagram does");
}

/// Longer than any timeout.
const FOREVER: Duration = Duration::from_secs(30 * 24 * 3600);
