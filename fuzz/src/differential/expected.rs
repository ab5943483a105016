//! The packet that should leave, written by smoltcp into a copy of the one that came in.

use core::net::SocketAddrV4;

use etherparse::IpNumber;
use smoltcp::wire::{Icmpv4Packet, Ipv4Packet, TcpOption, TcpPacket, UdpPacket};

use nat_core::Side;

use super::lookup::Lookup;
use crate::reference::{self, Ends};

/// The path of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Path {
    Out,
    In,
    /// From inside to an external address, and so back inside.
    Hairpin,
    FromRouter,
    /// To the router's outside stack, which is translated like a host.
    ToRouter,
    /// To the router's inside stack.
    Untouched,
}

impl Path {
    pub(super) fn of(local: bool, from: Side, to: Side) -> Self {
        match (local, from, to) {
            (true, _, Side::Outside) => Self::FromRouter,
            (false, Side::Inside, Side::Outside) => Self::Out,
            (false, Side::Inside, Side::Inside) => Self::Hairpin,
            (false, Side::Outside, Side::Inside) => Self::In,
            _ => panic!("a packet of {from:?} leaves {to:?}, local {local}"),
        }
    }

    fn translates_source(self) -> bool {
        matches!(self, Self::Out | Self::Hairpin | Self::FromRouter)
    }

    fn translates_destination(self) -> bool {
        matches!(self, Self::In | Self::Hairpin | Self::ToRouter)
    }
}

/// Holds the packet that left against the one that should have.
pub(super) fn check(lookup: &Lookup, path: Path, sent: &[u8], left: &[u8]) {
    reference::check_ipv4(left);
    let mut expected = sent[..left.len()].to_vec();
    let held = reference::transport_holds(&expected);
    if is_dhcp(path, &expected) {
        // A client that has no address yet cannot be translated.
        assert_eq!(expected, left, "DHCP is left alone");
        return;
    }
    if path != Path::Untouched {
        match reference::quote(sent) {
            Some((start, _)) => error(lookup, path, &mut expected, left, start),
            None => plain(lookup, path, &mut expected, left),
        }
    }
    finish(path, &mut expected, left);
    match held {
        Some(true) => sum_transport(&mut expected),
        _ => learn_checksum(&mut expected, left),
    }
    assert_eq!(
        normal(&expected),
        normal(left),
        "{path:?}: expected on the left\n{expected:02x?}\n{left:02x?}"
    );
    assert!(
        held.is_none() || held == reference::transport_holds(left),
        "a transport checksum that has got better or worse"
    );
    if held == Some(true) && !matches!(path, Path::ToRouter | Path::Untouched) {
        reference::check_whole(left);
    }
}

/// TTL, and the identification of what may be fragmented; then the header's checksum.
fn finish(path: Path, expected: &mut [u8], left: &[u8]) {
    let renumbered = !reference::is_atomic(expected)
        && !matches!(path, Path::In | Path::ToRouter | Path::Untouched);
    let mut packet = Ipv4Packet::new_unchecked(expected);
    let after = Ipv4Packet::new_unchecked(left);
    if renumbered {
        packet.set_ident(after.ident());
    }
    if matches!(path, Path::In | Path::Out | Path::Hairpin) {
        packet.set_hop_limit(packet.hop_limit() - 1);
    }
    packet.fill_checksum();
}

/// A packet that is no ICMP error.
fn plain(lookup: &Lookup, path: Path, expected: &mut [u8], left: &[u8]) {
    let before = reference::ends(expected).expect("a header");
    let (source, destination) = if before.shown {
        translated(lookup, path, &before)
    } else {
        // A later fragment, or a protocol without ports: the addresses are possible ones.
        let after = reference::ends(left).expect("a header");
        assert!(
            !path.translates_source() || lookup.is_external(*after.source.ip()),
            "{after:?}"
        );
        assert!(
            path != Path::ToRouter || lookup.is_external(*after.destination.ip()),
            "{after:?}"
        );
        let inside = lookup.is_inside(*after.destination.ip());
        assert!(
            !matches!(path, Path::In | Path::Hairpin) || inside,
            "{after:?}"
        );
        let source = if path.translates_source() {
            after.source
        } else {
            before.source
        };
        (
            source,
            if path.translates_destination() {
                after.destination
            } else {
                before.destination
            },
        )
    };
    write_ends(expected, source, destination);
    if before.protocol == IpNumber::TCP
        && before.shown
        && let Some(limit) = lookup.clamp
    {
        clamp(expected, limit);
    }
}

/// The ends of a packet, or of one that is quoted backwards, as they leave.
fn translated(lookup: &Lookup, path: Path, ends: &Ends) -> (SocketAddrV4, SocketAddrV4) {
    let Ends {
        protocol,
        source,
        destination,
        ..
    } = *ends;
    let new_source = if path.translates_source() {
        let found = lookup.external(protocol, source, destination);
        found.unwrap_or_else(|| panic!("{ends:?} leaves without a session"))
    } else {
        source
    };
    let new_destination = if path.translates_destination() {
        // A hairpinned packet arrives from the external endpoint of its sender.
        let found = lookup.inside(protocol, destination, new_source);
        found.unwrap_or_else(|| panic!("{ends:?} comes in without a session"))
    } else {
        destination
    };
    (new_source, new_destination)
}

/// An ICMP error: the quoted packet had gone the other way, so its ends are translated the other
/// way round.
fn error(lookup: &Lookup, path: Path, expected: &mut [u8], left: &[u8], start: usize) {
    let (_, quote) = reference::quote(expected).expect("an error");
    let quoted = reference::ends(quote).expect("a quoted header");
    let backwards = Ends {
        source: quoted.destination,
        destination: quoted.source,
        ..quoted
    };
    let (destination, source) = translated(lookup, path, &backwards);
    let complete = usize::from(Ipv4Packet::new_unchecked(quote).total_len()) <= quote.len();
    let whole = if complete {
        reference::transport_holds(quote)
    } else {
        None
    };
    let mut outer = Ipv4Packet::new_unchecked(&mut *expected);
    if path.translates_source() {
        // It leaves from the external address of the host whose packet is quoted.
        outer.set_src_addr(*destination.ip());
    }
    if path.translates_destination() {
        outer.set_dst_addr(*source.ip());
    }
    let end = start + quote_len(left, start);
    let (quote, quote_left) = (&mut expected[start..end], &left[start..end]);
    write_ends(quote, source, destination);
    Ipv4Packet::new_unchecked(&mut *quote).fill_checksum();
    if whole == Some(true) {
        let len = usize::from(Ipv4Packet::new_unchecked(&*quote).total_len());
        sum_transport(&mut quote[..len]);
    } else {
        learn_checksum(quote, quote_left);
    }
}

fn quote_len(left: &[u8], start: usize) -> usize {
    reference::quote(left).map_or(left.len() - start, |(_, quote)| quote.len())
}

/// Writes addresses, and ports or identifier where the packet shows them.
fn write_ends(bytes: &mut [u8], source: SocketAddrV4, destination: SocketAddrV4) {
    let shown = reference::ends(bytes).is_some_and(|ends| ends.shown);
    let mut packet = Ipv4Packet::new_unchecked(&mut *bytes);
    packet.set_src_addr(*source.ip());
    packet.set_dst_addr(*destination.ip());
    let (start, protocol) = (
        usize::from(packet.header_len()),
        IpNumber(packet.next_header().into()),
    );
    let transport = &mut bytes[start..];
    match protocol {
        _ if !shown => {}
        IpNumber::ICMP => {
            let id = if matches!(transport[0], 8 | 13) {
                source.port()
            } else {
                destination.port()
            };
            Icmpv4Packet::new_unchecked(transport).set_echo_ident(id);
        }
        // The ports of TCP stand where UDP has them.
        _ => {
            let mut ports = UdpPacket::new_unchecked(transport);
            ports.set_src_port(source.port());
            ports.set_dst_port(destination.port());
        }
    }
}

/// Lowers the MSS of a SYN (RFC 9293 section 3.7.1), where smoltcp finds one among its options.
fn clamp(datagram: &mut [u8], limit: u16) {
    let start = usize::from(Ipv4Packet::new_unchecked(&*datagram).header_len());
    let segment = TcpPacket::new_unchecked(&datagram[start..]);
    if !segment.syn() {
        return;
    }
    let all = segment.options();
    let mut rest = all;
    while let Ok((after, option)) = TcpOption::parse(rest) {
        match option {
            TcpOption::EndOfList => return,
            TcpOption::MaxSegmentSize(mss) if mss > limit => {
                let index = start + 20 + (all.len() - rest.len()) + 2;
                datagram[index..index + 2].copy_from_slice(&limit.to_be_bytes());
                return;
            }
            TcpOption::MaxSegmentSize(_) => return,
            _ => rest = after,
        }
    }
}

/// Sums the transport from scratch.
fn sum_transport(datagram: &mut [u8]) {
    let packet = Ipv4Packet::new_unchecked(&*datagram);
    let (source, destination) = (packet.src_addr().into(), packet.dst_addr().into());
    let (start, protocol) = (
        usize::from(packet.header_len()),
        IpNumber(packet.next_header().into()),
    );
    let transport = &mut datagram[start..];
    match protocol {
        IpNumber::ICMP => Icmpv4Packet::new_unchecked(transport).fill_checksum(),
        IpNumber::TCP => TcpPacket::new_unchecked(transport).fill_checksum(&source, &destination),
        _ => UdpPacket::new_unchecked(transport).fill_checksum(&source, &destination),
    }
}

fn checksum_place(bytes: &[u8]) -> Option<usize> {
    let packet = Ipv4Packet::new_unchecked(bytes);
    let start = usize::from(packet.header_len());
    let field = match IpNumber(packet.next_header().into()) {
        _ if packet.frag_offset() != 0 => return None,
        IpNumber::ICMP => 2,
        IpNumber::TCP => 16,
        IpNumber::UDP => 6,
        _ => return None,
    };
    Some(start + field).filter(|index| index + 2 <= bytes.len())
}

/// Takes the transport checksum for what it is: the part that it sums is not all there, or it was
/// wrong before. None stays none.
fn learn_checksum(expected: &mut [u8], left: &[u8]) {
    let Some(index) = checksum_place(expected) else {
        return;
    };
    let is_udp = expected[9] == IpNumber::UDP.0;
    if !is_udp || expected[index..index + 2] != [0, 0] {
        expected[index..index + 2].copy_from_slice(&left[index..index + 2]);
    }
}

/// Both zeros of one's complement are the same, but for UDP.
fn normal(datagram: &[u8]) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    let transport = checksum_place(datagram).filter(|_| datagram[9] != IpNumber::UDP.0);
    for index in [Some(10), transport].into_iter().flatten() {
        if bytes[index..index + 2] == [0xff, 0xff] {
            bytes[index..index + 2].fill(0);
        }
    }
    bytes
}

/// Whether a packet is of the router's own DHCP client, or for it: a server may answer from any
/// port.
fn is_dhcp(path: Path, datagram: &[u8]) -> bool {
    reference::ends(datagram).is_some_and(|ends| {
        let ports = (ends.source.port(), ends.destination.port());
        let of_client = match path {
            Path::FromRouter => ports == (68, 67),
            Path::ToRouter => ports.1 == 68,
            _ => false,
        };
        ends.protocol == IpNumber::UDP && of_client
    })
}
