//! A capture taken inside shows packets from outside as the captured router has sent them to the LAN:
//! addressed to a host. Here they get the external address that the host has behind the replay's
//! router.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::HashMap;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Offsets in the IPv4 header.
const HEADER_CHECKSUM: usize = 10;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// The external endpoints of hosts that have sent packets, with one entry for each session of the
/// capture.
pub(crate) struct Translations {
    /// By protocol, inside endpoint and remote endpoint.
    sessions: HashMap<(u8, SocketAddrV4, SocketAddrV4), SocketAddrV4>,
    /// By protocol and inside endpoint, for all remote endpoints.
    endpoints: HashMap<(u8, SocketAddrV4), SocketAddrV4>,
    hosts: HashMap<Ipv4Addr, Ipv4Addr>,
    /// The external address of hosts that have sent nothing.
    primary: Ipv4Addr,
}

/// Source and destination of a packet. The port of an ICMP query's sender is its identifier; that of
/// the host that answers is 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Endpoints {
    protocol: u8,
    from: SocketAddrV4,
    to: SocketAddrV4,
}

impl Translations {
    pub(crate) fn new(primary: Ipv4Addr) -> Self {
        Self {
            sessions: HashMap::new(),
            endpoints: HashMap::new(),
            hosts: HashMap::new(),
            primary,
        }
    }

    /// Records the translation of a packet from inside: its endpoints `before`, and as it leaves.
    pub(crate) fn learn(&mut self, before: Option<Endpoints>, after: &[u8]) {
        let (Some(before), Some(after)) = (before, Endpoints::of(after)) else {
            return;
        };
        self.sessions
            .insert((before.protocol, before.from, before.to), after.from);
        self.endpoints
            .insert((before.protocol, before.from), after.from);
        self.hosts.insert(*before.from.ip(), *after.from.ip());
    }

    /// Replaces the destination of a packet from outside, which is a LAN host, by the host's external
    /// endpoint. Wrong checksums stay wrong. Malformed packets are not changed; the NAT drops them.
    pub(crate) fn readdress(&self, packet: &mut [u8]) {
        if let Some(error) = Quote::of(packet) {
            let external = self.external(
                error.endpoints.protocol,
                error.endpoints.from,
                error.endpoints.to,
            );
            error.readdress(packet, external);
        } else if let Some(endpoints) = Endpoints::of(packet) {
            let external = self.external(endpoints.protocol, endpoints.to, endpoints.from);
            readdress(packet, endpoints.protocol, external);
        } else {
            let Some(host) = address(packet, DESTINATION) else {
                return;
            };
            let external = self.hosts.get(&host).copied().unwrap_or(self.primary);
            replace(packet, DESTINATION, &external.octets(), &[HEADER_CHECKSUM]);
        }
    }

    /// The external endpoint of `inside` toward `remote`. An endpoint that has sent nothing keeps its
    /// port, for which there may be a port forward.
    fn external(&self, protocol: u8, inside: SocketAddrV4, remote: SocketAddrV4) -> SocketAddrV4 {
        let session = self.sessions.get(&(protocol, inside, remote));
        session
            .or_else(|| self.endpoints.get(&(protocol, inside)))
            .copied()
            .unwrap_or_else(|| {
                let address = self.hosts.get(inside.ip()).copied().unwrap_or(self.primary);
                SocketAddrV4::new(address, inside.port())
            })
    }
}

impl Endpoints {
    /// The endpoints of a packet; `None` for later fragments, which have no ports.
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

fn readdress(packet: &mut [u8], protocol: u8, external: SocketAddrV4) {
    let Some(start) = header_len(packet) else {
        return;
    };
    let fields = Fields::of(packet, protocol, start, Port::Destination);
    let checksums = [&[HEADER_CHECKSUM], fields.checksums_of_addresses()].concat();
    replace(packet, DESTINATION, &external.ip().octets(), &checksums);
    let port = external.port().to_be_bytes();
    replace(packet, fields.port, &port, &fields.checksum);
    if let ([at], UDP) = (&fields.checksum[..], protocol) {
        no_zero(packet, *at);
    }
}

enum Port {
    Source,
    Destination,
}

/// Where a TCP, UDP or ICMP query header has the port or identifier, and its checksum.
struct Fields {
    port: usize,
    /// Empty for UDP without a checksum.
    checksum: Vec<usize>,
    /// ICMP's checksum does not cover the addresses.
    covers_addresses: bool,
}

impl Fields {
    /// The fields of the header at `start`.
    fn of(packet: &[u8], protocol: u8, start: usize, port: Port) -> Self {
        let (port, checksum) = match (protocol, port) {
            (TCP, Port::Source) => (start, start + 16),
            (TCP, Port::Destination) => (start + 2, start + 16),
            (UDP, Port::Source) => (start, start + 6),
            (UDP, Port::Destination) => (start + 2, start + 6),
            _ => (start + 4, start + 2),
        };
        let unused = protocol == UDP && packet.get(checksum..checksum + 2) == Some(&[0, 0]);
        Self {
            port,
            checksum: if unused { vec![] } else { vec![checksum] },
            covers_addresses: matches!(protocol, TCP | UDP),
        }
    }

    /// The checksum, if it covers the addresses of the IPv4 header.
    fn checksums_of_addresses(&self) -> &[usize] {
        if self.covers_addresses {
            &self.checksum
        } else {
            &[]
        }
    }
}

/// A zero would mean that there is no checksum (RFC 768).
fn no_zero(packet: &mut [u8], at: usize) {
    if let Some(checksum) = packet
        .get_mut(at..at + 2)
        .filter(|checksum| *checksum == [0, 0])
    {
        checksum.fill(0xff);
    }
}

/// The packet that an ICMP error quotes, which the host has sent.
struct Quote {
    /// Offsets of the ICMP header, of the quoted packet, and of what is behind its IPv4 header.
    error: usize,
    header: usize,
    payload: usize,
    endpoints: Endpoints,
}

impl Quote {
    /// The quote of `packet`, if it is an ICMP error with enough of the quoted packet.
    fn of(packet: &[u8]) -> Option<Self> {
        let error = header_len(packet)?;
        let is_error = *packet.get(9)? == ICMP && matches!(packet.get(error)?, 3 | 4 | 5 | 11 | 12);
        let header = error + 8;
        let quoted = packet.get(header..).filter(|_| is_error)?;
        let endpoints = Endpoints::of(quoted)?;
        Some(Self {
            error,
            header,
            payload: header + header_len(quoted)?,
            endpoints,
        })
    }

    /// Replaces the destination of the error, the source of the quoted packet, and updates all
    /// checksums.
    fn readdress(&self, packet: &mut [u8], external: SocketAddrV4) {
        let (address, port) = (external.ip().octets(), external.port().to_be_bytes());
        replace(packet, DESTINATION, &address, &[HEADER_CHECKSUM]);
        let before = sum(packet.get(self.error..).unwrap_or_default());
        // Only the first 8 bytes behind the quoted IPv4 header must be present. They do not include
        // the checksum of TCP.
        let protocol = self.endpoints.protocol;
        let fields = Fields::of(packet, protocol, self.payload, Port::Source);
        let header_checksum = self.header + HEADER_CHECKSUM;
        let checksums = [&[header_checksum], fields.checksums_of_addresses()].concat();
        replace(packet, self.header + SOURCE, &address, &checksums);
        replace(packet, fields.port, &port, &fields.checksum);
        let after = sum(packet.get(self.error..).unwrap_or_default());
        update(packet, self.error + 2, before, after);
    }
}

/// The length of the IPv4 header; `None` if it is malformed or not complete.
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

/// Writes `new` at `at`, which is even, and updates the checksums at the offsets `checksums`, if the
/// packet has them.
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
