//! A capture taken inside shows what comes from outside as the LAN got it: addressed to a host, by
//! the router that was there. Here such packets are given back the external addresses that they
//! would have under the replay's own router.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::HashMap;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Where a header of IPv4 has its checksum and its addresses.
const HEADER_CHECKSUM: usize = 10;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// The external endpoints that hosts have, as far as packets have left by them. One entry for each
/// flow of the capture.
pub(crate) struct Translations {
    /// By protocol, inside endpoint and remote endpoint.
    flows: HashMap<(u8, SocketAddrV4, SocketAddrV4), SocketAddrV4>,
    /// By protocol and inside endpoint, whoever it talks to.
    endpoints: HashMap<(u8, SocketAddrV4), SocketAddrV4>,
    hosts: HashMap<Ipv4Addr, Ipv4Addr>,
    /// The address that hosts have which have sent nothing.
    primary: Ipv4Addr,
}

/// Which endpoint a packet goes from, and which to. Those of an ICMP query are the address and the
/// identifier of the host that asks, and the address and 0 of the one that answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Flow {
    protocol: u8,
    from: SocketAddrV4,
    to: SocketAddrV4,
}

impl Translations {
    pub(crate) fn new(primary: Ipv4Addr) -> Self {
        Self {
            flows: HashMap::new(),
            endpoints: HashMap::new(),
            hosts: HashMap::new(),
            primary,
        }
    }

    /// Takes note of a packet that was `before` when it came from inside, and has left as `after`.
    pub(crate) fn learn(&mut self, before: Option<Flow>, after: &[u8]) {
        let (Some(before), Some(after)) = (before, Flow::of(after)) else {
            return;
        };
        self.flows
            .insert((before.protocol, before.from, before.to), after.from);
        self.endpoints
            .insert((before.protocol, before.from), after.from);
        self.hosts.insert(*before.from.ip(), *after.from.ip());
    }

    /// Addresses a packet from outside that is addressed to a host to what the host is outside.
    /// Checksums that were wrong stay wrong. A packet that is malformed stays as it is: the NAT
    /// judges it.
    pub(crate) fn readdress(&self, packet: &mut [u8]) {
        if let Some(error) = Quote::of(packet) {
            let external = self.external(error.flow.protocol, error.flow.from, error.flow.to);
            error.readdress(packet, external);
        } else if let Some(flow) = Flow::of(packet) {
            let external = self.external(flow.protocol, flow.to, flow.from);
            readdress_flow(packet, flow.protocol, external);
        } else {
            let Some(host) = address(packet, DESTINATION) else {
                return;
            };
            let external = self.hosts.get(&host).copied().unwrap_or(self.primary);
            replace(packet, DESTINATION, &external.octets(), &[HEADER_CHECKSUM]);
        }
    }

    /// What is `inside` to `remote`. A host that has sent nothing by an endpoint gets that of the
    /// same port, where a port forward or nothing may be.
    fn external(&self, protocol: u8, inside: SocketAddrV4, remote: SocketAddrV4) -> SocketAddrV4 {
        let flow = self.flows.get(&(protocol, inside, remote));
        flow.or_else(|| self.endpoints.get(&(protocol, inside)))
            .copied()
            .unwrap_or_else(|| {
                let address = self.hosts.get(inside.ip()).copied().unwrap_or(self.primary);
                SocketAddrV4::new(address, inside.port())
            })
    }
}

impl Flow {
    /// The flow of a packet that says so itself: later fragments do not.
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        let payload = packet.get(header_len(packet)?..)?;
        let is_first = u16::from_be_bytes([*packet.get(6)? & 0x1f, *packet.get(7)?]) == 0;
        Self::from_parts(packet, payload).filter(|_| is_first)
    }

    fn from_parts(header: &[u8], payload: &[u8]) -> Option<Self> {
        let protocol = *header.get(9)?;
        let port = |at| Some(u16::from_be_bytes(*payload.get(at..)?.first_chunk()?));
        let ports = match (protocol, payload.first()?) {
            (TCP | UDP, _) => (port(0)?, port(2)?),
            (ICMP, 8 | 13 | 15 | 17) => (port(4)?, 0),
            (ICMP, 0 | 14 | 16 | 18) => (0, port(4)?),
            _ => return None,
        };
        let from = SocketAddrV4::new(address(header, SOURCE)?, ports.0);
        Some(Self {
            protocol,
            from,
            to: SocketAddrV4::new(address(header, DESTINATION)?, ports.1),
        })
    }
}

fn readdress_flow(packet: &mut [u8], protocol: u8, external: SocketAddrV4) {
    let Some(start) = header_len(packet) else {
        return;
    };
    let (address, port) = (external.ip().octets(), external.port().to_be_bytes());
    // ICMP's checksum covers no addresses.
    let (port_at, checksum, covers_addresses) = match protocol {
        TCP => (start + 2, start + 16, true),
        UDP => (start + 2, start + 6, true),
        _ => (start + 4, start + 2, false),
    };
    let unused = protocol == UDP && packet.get(checksum..checksum + 2) == Some(&[0, 0]);
    let checksum: &[usize] = if unused { &[] } else { &[checksum] };
    let of_address = if covers_addresses { checksum } else { &[] };
    replace(
        packet,
        DESTINATION,
        &address,
        &[&[HEADER_CHECKSUM], of_address].concat(),
    );
    replace(packet, port_at, &port, checksum);
    if let ([at], UDP) = (checksum, protocol) {
        no_zero(packet, *at);
    }
}

/// A zero says that there is no checksum (RFC 768).
fn no_zero(packet: &mut [u8], at: usize) {
    if let Some(checksum) = packet
        .get_mut(at..at + 2)
        .filter(|checksum| *checksum == [0, 0])
    {
        checksum.fill(0xff);
    }
}

/// The packet that an ICMP error is about, which is one that the host has sent.
struct Quote {
    /// Where the error begins, the quoted packet, and what is behind its header.
    error: usize,
    header: usize,
    payload: usize,
    flow: Flow,
}

impl Quote {
    /// The quote of `packet`, if it is an ICMP error that quotes enough.
    fn of(packet: &[u8]) -> Option<Self> {
        let error = header_len(packet)?;
        let is_error = *packet.get(9)? == ICMP && matches!(packet.get(error)?, 3 | 4 | 5 | 11 | 12);
        let header = error + 8;
        let quoted = packet.get(header..).filter(|_| is_error)?;
        let flow = Flow::of(quoted)?;
        Some(Self {
            error,
            header,
            payload: header + header_len(quoted)?,
            flow,
        })
    }

    /// The addresses of both headers, the port or identifier of the quote, and all checksums.
    fn readdress(&self, packet: &mut [u8], external: SocketAddrV4) {
        let (address, port) = (external.ip().octets(), external.port().to_be_bytes());
        replace(packet, DESTINATION, &address, &[HEADER_CHECKSUM]);
        let before = sum(packet.get(self.error..).unwrap_or_default());
        // Only the first 8 bytes behind the header are sure to be there: of TCP, not the checksum.
        let (port_at, checksum, covers_addresses) = match self.flow.protocol {
            TCP => (self.payload, self.payload + 16, true),
            UDP => (self.payload, self.payload + 6, true),
            _ => (self.payload + 4, self.payload + 2, false),
        };
        let unused =
            self.flow.protocol == UDP && packet.get(checksum..checksum + 2) == Some(&[0, 0]);
        let checksum: &[usize] = if unused { &[] } else { &[checksum] };
        let of_address = if covers_addresses { checksum } else { &[] };
        let header_checksum = self.header + HEADER_CHECKSUM;
        replace(
            packet,
            self.header + SOURCE,
            &address,
            &[&[header_checksum], of_address].concat(),
        );
        replace(packet, port_at, &port, checksum);
        let after = sum(packet.get(self.error..).unwrap_or_default());
        update(packet, self.error + 2, before, after);
    }
}

/// The length of the header of an IPv4 packet with a whole one.
fn header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let len = usize::from(first & 0x0f) * 4;
    (first >> 4 == 4 && len >= 20 && len <= packet.len()).then_some(len)
}

fn address(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    packet
        .get(at..)?
        .first_chunk::<4>()
        .copied()
        .map(Ipv4Addr::from)
}

/// Puts `new` at `at`, which is even, and brings the checksums at `checksums` up to date, as far as
/// they are there.
fn replace(packet: &mut [u8], at: usize, new: &[u8], checksums: &[usize]) {
    let Some(old) = packet.get_mut(at..at + new.len()) else {
        return;
    };
    let (before, after) = (sum(old), sum(new));
    old.copy_from_slice(new);
    for checksum in checksums {
        update(packet, *checksum, before, after);
    }
}

/// RFC 1624, equation 3.
fn update(packet: &mut [u8], at: usize, before: u16, after: u16) {
    let Some(checksum) = packet.get_mut(at..at + 2) else {
        return;
    };
    let old = u16::from_be_bytes([checksum[0], checksum[1]]);
    let new = !fold(u64::from(!old) + u64::from(!before) + u64::from(after));
    checksum.copy_from_slice(&new.to_be_bytes());
}

/// The ones' complement sum of RFC 1071.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0)));
    fold(words.sum())
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
