//! A port forward to a web server inside, and a log of the mappings (RFC 6888 section 4): `cargo run
//! --example port_forward`.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use etherparse::PacketBuilder;
use nat_core::{
    Cidr, Config, Event, EventHook, Instant, Nat, PortForward, Protocol, Seed, Side, Tables,
    Verdict,
};

const WEB_SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 20), 80);
const EXTERNAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 77), 8080);
const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 5), 40000);

/// Prints the events. In firmware, a hook passes them to a queue, and a task writes them.
struct Log;

impl EventHook for Log {
    fn on_event(&mut self, event: &Event) {
        let at = event.at().as_millis();
        match event {
            Event::MappingCreated(mapping) => {
                println!("log: {at} ms: {} has {}", mapping.inside, mapping.external);
            }
            Event::MappingDeleted(mapping) => {
                println!("log: {at} ms: {} is free again", mapping.external);
            }
            other => println!("log: {at} ms: {other:?}"),
        }
    }
}

fn main() {
    // Both outlive the NAT, which borrows them.
    let (mut tables, mut log) = (Tables::<128, 256>::new(), Log);
    let inside = Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24).expect("a prefix of 24 bits");
    let mut config = Config::new(inside);
    config
        .external_addresses
        .push(*EXTERNAL.ip())
        .expect("room for one address");
    let mut nat = Nat::new(&mut tables, config, Seed::new([7; 16])).expect("a sound configuration");
    nat.set_event_hook(&mut log);
    nat.add_port_forward(PortForward::new(Protocol::Tcp, EXTERNAL.port(), WEB_SERVER))
        .expect("a port forward to a host of the inside network");

    let now = Instant::from_secs(1);
    let mut syn = tcp(CLIENT, EXTERNAL, |tcp| tcp.syn());
    report(
        "SYN of the client",
        nat.process(&mut syn, Side::Outside, now),
    );
    // The session begins when the server answers.
    let mut syn_ack = tcp(WEB_SERVER, CLIENT, |tcp| tcp.syn().ack(2));
    report(
        "SYN-ACK of the server",
        nat.process(&mut syn_ack, Side::Inside, now),
    );
    let mut ack = tcp(CLIENT, EXTERNAL, |tcp| tcp.ack(2));
    report(
        "ACK of the client",
        nat.process(&mut ack, Side::Outside, now),
    );

    // No port forward has this port.
    let other = SocketAddrV4::new(*EXTERNAL.ip(), 22);
    let mut probe = tcp(CLIENT, other, |tcp| tcp.syn());
    report(
        "SYN to port 22",
        nat.process(&mut probe, Side::Outside, now),
    );

    // Two hours and five minutes of silence. A loop calls this when `poll_timeout` is due.
    nat.handle_timeout(now.saturating_add(Duration::from_secs(7500)));
    println!("sessions left: {}", nat.sessions().count());
}

fn report(what: &str, verdict: Verdict) {
    match verdict {
        Verdict::Forward { to, .. } => println!("{what}: leaves {to}"),
        Verdict::Drop(reason) => println!("{what}: dropped: {reason}"),
        other => println!("{what}: {other:?}"),
    }
}

type Tcp = etherparse::PacketBuilderStep<etherparse::TcpHeader>;

/// A TCP segment without data, with sequence number 1.
fn tcp(source: SocketAddrV4, destination: SocketAddrV4, flags: impl FnOnce(Tcp) -> Tcp) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(source.ip().octets(), destination.ip().octets(), 64);
    let builder = flags(builder.tcp(source.port(), destination.port(), 1, 65535));
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).expect("a short packet");
    packet
}
