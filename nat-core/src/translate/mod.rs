//! The only writer of packet bytes.
//!
//! ```text
//!            inside                      outside
//!   H 192.168.1.10:5000  -->  N 203.0.113.1:40000  -->  S 198.51.100.10:53    the source is rewritten
//!   H 192.168.1.10:5000  <--  N 203.0.113.1:40000  <--  S 198.51.100.10:53    the destination is rewritten
//!
//!   an ICMP error quotes a packet that went the other way, as it was where the error was sent:
//!   to H, quoting H -> S  <--  to N, quoting N -> S                           destination and quoted source
//!   from N, quoting S -> N  <--  from H or a router beside it, quoting S -> H source and quoted destination
//! ```
//!
//! Checksums are updated incrementally and never recomputed, so that a damaged packet stays
//! detectable (RFC 1624, RFC 5382 section 8).

pub(crate) mod fast_header;
pub(crate) mod mss;
pub(crate) mod quote;

use crate::fragments::FragmentRoute;
use crate::packet::Transport;
use crate::state::Endpoint;
use crate::wire::checksum::Delta;
use crate::wire::ipv4;

/// Which end of a packet is rewritten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Source,
    Destination,
}

/// What happens to a packet's time to live.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ttl {
    /// It crosses the router, and loses one.
    Decrement,
    /// It comes from the router or ends there.
    Keep,
}

/// Sets one end of the packet to `to`.
pub(crate) fn rewrite(
    ip: &mut ipv4::Header,
    mut transport: Transport<'_>,
    end: End,
    to: Endpoint,
    ttl: Ttl,
) {
    rewrite_end(ip, &mut transport, end, to, ttl);
}

/// Sets both ends of the packet, and decrements its time to live.
pub(crate) fn rewrite_both(
    ip: &mut ipv4::Header,
    mut transport: Transport<'_>,
    source: Endpoint,
    destination: Endpoint,
) {
    // The packet crosses the router once, so one of the two decrements the time to live.
    rewrite_end(ip, &mut transport, End::Source, source, Ttl::Decrement);
    rewrite_end(ip, &mut transport, End::Destination, destination, Ttl::Keep);
}

fn rewrite_end(
    ip: &mut ipv4::Header,
    transport: &mut Transport<'_>,
    end: End,
    to: Endpoint,
    ttl: Ttl,
) {
    let addresses = rewrite_address(ip, end, to.address, ttl);
    match transport {
        // The checksums of TCP and UDP cover the addresses (RFC 9293 section 3.1, RFC 768).
        Transport::Tcp(header, _) => {
            let ports = match end {
                End::Source => header.set_source_port(to.port),
                End::Destination => header.set_destination_port(to.port),
            };
            header.update_checksum(addresses.and(ports));
        }
        Transport::Udp(header, _) => {
            let ports = match end {
                End::Source => header.set_source_port(to.port),
                End::Destination => header.set_destination_port(to.port),
            };
            header.update_checksum(addresses.and(ports));
        }
        Transport::Icmp(header, body) => {
            // ICMP has no pseudo-header, so the addresses do not count.
            let ids = header.set_id(to.port);
            header.update_checksum(ids, body);
        }
    }
}

/// Translates a fragment without a transport header like its datagram's first. Only the IPv4 header
/// changes.
pub(crate) fn rewrite_fragment(ip: &mut ipv4::Header, route: &FragmentRoute, ttl: Ttl) {
    rewrite_address(ip, End::Source, route.source, ttl);
    rewrite_address(ip, End::Destination, route.destination, Ttl::Keep);
    rewrite_id(ip, route.id);
}

/// Sets another identification in the IPv4 header.
pub(crate) fn rewrite_id(ip: &mut ipv4::Header, id: u16) {
    let delta = ip.set_id(id);
    ip.set_checksum(delta.apply(ip.checksum()));
}

/// Sets one address of the IPv4 header to `address`. Returns how the addresses changed, for the
/// pseudo-header.
pub(crate) fn rewrite_address(ip: &mut ipv4::Header, end: End, address: u32, ttl: Ttl) -> Delta {
    let old = match end {
        End::Source => ip.set_source(address),
        End::Destination => ip.set_destination(address),
    };
    let addresses = Delta::default().and_u32(old, address);
    let header = match ttl {
        Ttl::Decrement => ip.decrement_ttl().and(addresses),
        Ttl::Keep => addresses,
    };
    ip.set_checksum(header.apply(ip.checksum()));
    addresses
}
