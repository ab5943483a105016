//! The packet that an ICMP error quotes (RFC 5508 section 4).

use zerocopy::FromBytes;

use super::End;
use crate::DropReason;
use crate::config::MIN_MTU;
use crate::packet::check_options;
use crate::state::{Endpoint, Proto};
use crate::wire::checksum::Delta;
use crate::wire::icmp::{self, MessageClass};
use crate::wire::{ipv4, udp};

/// The checked headers of a quoted packet, as far as they are quoted.
pub(crate) struct Quote<'p> {
    ip: &'p mut ipv4::Header,
    options: &'p [u8],
    /// At least the first 8 bytes of the transport header.
    transport: &'p mut [u8],
    proto: Proto,
}

/// The bytes of a transport header that every quote has.
const QUOTED: usize = 8;

impl<'p> Quote<'p> {
    /// The quote of an ICMP error, if that is valid itself and goes to where the quoted packet came
    /// from. The sender of the error does not matter (RFC 4787 REQ-12a).
    pub(crate) fn parse_sound(
        outer: &ipv4::Header,
        header: &icmp::Header,
        body: &'p mut [u8],
    ) -> Result<Self, DropReason> {
        if outer.is_fragment() {
            // The rest of the message, and with it the checksum, is in other fragments.
            return Err(DropReason::Fragment);
        }
        if !header.checksum_holds(body) {
            return Err(DropReason::BadChecksum);
        }
        let quote = Self::parse(header, body)?;
        if quote.ip.source() == outer.destination() {
            Ok(quote)
        } else {
            Err(DropReason::BadQuote)
        }
    }

    fn parse(header: &icmp::Header, body: &'p mut [u8]) -> Result<Self, DropReason> {
        let mtu = header.next_hop_mtu();
        // No link has such an MTU, and a host that believed it would send tiny packets.
        if mtu.is_some_and(|mtu| 0 < mtu && mtu < MIN_MTU) {
            return Err(DropReason::BadQuote);
        }
        let quoted_len = quoted_length(header, body);
        let quoted = body.get_mut(..quoted_len);
        quoted.and_then(Self::of).ok_or(DropReason::BadQuote)
    }

    /// The quoted packet in `bytes`; `None` if it is malformed or of another protocol.
    fn of(bytes: &'p mut [u8]) -> Option<Self> {
        let (ip, rest) = ipv4::Header::mut_from_prefix(bytes).ok()?;
        let options_len = ip.header_length().checked_sub(ipv4::Header::LEN)?;
        let (options, rest) = rest.split_at_mut_checked(options_len)?;
        // A later fragment has no ports by which its session could be found.
        if ip.version() != 4 || ip.fragment_offset() != 0 || !ip.checksum_holds(options) {
            return None;
        }
        let proto = match ip.protocol() {
            ipv4::ICMP => Proto::Icmp,
            ipv4::TCP => Proto::Tcp,
            ipv4::UDP => Proto::Udp,
            _ => return None,
        };
        // Bytes after the end of the original packet are padding (RFC 4884 section 5).
        let sent = usize::from(ip.total_length()).saturating_sub(ip.header_length());
        let len = rest.len().min(sent);
        let transport = rest.get_mut(..len).filter(|bytes| bytes.len() >= QUOTED)?;
        Some(Self {
            ip,
            options,
            transport,
            proto,
        })
    }

    /// Refuses options that contain addresses on the path of the quoted packet (RFC 5508 section
    /// 7.3).
    pub(crate) fn check_route(&self) -> Result<(), DropReason> {
        check_options(self.options)
    }

    pub(crate) fn proto(&self) -> Proto {
        self.proto
    }

    fn address(&self, end: End) -> u32 {
        match end {
            End::Source => self.ip.source(),
            End::Destination => self.ip.destination(),
        }
    }

    /// Whether an ICMP query of this class is quoted.
    pub(crate) fn is_query(&self, class: MessageClass) -> bool {
        self.proto == Proto::Icmp && self.end(End::Source, End::Source, class).is_some()
    }

    /// One end of the quoted packet. An ICMP query has its identifier at the end that is translated,
    /// and no port at the other. `None` if the quoted message is not a query of the class `query`.
    pub(crate) fn end(&self, end: End, translated: End, query: MessageClass) -> Option<Endpoint> {
        let port = if self.proto == Proto::Icmp {
            let (header, _) = icmp::Header::ref_from_prefix(self.transport).ok()?;
            let id = if end == translated { header.id() } else { 0 };
            (header.class() == query).then_some(id)?
        } else {
            let (ports, _) = udp::Header::ref_from_prefix(self.transport).ok()?;
            match end {
                End::Source => ports.source_port(),
                End::Destination => ports.destination_port(),
            }
        };
        // No session has a port 0, but an ICMP query may have the identifier 0.
        if port == 0 && self.proto != Proto::Icmp {
            return None;
        }
        Some(Endpoint {
            address: self.address(end),
            port,
        })
    }

    /// The end of the quoted packet that is translated, and the other.
    pub(crate) fn ends(
        &self,
        translated: End,
        query: MessageClass,
    ) -> Result<(Endpoint, Endpoint), DropReason> {
        let other = match translated {
            End::Source => End::Destination,
            End::Destination => End::Source,
        };
        let ends = self
            .end(translated, translated, query)
            .zip(self.end(other, translated, query));
        ends.ok_or(DropReason::BadQuote)
    }

    /// Sets one end of the quoted packet to `to`, and updates its checksums as far as they are
    /// quoted. Returns how all of that changed the ICMP message.
    pub(crate) fn rewrite(mut self, end: End, to: Endpoint) -> Delta {
        self.rewrite_end(end, to)
    }

    /// The same with both ends.
    pub(crate) fn rewrite_both(mut self, source: Endpoint, destination: Endpoint) -> Delta {
        self.rewrite_end(End::Source, source)
            .and(self.rewrite_end(End::Destination, destination))
    }

    fn rewrite_end(&mut self, end: End, to: Endpoint) -> Delta {
        let old_checksum = self.ip.checksum();
        let addresses = super::rewrite_address(self.ip, end, to.address, super::Ttl::Keep);
        // The quoted checksums are data of the ICMP message, so that their changes count, too.
        let header = addresses.and_u16(old_checksum, self.ip.checksum());
        match self.proto {
            Proto::Icmp => header.and(rewrite_query(self.transport, to.port)),
            Proto::Tcp => header.and(rewrite_tcp(self.transport, end, to.port, addresses)),
            Proto::Udp => header.and(rewrite_udp(self.transport, end, to.port, addresses)),
        }
    }
}

/// How many bytes of `body`, which follows the header of an ICMP error, are of the quoted packet.
///
/// Where an extension structure follows, the header gives its position. But some senders leave
/// other values in that word, which was unused before RFC 4884. So it counts only if there is a
/// structure at that position, and if what every quote has fits before it.
fn quoted_length(header: &icmp::Header, body: &[u8]) -> usize {
    /// Version 2, and the first of the reserved bits (RFC 4884 section 7).
    const EXTENSION: u8 = 0x20;
    let stated = header.original_datagram_length();
    let internet_header = body
        .first()
        .map_or(0, |first| usize::from(first & 0x0f) * 4);
    let least = internet_header
        .max(ipv4::Header::LEN)
        .saturating_add(QUOTED);
    let extended = stated >= least && body.get(stated) == Some(&EXTENSION);
    if extended { stated } else { body.len() }
}

fn rewrite_query(transport: &mut [u8], id: u16) -> Delta {
    let Ok((header, body)) = icmp::Header::mut_from_prefix(transport) else {
        return Delta::default();
    };
    let old = header.checksum();
    let ids = header.set_id(id);
    header.update_checksum(ids, body);
    ids.and_u16(old, header.checksum())
}

fn rewrite_udp(transport: &mut [u8], end: End, port: u16, addresses: Delta) -> Delta {
    let Ok((header, _)) = udp::Header::mut_from_prefix(transport) else {
        return Delta::default();
    };
    let ports = rewrite_port(header, end, port);
    let old = header.checksum();
    header.update_checksum(addresses.and(ports));
    ports.and_u16(old, header.checksum())
}

/// The ports are where UDP has them. The checksum is there only if 18 bytes or more are quoted.
fn rewrite_tcp(transport: &mut [u8], end: End, port: u16, addresses: Delta) -> Delta {
    const CHECKSUM: core::ops::Range<usize> = 16..18;
    let Ok((header, _)) = udp::Header::mut_from_prefix(transport) else {
        return Delta::default();
    };
    let ports = rewrite_port(header, end, port);
    let Some(checksum) = transport
        .get_mut(CHECKSUM)
        .and_then(|bytes| bytes.first_chunk_mut::<2>())
    else {
        return ports;
    };
    let old = u16::from_be_bytes(*checksum);
    let updated = addresses.and(ports).apply(old);
    *checksum = updated.to_be_bytes();
    ports.and_u16(old, updated)
}

fn rewrite_port(header: &mut udp::Header, end: End, port: u16) -> Delta {
    match end {
        End::Source => header.set_source_port(port),
        End::Destination => header.set_destination_port(port),
    }
}
