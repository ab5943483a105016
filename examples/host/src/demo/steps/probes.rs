//! A thousand unsolicited packets from outside: none is forwarded, and none is answered.

use core::net::Ipv4Addr;

use embassy_time::{Duration, Timer};
use etherparse::PacketBuilder;
use nat_core::SessionProtocol;

use crate::demo::addresses::{Machine, ROUTER, ROUTER_WAN_MAC, STRANGER, WEB};
use crate::demo::step::{Failure, Outcome};
use crate::demo::world::World;

const COUNT: usize = 1000;

/// Frames sent before the router runs.
const BURST: usize = 64;

/// The source port of the probes: no session has it as its remote port.
const SOURCE_PORT: u16 = 6666;

/// Coprime to the number of ports, so that its multiples reach all of them.
const STRIDE: usize = 12_347;

/// How long the router runs between two polls.
const MOMENT: Duration = Duration::from_micros(200);

/// Traffic is over after this time without a frame.
const SILENCE: Duration = Duration::from_millis(50);

/// The counters that the step compares.
#[derive(Clone, Copy)]
struct Seen {
    dropped: u64,
    to_lan: u64,
    to_wan: u64,
}

impl Seen {
    fn now(world: &World) -> Self {
        Self {
            dropped: world.router.stats().dropped_total(),
            to_lan: world.lan.tap().frames_from(ROUTER.mac),
            to_wan: world.wan.tap().frames_from(ROUTER_WAN_MAC),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            dropped: self.dropped - before.dropped,
            to_lan: self.to_lan - before.to_lan,
            to_wan: self.to_wan - before.to_wan,
        }
    }
}

/// Sends the probes: from an unknown address, and from the wrong port of a known server; first to
/// the ports of live sessions, then to ports over the whole range.
pub(super) async fn send(world: &World) -> Outcome {
    silence(world).await;
    let before = Seen::now(world);
    let (targets, live) = targets(world);
    for (n, (protocol, port)) in targets.into_iter().enumerate() {
        world.wan.inject(&probe(
            prober(n, protocol),
            world.router.external(),
            protocol,
            port,
        ));
        if n % BURST == BURST - 1 {
            taken(world).await;
        }
    }
    taken(world).await;
    silence(world).await;
    check(Seen::now(world).since(before), live)
}

fn check(seen: Seen, live: usize) -> Outcome {
    let Seen {
        dropped,
        to_lan,
        to_wan,
    } = seen;
    let seen = format!("{dropped} dropped, {to_lan} passed to the LAN, {to_wan} answered");
    let expected = format!("{COUNT} dropped, 0 passed to the LAN, 0 answered");
    if seen == expected {
        Ok(format!("{seen} ({live} hit ports in use)"))
    } else {
        Err(Failure::new(expected, seen))
    }
}

/// The targets of the probes, and how many of them are external ports in use.
fn targets(world: &World) -> (Vec<(SessionProtocol, u16)>, usize) {
    let sessions = world.router.sessions();
    let mut live: Vec<_> = sessions
        .iter()
        .map(|session| (session.protocol, session.external.port()))
        .collect();
    live.truncate(COUNT / 2);
    let in_use = live.len();
    let protocols = [
        SessionProtocol::Udp,
        SessionProtocol::Tcp,
        SessionProtocol::Icmp,
    ];
    let whole_range = (0..)
        .zip(protocols.into_iter().cycle())
        .map(|(n, protocol)| (protocol, port(n)));
    (
        live.into_iter().chain(whole_range).take(COUNT).collect(),
        in_use,
    )
}

/// The `n`th port of a sequence that contains each port but 0 once.
fn port(n: usize) -> u16 {
    (n * STRIDE % 65535 + 1) as u16
}

/// The sender of the `n`th probe.
fn prober(n: usize, protocol: SessionProtocol) -> Machine {
    match protocol {
        // A query has no remote port that could be wrong, so a probe from a known server could
        // match a session.
        SessionProtocol::Icmp => STRANGER,
        SessionProtocol::Tcp | SessionProtocol::Udp => [STRANGER, WEB][n % 2],
    }
}

/// A frame to the router that carries a UDP datagram, a TCP SYN or an ICMP echo request.
fn probe(from: Machine, to: Ipv4Addr, protocol: SessionProtocol, port: u16) -> Vec<u8> {
    let ip = PacketBuilder::ethernet2(from.mac, ROUTER_WAN_MAC).ipv4(
        from.address.octets(),
        to.octets(),
        64,
    );
    let mut frame = Vec::new();
    let written = match protocol {
        SessionProtocol::Udp => ip.udp(SOURCE_PORT, port).write(&mut frame, b"probe"),
        SessionProtocol::Tcp => ip
            .tcp(SOURCE_PORT, port, 1, 65535)
            .syn()
            .write(&mut frame, &[]),
        SessionProtocol::Icmp => ip.icmpv4_echo_request(port, 1).write(&mut frame, b"probe"),
    };
    written.expect("a vector takes any frame");
    frame
}

/// Waits until the router has read all frames sent to it.
async fn taken(world: &World) {
    while world.wan.backlog(ROUTER_WAN_MAC) > 0 {
        Timer::after(MOMENT).await;
    }
}

/// Waits until the router has sent nothing to either side for a while.
async fn silence(world: &World) {
    let sent = || {
        (
            world.lan.tap().frames_from(ROUTER.mac),
            world.wan.tap().frames_from(ROUTER_WAN_MAC),
        )
    };
    loop {
        let before = sent();
        Timer::after(SILENCE).await;
        if sent() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_ports_contains_each_once() {
        let mut ports: Vec<_> = (0..65535).map(port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!((ports.len(), ports[0]), (65535, 1));
    }
}
