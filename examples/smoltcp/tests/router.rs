//! The router on two wires, with datagrams that the test writes.

use nat_core::{Cidr, Config, Fragments, Nat, Seed, Tables};
use nat_smoltcp::{End, Router, wire};
use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};

const HOST: [u8; 4] = [192, 168, 77, 10];
const EXTERNAL: [u8; 4] = [198, 51, 100, 77];
const SERVER: [u8; 4] = [203, 0, 113, 5];

/// UDP without a checksum, from port 5000 to port 53, or a part of it as a fragment.
fn udp(
    source: [u8; 4],
    destination: [u8; 4],
    (flags, offset, ttl): (u8, u8, u8),
    len: usize,
) -> Vec<u8> {
    let [high, low] = (len as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 9, flags, offset, ttl, 17, 0, 0];
    packet.extend(source.into_iter().chain(destination));
    let sum: u32 = packet
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    let payload = len - 20;
    // A first fragment has the length of the whole datagram.
    let [high, low] = if flags == 0x20 {
        [0x0b, 0x90]
    } else {
        (payload as u16).to_be_bytes()
    };
    packet.extend(
        [0x13, 0x88, 0, 53, high, low, 0, 0]
            .into_iter()
            .chain(core::iter::repeat(7))
            .take(payload),
    );
    packet
}

fn send(end: &mut End, packet: &[u8]) {
    let token = end.transmit(Instant::ZERO).expect("room on the wire");
    token.consume(packet.len(), |buffer| buffer.copy_from_slice(packet));
}

fn received(end: &mut End) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| Some(end.receive(Instant::ZERO)?.0.consume(<[u8]>::to_vec))).collect()
}

/// A router with an MTU outside of `mtu`, and the far ends of its wires.
fn router(mtu: u16) -> (Router<'static, End, End>, End, End) {
    let ((host, lan), (wan, server)) = (wire(), wire());
    let inside: Cidr = "192.168.77.1/24".parse().expect("an address and a prefix");
    let mut config = Config::new(inside);
    config
        .external_addresses
        .push(EXTERNAL.into())
        .expect("room for one address");
    config.outside_mtu = mtu;
    let tables = Box::leak(Box::new(Tables::<16, 32, 4>::new()));
    let nat = Nat::new(tables, config, Seed::new([7; 16])).expect("a sound configuration");
    let nat = nat.with_fragments(Box::leak(Box::new(Fragments::<8, 4>::new())));
    (Router::new(nat, lan, wan), host, server)
}

#[test]
fn a_datagram_leaves_translated_and_its_session_ends_in_time() {
    let (mut router, mut host, mut server) = router(1500);
    send(&mut host, &udp(HOST, SERVER, (0, 0, 64), 60));
    let due = router.poll(Instant::ZERO).expect("a session that ends");
    let sent = received(&mut server);
    assert_eq!(
        (sent.len(), &sent[0][12..20]),
        (1, &[EXTERNAL, SERVER].concat()[..])
    );
    assert_eq!(router.nat().sessions().count(), 1);
    let due = Instant::from_millis(i64::try_from(due.as_millis()).expect("a time soon"));
    router.poll(due + Duration::from_millis(1));
    assert_eq!(router.nat().sessions().count(), 0);
}

#[test]
fn fragments_in_the_wrong_order_leave_in_smaller_ones() {
    let (mut router, mut host, mut server) = router(600);
    send(&mut host, &udp(HOST, SERVER, (0x00, 185, 64), 1500));
    send(&mut host, &udp(HOST, SERVER, (0x20, 0, 64), 1500));
    router.poll(Instant::ZERO);
    let sent = received(&mut server);
    assert_eq!(sent.len(), 6);
    assert!(
        sent.iter()
            .all(|fragment| fragment.len() <= 600 && fragment[12..16] == EXTERNAL)
    );
    assert_eq!(
        sent.iter()
            .map(|fragment| fragment.len() - 20)
            .sum::<usize>(),
        2960
    );
}

#[test]
fn an_answer_of_the_router_goes_back_where_the_packet_came_from() {
    let (mut router, mut host, mut server) = router(1500);
    send(&mut host, &udp(HOST, SERVER, (0, 0, 1), 60));
    router.poll(Instant::ZERO);
    let sent = received(&mut host);
    // ICMP Time Exceeded, from the router to the host.
    assert_eq!((sent.len(), sent[0][9], sent[0][20]), (1, 1, 11));
    assert_eq!(sent[0][12..20], [[192, 168, 77, 1], HOST].concat());
    assert_eq!(received(&mut server).len(), 0);
}

#[test]
fn what_nobody_asked_for_is_dropped() {
    let (mut router, mut host, mut server) = router(1500);
    send(&mut server, &udp(SERVER, EXTERNAL, (0, 0, 64), 60));
    router.poll(Instant::ZERO);
    assert_eq!(
        (received(&mut host).len(), received(&mut server).len()),
        (0, 0)
    );
    assert_eq!(router.nat().stats().dropped_total(), 1);
}
