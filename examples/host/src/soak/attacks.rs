//! What attackers on either side send.

use core::net::{Ipv4Addr, SocketAddrV4};

use anyhow::Result;
use nat_core::Side;

use super::engine::Engine;
use super::packet::{self, Segment, any_remote, any_side};
use super::victim::Victim;

/// A host inside sends with false sources: addresses of other hosts, and random ones.
pub(super) fn spoof_source(engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
    let random = engine.random();
    let addresses = [
        Ipv4Addr::new(192, 168, 77, random.u8(132..=255)),
        Ipv4Addr::from_bits(random.u32(..)),
    ];
    let source = SocketAddrV4::new(addresses[random.usize(..2)], random.u16(..));
    let remote = any_remote(random);
    packet::udp(bytes, source, remote, b"who am I")?;
    engine.process_any(bytes, Side::Inside)
}

/// An off-path attacker tries to end a victim's connection.
pub(super) fn forge_reset(
    engine: &mut Engine,
    victims: &[Victim],
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let Some((external, remote)) = any_victim(engine, victims) else {
        return Ok(());
    };
    let random = engine.random();
    let external = if random.bool() {
        external
    } else {
        SocketAddrV4::new(*external.ip(), random.u16(..))
    };
    let (rst, fin, syn) = (random.bool(), random.u8(..4) == 0, random.u8(..4) == 0);
    let acknowledgment = random.bool().then(|| random.u32(..));
    let segment = Segment {
        syn,
        fin,
        rst,
        sequence: random.u32(..),
        acknowledgment,
    };
    packet::tcp(bytes, remote, external, segment, &[])?;
    engine.process_any(bytes, Side::Outside)
}

/// A forged ICMP error says that a victim's packets do not arrive.
pub(super) fn forge_error(
    engine: &mut Engine,
    victims: &[Victim],
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let Some((external, remote)) = any_victim(engine, victims) else {
        return Ok(());
    };
    let mut quoted = Vec::with_capacity(64);
    packet::udp(&mut quoted, external, remote, b"quoted")?;
    let router = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 254), 0);
    packet::unreachable(bytes, router, external, &quoted)?;
    engine.process_any(bytes, Side::Outside)
}

/// The external and the remote endpoint of some victim, if it has sent already.
fn any_victim(engine: &mut Engine, victims: &[Victim]) -> Option<(SocketAddrV4, SocketAddrV4)> {
    victims[engine.random().usize(..victims.len())].ends()
}

/// A port scan from outside.
pub(super) fn scan(engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
    let external = engine.external();
    let random = engine.random();
    let target = SocketAddrV4::new(external, random.u16(..));
    let source = any_remote(random);
    let sequence = random.u32(..);
    if random.bool() {
        packet::tcp(bytes, source, target, Segment::syn(sequence), &[])?;
    } else {
        packet::udp(bytes, source, target, b"anybody there")?;
    }
    engine.process_any(bytes, Side::Outside)
}

/// Random bytes, half of them with the first byte of an IPv4 header.
pub(super) fn random_bytes(engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
    let random = engine.random();
    bytes.clear();
    bytes.resize(random.usize(..120), 0);
    random.fill(bytes);
    if let Some(first) = bytes.first_mut().filter(|_| random.bool()) {
        *first = 0x45;
    }
    let from = any_side(random);
    engine.process_any(bytes, from)?;
    engine.release()
}
