//! Scripts of packets against one NAT, with everything that it promises of a packet asserted on the
//! way.
//!
//! - It never panics.
//! - A forwarded datagram is whole, no longer than what came in, carries an external source or an
//!   inside destination, and has a valid header checksum; its transport checksum is valid if it was
//!   before. No other byte of it has changed. An ICMP error that leaves quotes no inside address.
//! - A packet that is dropped or rejected is unchanged, and so are the tables.
//! - An answer is a valid datagram of 576 bytes at most, to the sender; toward the outside only
//!   about a packet that had a session.
//! - At the end each packet is counted once, no two inside endpoints share an external one, and
//!   time empties the tables.

mod oracle;

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{
    Cidr, Config, Filtering, Fragmenter, Fragments, Instant, MAX_HELD_LEN, Nat, PortForward,
    Protocol, Seed, Side, Tables, Timeouts, Verdict,
};

use crate::script::{Entry, Kind, Last, Script};
use crate::{bytes, word};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
const EXTERNAL: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)];

/// Runs the script in `data`, which the [`script`] module describes, and returns what became of
/// each packet.
pub fn run(data: &[u8]) -> Vec<String> {
    let Some((&options, data)) = data.split_first() else {
        return Vec::new();
    };
    let (mut tables, mut fragments) = (Tables::new(), Fragments::new());
    let mut world = World {
        nat: nat(&mut tables, &mut fragments, options),
        now: Instant::from_secs(1),
        last: None,
    };
    let verdicts: Vec<_> = Script::new(data)
        .filter_map(|entry| world.step(&entry))
        .map(|verdict| word(&verdict))
        .collect();
    oracle::check_end(&mut world.nat, verdicts.len(), world.now);
    verdicts
}

/// A NAT with small tables and two port forwards, configured by the first byte of an input.
pub(crate) fn nat<'t>(
    tables: &'t mut Tables<16, 32, 4>,
    fragments: &'t mut Fragments<4, 3>,
    options: u8,
) -> Nat<'t> {
    let nat = Nat::new(tables, config(options), Seed::new(*b"the fuzzer's key"))
        .expect("a sound configuration");
    let mut nat = nat.with_fragments(fragments);
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        nat.add_port_forward(PortForward::new(
            protocol,
            8080,
            SocketAddrV4::new(SERVER, 80),
        ))
        .expect("nothing is there yet");
    }
    nat
}

fn config(options: u8) -> Config {
    let bit = |n: u8| options & (1 << n) != 0;
    let mut config = Config::new(Cidr::new(ROUTER, 24).unwrap());
    config
        .external_addresses
        .extend(EXTERNAL.into_iter().take(1 + usize::from(bit(0))));
    config.filtering = match (bit(1), bit(2)) {
        (false, _) => Filtering::AddressAndPortDependent,
        (true, false) => Filtering::AddressDependent,
        (true, true) => Filtering::EndpointIndependent,
    };
    config.timeouts = if bit(3) {
        Timeouts::GATEWAY
    } else {
        Timeouts::RFC
    };
    config.dhcp_client = bit(4);
    config.mss_clamp = bit(5);
    config.inside_mtu = if bit(6) { 576 } else { 1500 };
    config.outside_mtu = if bit(7) { 576 } else { 1500 };
    config
}

struct World<'t> {
    nat: Nat<'t>,
    now: Instant,
    last: Last,
}

impl World<'_> {
    /// Carries out one entry; `None` when it is an answer and there is nothing to answer yet.
    fn step(&mut self, entry: &Entry<'_>) -> Option<Verdict> {
        let (mut bytes, from) = entry.packet(&self.last)?;
        self.now = entry.time_after(self.now);
        if entry.fires_timers {
            self.nat.handle_timeout(self.now);
            assert!(
                self.nat.poll_timeout().is_none_or(|due| due > self.now),
                "work is left that was due"
            );
        }
        Some(self.process(entry, &mut bytes, from))
    }

    fn process(&mut self, entry: &Entry<'_>, bytes: &mut Vec<u8>, from: Side) -> Verdict {
        let before = oracle::Before::of(&self.nat, bytes, from, entry);
        let verdict = match entry.kind {
            Kind::Local => self.nat.process_local(bytes, self.now),
            Kind::Answer | Kind::Error | Kind::From(_) => self.nat.process(bytes, from, self.now),
        };
        before.check(&self.nat, bytes, &verdict);
        assert_eq!(
            self.nat.audit(),
            Ok(()),
            "what is not as it should be in the tables"
        );
        check_fragments(bytes, &verdict);
        let mut waiting = [0; MAX_HELD_LEN];
        while let Some(verdict) = self.nat.release(&mut waiting, self.now) {
            oracle::check_released(&waiting, &verdict);
            check_fragments(&waiting, &verdict);
        }
        if let Verdict::Forward { to, len, .. } | Verdict::Fragment { to, len, .. } = verdict {
            bytes.truncate(len);
            self.last = Some((core::mem::take(bytes), to));
        }
        verdict
    }
}

/// A datagram that is cut comes out whole, in fragments of the right size.
fn check_fragments(packet: &[u8], verdict: &Verdict) {
    let Verdict::Fragment { len, mtu, .. } = *verdict else {
        return;
    };
    let mut fragmenter = Fragmenter::new(&packet[..len], mtu);
    let (mut fragment, mut payload) = ([0; 1500], 0);
    while let Some(len) = fragmenter.emit(&mut fragment) {
        assert!(
            len <= usize::from(mtu),
            "a fragment of {len} bytes for an MTU of {mtu}"
        );
        let (header, total) = bytes::lengths(&fragment).expect("a fragment is a datagram");
        assert!(total == len && bytes::header_is_valid(&fragment));
        payload += total - header;
    }
    let (header, total) = bytes::lengths(packet).expect("a forwarded packet is a datagram");
    assert_eq!(
        payload,
        total - header,
        "fragments carry what the datagram does"
    );
}

/// Longer than any timeout.
const FOREVER: Duration = Duration::from_secs(30 * 24 * 3600);
