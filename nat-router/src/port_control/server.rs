//! The decisions of the server.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{
    ExplicitMapping, Instant, MappingRequest, MappingRequestError, Nat, Protocol, SessionProtocol,
    Width,
};

use super::announcements::Announcements;
use super::limit::RequestLimit;
use super::owners::{NO_NONCE, Nonce, Owners};
use super::{LONGEST, nat_pmp, pcp};

/// The shortest time that PCP grants a mapping for, in seconds (RFC 6887 section 15).
const SHORTEST: u32 = 120;

/// The server of NAT-PMP and PCP, without socket and clock.
pub(crate) struct Server {
    owners: Owners,
    limit: RequestLimit,
    /// The external address that clients know.
    external: Option<Ipv4Addr>,
    /// When the mappings began: at the start, or with the external address.
    epoch: Instant,
    announcements: Announcements,
}

/// A request with all that its answer depends on.
struct Moment<'m, 'n, 't, W: Width> {
    message: &'m [u8],
    client: Ipv4Addr,
    nat: &'n mut Nat<'t, W>,
    now: Instant,
    epoch: u32,
}

impl Server {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            owners: Owners::new(),
            limit: RequestLimit::new(),
            external: None,
            epoch: now,
            announcements: Announcements::NONE,
        }
    }

    /// Answers a datagram of an inside host, which may hold any bytes, and which came to the
    /// router's inside address. Returns the length of the response in `reply`, which has room for
    /// 1,100 bytes, if there is one.
    pub(crate) fn hear<W: Width>(
        &mut self,
        message: &[u8],
        client: Ipv4Addr,
        (nat, now): (&mut Nat<'_, W>, Instant),
        reply: &mut [u8],
    ) -> Option<usize> {
        let inside = nat.config().inside;
        let is_host = inside.contains(client) && client != inside.address();
        if !is_host || !self.limit.allows(client, now) {
            return None;
        }
        self.look_at_address(nat, now);
        self.owners.forget_ended(nat);
        let moment = Moment {
            message,
            client,
            epoch: self.epoch_seconds(now),
            nat,
            now,
        };
        match *message.first()? {
            nat_pmp::VERSION => self.hear_nat_pmp(moment, reply),
            _ => self.hear_pcp(moment, reply),
        }
    }

    /// When [`Self::announce`] has something to send.
    pub(crate) fn next_announcement(&self) -> Option<Instant> {
        self.announcements.next()
    }

    /// Learns the external address. If it is another, all clients have lost their mappings there, so
    /// the epoch begins anew and is announced (RFC 6887 section 8.5).
    pub(crate) fn look_at_address<W: Width>(&mut self, nat: &Nat<'_, W>, now: Instant) {
        let external = nat.external_addresses().first().copied();
        // An address that is gone may come back.
        if external.is_some() && external != self.external {
            self.external = external;
            self.epoch = now;
            self.announcements = Announcements::start(now);
        }
    }

    /// Writes the announcements of both protocols that are due, and returns their lengths.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        (pmp, pcp): (&mut [u8], &mut [u8]),
    ) -> Option<(usize, usize)> {
        if !self.announcements.take(now) {
            return None;
        }
        let epoch = self.epoch_seconds(now);
        Some((
            nat_pmp::write_address(pmp, epoch, self.external),
            pcp::write_announce(pcp, epoch),
        ))
    }

    fn epoch_seconds(&self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.epoch).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    fn hear_nat_pmp<W: Width>(
        &mut self,
        mut moment: Moment<'_, '_, '_, W>,
        reply: &mut [u8],
    ) -> Option<usize> {
        let epoch = moment.epoch;
        Some(match nat_pmp::Request::parse(moment.message)? {
            nat_pmp::Request::ExternalAddress => {
                let external = moment.nat.external_addresses().first().copied();
                nat_pmp::write_address(reply, epoch, external)
            }
            nat_pmp::Request::Map(map) => {
                let granted = self.map_by_nat_pmp(&mut moment, &map);
                nat_pmp::write_map(reply, epoch, &map, granted)
            }
            nat_pmp::Request::Unknown => nat_pmp::write_unsupported_opcode(reply, moment.message),
        })
    }

    /// The external port and the lifetime in seconds.
    fn map_by_nat_pmp<W: Width>(
        &mut self,
        moment: &mut Moment<'_, '_, '_, W>,
        map: &nat_pmp::Map,
    ) -> Result<(u16, u32), nat_pmp::Result> {
        let nat_pmp::Map {
            protocol,
            inside_port,
            suggested_port,
            lifetime,
        } = *map;
        if lifetime == 0 {
            let ends = (Some(protocol), inside_port);
            self.end(moment, ends, &NO_NONCE)
                .ok_or(nat_pmp::Result::NotAuthorized)?;
            return Ok((0, 0));
        }
        let inside = SocketAddrV4::new(moment.client, inside_port);
        if !self.owners.owns(protocol, inside, &NO_NONCE) {
            return Err(nat_pmp::Result::NotAuthorized);
        }
        // What a host asks for is not exceeded (RFC 6886 section 3.3).
        let lifetime = lifetime.min(LONGEST);
        let mut request = MappingRequest::new(protocol, inside, seconds(lifetime));
        request.suggested_port = (suggested_port != 0).then_some(suggested_port);
        let mapping = self.request(moment, &request, NO_NONCE)?;
        Ok((mapping.external_port, lifetime))
    }

    fn hear_pcp<W: Width>(
        &mut self,
        mut moment: Moment<'_, '_, '_, W>,
        reply: &mut [u8],
    ) -> Option<usize> {
        let (message, epoch) = (moment.message, moment.epoch);
        if pcp::is_ignored(message) {
            return None;
        }
        let answered = match pcp::Request::parse(message, moment.client) {
            Ok(pcp::Request::Announce) => Ok(pcp::write_announce(reply, epoch)),
            Ok(pcp::Request::Map(map)) => self.map_by_pcp(&mut moment, &map).map(|granted| {
                let (external, lifetime) = granted;
                pcp::write_map(reply, &map, external, (lifetime, epoch))
            }),
            Err(error) => Err((error, error.lifetime())),
        };
        Some(answered.unwrap_or_else(|(error, lifetime)| {
            pcp::write_error(reply, message, error, (lifetime, epoch))
        }))
    }

    /// The external endpoint and the lifetime in seconds.
    fn map_by_pcp<W: Width>(
        &mut self,
        moment: &mut Moment<'_, '_, '_, W>,
        map: &pcp::Map,
    ) -> Result<(pcp::External, u32), (pcp::Error, u32)> {
        let fail = |error: pcp::Error| (error, error.lifetime());
        if map.lifetime == 0 {
            let ends = (map.transport(), map.inside_port);
            self.end(moment, ends, &map.nonce)
                .ok_or_else(|| fail(pcp::Error::NotAuthorized))?;
            let suggested = pcp::suggested_address(moment.message);
            return Ok(((suggested, map.suggested_port), 0));
        }
        let protocol = map.transport();
        let protocol = protocol.ok_or_else(|| fail(pcp::Error::UnsupportedProtocol))?;
        let inside = SocketAddrV4::new(moment.client, map.inside_port);
        if !self.owners.owns(protocol, inside, &map.nonce) {
            let left = moment.seconds_left(protocol, inside);
            return Err((pcp::Error::NotAuthorized, left));
        }
        let lifetime = map.lifetime.clamp(SHORTEST, LONGEST);
        let mut request = MappingRequest::new(protocol, inside, seconds(lifetime));
        request.suggested_port = (map.suggested_port != 0).then_some(map.suggested_port);
        request.only_suggested = map.prefer_failure;
        let mapping = self
            .request(moment, &request, map.nonce)
            .map_err(|error| fail(error.into()))?;
        let external = mapping.external_address.or(self.external);
        let external = external.unwrap_or(Ipv4Addr::UNSPECIFIED).to_ipv6_mapped();
        Ok(((external, mapping.external_port), lifetime))
    }

    fn request<W: Width>(
        &mut self,
        moment: &mut Moment<'_, '_, '_, W>,
        request: &MappingRequest,
        nonce: Nonce,
    ) -> Result<ExplicitMapping, MappingRequestError> {
        let mapping = moment.nat.request_mapping(request, moment.now)?;
        self.owners.note(request.protocol, request.inside, nonce);
        Ok(mapping)
    }

    /// Ends the client's explicit mapping of an inside port, or all with port 0, also of both
    /// protocols. Those of another nonce stay. `None` if the port has a mapping that the client may
    /// not end.
    fn end<W: Width>(
        &self,
        moment: &mut Moment<'_, '_, '_, W>,
        (protocol, inside_port): (Option<Protocol>, u16),
        nonce: &Nonce,
    ) -> Option<()> {
        let protocols = match protocol {
            Some(protocol) => &[protocol][..],
            None => &[Protocol::Tcp, Protocol::Udp],
        };
        for protocol in protocols {
            if inside_port == 0 {
                self.end_all(moment, *protocol, nonce);
            } else {
                let inside = SocketAddrV4::new(moment.client, inside_port);
                self.end_one(moment, *protocol, inside, nonce)?;
            }
        }
        Some(())
    }

    fn end_one<W: Width>(
        &self,
        moment: &mut Moment<'_, '_, '_, W>,
        protocol: Protocol,
        inside: SocketAddrV4,
        nonce: &Nonce,
    ) -> Option<()> {
        if !self.owners.owns(protocol, inside, nonce) {
            return None;
        }
        let (nat, now) = (&mut *moment.nat, moment.now);
        let ended = nat.end_explicit_mapping(protocol, inside, now).is_some();
        // Traffic and the configuration keep their mappings (RFC 6887 section 15).
        (ended || !has_other_mapping(nat, protocol, inside)).then_some(())
    }

    fn end_all<W: Width>(
        &self,
        moment: &mut Moment<'_, '_, '_, W>,
        protocol: Protocol,
        nonce: &Nonce,
    ) {
        let (client, owners) = (moment.client, &self.owners);
        let own = |mapping: &ExplicitMapping| {
            mapping.protocol == protocol
                && *mapping.inside.ip() == client
                && owners.owns(protocol, mapping.inside, nonce)
        };
        loop {
            let next = moment.nat.explicit_mappings().find(own);
            let Some(mapping) = next else { return };
            let (nat, now) = (&mut *moment.nat, moment.now);
            nat.end_explicit_mapping(protocol, mapping.inside, now);
        }
    }
}

impl<W: Width> Moment<'_, '_, '_, W> {
    /// For how long the explicit mapping of an inside endpoint still lasts.
    fn seconds_left(&self, protocol: Protocol, inside: SocketAddrV4) -> u32 {
        let mapping = self
            .nat
            .explicit_mappings()
            .find(|mapping| mapping.protocol == protocol && mapping.inside == inside);
        let left = mapping.map_or(Duration::ZERO, |mapping| {
            mapping.ends_at.saturating_duration_since(self.now)
        });
        u32::try_from(left.as_secs()).unwrap_or(u32::MAX)
    }
}

/// Whether an inside endpoint has a mapping by its traffic, or by a port forward.
fn has_other_mapping<W: Width>(nat: &Nat<'_, W>, protocol: Protocol, inside: SocketAddrV4) -> bool {
    let forwarded = nat.port_forwards().any(|forward| {
        let offset = inside.port().checked_sub(forward.inside_port);
        forward.protocol == protocol
            && forward.inside_address == *inside.ip()
            && offset.is_some_and(|offset| offset < forward.ports)
    });
    let session_protocol = match protocol {
        Protocol::Tcp => SessionProtocol::Tcp,
        Protocol::Udp => SessionProtocol::Udp,
    };
    forwarded
        || nat
            .sessions()
            .any(|session| session.inside == inside && session.protocol == session_protocol)
}

fn seconds(lifetime: u32) -> Duration {
    Duration::from_secs(lifetime.into())
}
