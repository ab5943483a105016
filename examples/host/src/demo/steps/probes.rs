//! A thousand unsolicited packets from outside: none arrives, and nobody is answered.

use core::net::Ipv4Addr;

use embassy_time::{Duration, Timer};
use etherparse::PacketBuilder;
use nat_core::SessionProtocol;

use crate::demo::addresses::{Machine, ROUTER, ROUTER_WAN_MAC, STRANGER, WEB};
use crate::demo::step::{Failure, Outcome};
use crate::demo::world::World;

const COUNT: usize = 1000;

/// Frames sent at a stretch, before the router gets its turn.
const BURST: usize = 64;

/// The source port of the probes: no session has it as its remote port.
const SOURCE_PORT: u16 = 6666;

/// A number with no factor in common with the number of ports, so that multiples of it are spread
/// over all of them.
const STRIDE: usize = 12_347;

/// How long the router is left to work before it is looked at again.
const MOMENT: Duration = Duration::from_micros(200);

/// How long nothing must pass before what was under way is taken to be over.
const SILENCE: Duration = Duration::from_millis(50);

/// What the step watches.
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

/// Sends the probes: from a stranger, and from a known server's wrong port; to ports all over the
/// range, and first of all to those that sessions have.
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
    judge(Seen::now(world).since(before), live)
}

fn judge(seen: Seen, live: usize) -> Outcome {
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

/// Where the probes go, and how many of them go to an external port that is in use.
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
    let all_over = (0..)
        .zip(protocols.into_iter().cycle())
        .map(|(n, protocol)| (protocol, port(n)));
    (
        live.into_iter().chain(all_over).take(COUNT).collect(),
        in_use,
    )
}

/// The `n`th port of a walk over all ports but 0.
fn port(n: usize) -> u16 {
    (n * STRIDE % 65535 + 1) as u16
}

/// Who sends the `n`th probe.
fn prober(n: usize, protocol: SessionProtocol) -> Machine {
    match protocol {
        // A query has no port that could be the wrong one, so from a known server it might be
        // expected.
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

/// Waits until the router has read what waits for it.
async fn taken(world: &World) {
    while world.wan.backlog(ROUTER_WAN_MAC) > 0 {
        Timer::after(MOMENT).await;
    }
}

/// Waits until the router has sent nothing for a while, neither way.
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
    fn the_walk_over_the_ports_meets_none_twice() {
        let mut ports: Vec<_> = (0..65535).map(port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!((ports.len(), ports[0]), (65535, 1));
    }
}
