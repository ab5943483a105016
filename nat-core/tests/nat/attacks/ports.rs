//! A4, A27, A28, A30: attempts to open ports, to keep them open, or to use ports that others leave
//! open.

use nat_core::{DropReason, PortRange, SessionState, Side};

use super::victim::{HOST, PORTS, SERVER, Victim, learns_nothing};
use crate::strength::ports;
use crate::world::*;

/// A4: a page makes the browser send what an application-level gateway would take for SIP, H.323,
/// FTP or IRC and open a port for. There is no such gateway: the bytes pass as they are, and
/// nothing opens.
#[test]
fn a4_no_payload_opens_a_port() {
    let payloads: [(u16, &[u8]); 5] = [
        (5060, b"REGISTER sip:192.168.1.11:3389;transport=TCP SIP/2.0\r\nContact: <sip:x@192.168.1.11:3389>\r\n\r\n"),
        (21, b"PORT 192,168,1,11,13,61\r\n"),
        (6667, b"PRIVMSG x :\x01DCC SEND x 3232235787 3389\x01\r\n"),
        (
            1720,
            &[0x03, 0, 0, 24, 0x08, 0x02, 0, 1, 0x05, 0x7E, 0, 13, 0x05, 192, 168, 1, 11, 0x0D, 0x3D, 0, 0, 0, 0, 0],
        ),
        (554, b"SETUP rtsp://x RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=3389-3390\r\n\r\n"),
    ];
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    for (port, payload) in payloads {
        let mut connection = w.open_tcp(at(H2, 1000 + port), at(ATTACKER, port));
        let sessions = w.sessions().len();
        // At the start of a segment, and cut anywhere in two.
        for cut in 0..payload.len() {
            for part in [&payload[..cut], &payload[cut..]] {
                let left = w
                    .outbound(connection.inside_sends(ACK | PSH).payload(part))
                    .forwarded();
                assert_eq!(left.payload(), part);
                connection.inside_next += part.len() as u32;
            }
        }
        // And in a later fragment of a datagram.
        let datagram =
            udp(at(H2, 1000 + port), at(ATTACKER, port)).payload(&[&[0; 56], payload].concat());
        let fragments = datagram.may_fragment().id(port).cut(&[64]);
        w.outbound(&fragments[0]).forwarded();
        assert_eq!(w.outbound(&fragments[1]).forwarded().body, payload);
        assert_eq!(
            w.sessions().len(),
            sessions + 1,
            "the datagram's own session"
        );
        for protocol in [tcp, |from, to, _| udp(from, to)] {
            learns_nothing(&w.inbound(protocol(at(ATTACKER, port), at(N, 3389), SYN)));
            w.inbound(protocol(at(ATTACKER, 7), at(N, 3389), SYN))
                .dropped(DropReason::NoMapping);
        }
        victim.talk(&mut w);
    }
}

/// A27: an outsider that the filter drops sends all day. The mapping ends as it would without these
/// packets. The peer alone cannot keep it alive for ever either.
#[test]
fn a27_outsiders_hold_no_mapping() {
    let mut w = World::new();
    let external = w.open_udp(HOST, at(S2, 5353));
    for _ in 0..29 {
        w.advance(secs(10));
        w.inbound(udp(at(ATTACKER, 5353), external))
            .dropped(DropReason::Filtered);
        w.inbound(udp(at(S2, 5354), external))
            .dropped(DropReason::Filtered);
    }
    assert_eq!(w.session(HOST, at(S2, 5353)).expires_in, secs(10));
    w.advance(secs(10));
    assert_eq!(w.sessions(), []);

    let external = w.open_udp(HOST, at(S2, 5353));
    let lasted = (1..100).take_while(|_| {
        w.advance(secs(10));
        w.inbound(udp(at(S2, 5353), external)).is_forwarded()
    });
    assert!(lasted.count() < 60, "no longer than two timers");
    let connection = Connection::syn_sent(&mut w, HOST, SERVER);
    for _ in 0..23 {
        w.advance(secs(10));
        learns_nothing(&w.inbound(connection.outside_sends(RST)));
    }
    w.advance(secs(10));
    assert!(!connection.is_alive(&w));
}

/// A28: a port goes to another host, and the peers of the one who had it go on sending.
#[test]
fn a28_the_peers_of_a_port_do_not_reach_its_next_owner() {
    let mut w = World::quarantining::<4>(|config| {
        config.ports = PortRange::new(30_000, 30_000).expect("a port");
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(300));
    // It waits for two minutes, in which all that comes goes nowhere.
    w.outbound(udp(HOST, at(S2, 53)))
        .rejected(DropReason::PortsExhausted);
    w.inbound(udp(at(S1, 53), external))
        .dropped(DropReason::NoMapping);
    w.advance(secs(120));
    assert_eq!(
        w.open_udp(HOST, at(S2, 53)),
        external,
        "there is one port only"
    );
    for port in 0..=u16::MAX {
        let outcome = w.inbound(udp(at(S1, port), external));
        assert!(
            matches!(
                outcome,
                Outcome::Dropped(DropReason::Filtered | DropReason::PortZero)
            ),
            "{outcome:?}"
        );
    }

    // The same peer, and TCP, which need not wait: of an old connection nothing passes for an
    // answer to the new SYN. The new owner sees what it acknowledges, and refuses it.
    let old = w.open_tcp(at(H1, 5000), SERVER);
    w.inbound(old.outside_sends(RST)).forwarded();
    w.advance(secs(241));
    let new = w
        .outbound(tcp(HOST, SERVER, SYN).seq(77))
        .forwarded()
        .source();
    assert_eq!(new, old.external);
    w.advance(secs(100));
    for flags in [ACK, ACK | PSH, FIN | ACK, SYN | ACK] {
        w.inbound(old.outside_sends(flags)).forwarded();
        w.outbound(tcp(HOST, SERVER, RST).seq(old.inside_next))
            .forwarded();
    }
    for flags in [RST, RST | ACK] {
        w.inbound(old.outside_sends(flags))
            .dropped(DropReason::NoSession);
    }
    let session = w.session(HOST, SERVER);
    assert_eq!(
        (session.state, session.expires_in),
        (SessionState::InsideSyn, secs(140))
    );
    w.inbound(tcp(SERVER, new, SYN | ACK).seq(3).ack(78))
        .forwarded();
    assert_eq!(w.session(HOST, SERVER).state, SessionState::Established);
}

/// NAT-PMP (RFC 6886 section 3.3): map TCP port `port`.
fn nat_pmp(port: u16) -> Vec<u8> {
    [
        &[0, 2, 0, 0],
        &port.to_be_bytes()[..],
        &port.to_be_bytes(),
        &7200_u32.to_be_bytes(),
    ]
    .concat()
}

/// PCP (RFC 6887 section 11.1): MAP with PREFER_FAILURE for `port`, in the name of H2.
fn pcp(port: u16) -> Vec<u8> {
    let client = [&[0; 10][..], &[255; 2], &H2.octets()].concat();
    let header = [&[2, 1, 0, 0], &7200_u32.to_be_bytes()[..], &client].concat();
    let ports = [port.to_be_bytes(), port.to_be_bytes()].concat();
    [
        &header[..],
        &[9; 12],
        &[6, 0, 0, 0],
        &ports,
        &[0; 16],
        &[2, 0, 0, 0],
    ]
    .concat()
}

/// A30: the NAT does not answer the protocols that map ports, on either side, from any address, for
/// any port.
#[test]
fn a30_no_protocol_maps_a_port() {
    const LISTENER: u16 = 5351;
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let sessions = w.sessions().len();
    let used = victim.external.port();
    victim.under(&mut w, ports(PORTS, used), |w, port| {
        for request in [nat_pmp(port), pcp(port)] {
            let ask = |from, to| udp(at(from, 5350), at(to, LISTENER)).payload(&request);
            w.inbound(ask(ATTACKER, N)).dropped(DropReason::NoMapping);
            w.inbound(ask(ATTACKER, ROUTER))
                .dropped(DropReason::InsideDestination);
            w.inbound(ask(H1, N)).dropped(DropReason::Martian);
            w.outbound(ask(H1, N)).dropped(DropReason::NoMapping);
            w.outbound(ask(S1, ROUTER))
                .dropped(DropReason::SpoofedSource);
            // To its own address it is for the router's stack, byte for byte; the engine reads
            // nothing of it.
            assert_eq!(
                w.outbound(ask(H1, ROUTER)).local(Side::Inside).payload(),
                request
            );
        }
        w.inbound(tcp(at(ATTACKER, 9), at(N, port), SYN))
            .refusal()
            .expect("nothing was opened");
    });
    assert_eq!(w.sessions().len(), sessions);
}
