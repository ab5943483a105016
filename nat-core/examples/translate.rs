//! A host asks a server a question by UDP, and gets the answer. Prints each packet before and after
//! the NAT: `cargo run --example translate`.

use core::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{PacketBuilder, SlicedPacket};
use nat_core::{Cidr, Config, Instant, Nat, Seed, Side, Tables, Verdict};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 10), 5000);
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 5), 53);
const EXTERNAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);

fn main() {
    // In firmware: a `static` from `static_cell::ConstStaticCell`, and random bytes for the seed.
    let mut tables = Tables::<128, 256>::new();
    let inside = Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24).expect("a prefix of 24 bits");
    let mut config = Config::new(inside);
    config
        .external_addresses
        .push(EXTERNAL)
        .expect("room for one address");
    let mut nat = Nat::new(&mut tables, config, Seed::new([7; 16])).expect("a sound configuration");

    let mut question = udp(HOST, SERVER, b"question");
    let (source, _) = pass(&mut nat, Side::Inside, &mut question);

    // The server answers to the endpoint that it saw.
    let mut answer = udp(SERVER, source, b"answer");
    let (_, destination) = pass(&mut nat, Side::Outside, &mut answer);
    assert_eq!(destination, HOST);

    // Nobody inside has sent anything to this one.
    let stranger = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 66), 53);
    pass(
        &mut nat,
        Side::Outside,
        &mut udp(stranger, source, b"hello"),
    );

    for session in nat.sessions() {
        println!(
            "session: {} as {} with {}, {:?}",
            session.inside, session.external, session.remote, session.state
        );
    }
}

/// Gives a packet to the NAT and prints what becomes of it. Returns its endpoints afterwards.
fn pass(nat: &mut Nat<'_>, from: Side, packet: &mut [u8]) -> (SocketAddrV4, SocketAddrV4) {
    let (source, destination) = endpoints(packet);
    print!("{from:>7}: {source} -> {destination}   ");
    let verdict = nat.process(packet, from, Instant::from_millis(0));
    let (source, destination) = endpoints(packet);
    match verdict {
        Verdict::Forward { to, .. } => println!("leaves {to}: {source} -> {destination}"),
        Verdict::Drop(reason) => println!("dropped: {reason}"),
        other => println!("{other:?}"),
    }
    (source, destination)
}

fn udp(source: SocketAddrV4, destination: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(source.ip().octets(), destination.ip().octets(), 64)
        .udp(source.port(), destination.port());
    let mut packet = Vec::new();
    builder.write(&mut packet, payload).expect("a short packet");
    packet
}

/// The source and the destination of a UDP packet.
fn endpoints(packet: &[u8]) -> (SocketAddrV4, SocketAddrV4) {
    let sliced = SlicedPacket::from_ip(packet).expect("a packet of ours");
    let (Some(etherparse::NetSlice::Ipv4(ip)), Some(etherparse::TransportSlice::Udp(udp))) =
        (&sliced.net, &sliced.transport)
    else {
        panic!("UDP")
    };
    let ip = ip.header();
    (
        SocketAddrV4::new(ip.source_addr(), udp.source_port()),
        SocketAddrV4::new(ip.destination_addr(), udp.destination_port()),
    )
}
