//! The messages of PCP (RFC 6887 sections 7 and 11).

use core::net::{Ipv4Addr, Ipv6Addr};

use nat_core::{MappingRequestError, Protocol};

use super::MAX_LEN;
use super::field::{bytes, get_u16, get_u32, put};
use super::owners::Nonce;

pub(super) const VERSION: u8 = 2;

/// The bit of a response.
const RESPONSE: u8 = 0x80;

const ANNOUNCE: u8 = 0;
const MAP: u8 = 1;

const HEADER_LEN: usize = 24;
const MAP_LEN: usize = 60;

const PREFER_FAILURE: u8 = 2;

/// The first code of an option that a server may leave out (section 7.3).
const FIRST_OPTIONAL: u8 = 128;

/// The results (section 7.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Error {
    UnsupportedVersion = 1,
    NotAuthorized = 2,
    MalformedRequest = 3,
    UnsupportedOpcode = 4,
    UnsupportedOption = 5,
    MalformedOption = 6,
    NetworkFailure = 7,
    NoResources = 8,
    UnsupportedProtocol = 9,
    UserExceededQuota = 10,
    CannotProvideExternal = 11,
    AddressMismatch = 12,
}

impl Error {
    /// How long a client should not ask again, in seconds (section 7.4).
    pub(super) const fn lifetime(self) -> u32 {
        match self {
            Self::NetworkFailure | Self::NoResources | Self::UserExceededQuota => 30,
            _ => 1800,
        }
    }
}

impl From<MappingRequestError> for Error {
    fn from(error: MappingRequestError) -> Self {
        match error {
            MappingRequestError::NoExternalAddress => Self::NetworkFailure,
            MappingRequestError::PortInUse => Self::CannotProvideExternal,
            MappingRequestError::HostLimit => Self::UserExceededQuota,
            MappingRequestError::TooMany | MappingRequestError::NoPort => Self::NoResources,
            _ => Self::NotAuthorized,
        }
    }
}

/// An external endpoint.
pub(super) type External = (Ipv6Addr, u16);

/// A request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    Announce,
    Map(Map),
}

/// A request for a mapping, or to delete one or several.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Map {
    pub(super) nonce: Nonce,
    /// The protocol's number; 0 for all.
    pub(super) protocol: u8,
    /// 0 for all.
    pub(super) inside_port: u16,
    /// 0 for any.
    pub(super) suggested_port: u16,
    /// In seconds; 0 to delete.
    pub(super) lifetime: u32,
    /// Whether only the suggested external port will do (section 13.2).
    pub(super) prefer_failure: bool,
}

impl Map {
    /// The protocol, if it has ports that can be mapped.
    pub(super) const fn transport(&self) -> Option<Protocol> {
        match self.protocol {
            6 => Some(Protocol::Tcp),
            17 => Some(Protocol::Udp),
            _ => None,
        }
    }
}

/// Whether a message gets no answer: it is too short, or a response (section 8.2).
pub(super) fn is_ignored(message: &[u8]) -> bool {
    let too_short = message.len() < HEADER_LEN && message.first() == Some(&VERSION);
    too_short || message.get(1).is_none_or(|opcode| opcode & RESPONSE != 0)
}

impl Request {
    /// A request of `client`, which [`is_ignored`] has let pass (section 8.2).
    pub(super) fn parse(message: &[u8], client: Ipv4Addr) -> Result<Self, Error> {
        let opcode = message.get(1).copied().unwrap_or(0);
        if message.first() != Some(&VERSION) {
            return Err(Error::UnsupportedVersion);
        }
        if message.len() > MAX_LEN || !message.len().is_multiple_of(4) {
            return Err(Error::MalformedRequest);
        }
        let options_at = match opcode {
            ANNOUNCE => HEADER_LEN,
            MAP => MAP_LEN,
            _ => return Err(Error::UnsupportedOpcode),
        };
        let options = message.get(options_at..).ok_or(Error::MalformedRequest)?;
        if Ipv6Addr::from(bytes::<16>(message, 8)) != client.to_ipv6_mapped() {
            return Err(Error::AddressMismatch);
        }
        let prefer_failure = parse_options(options, opcode)?;
        if opcode == ANNOUNCE {
            return Ok(Self::Announce);
        }
        let map = Map {
            nonce: bytes(message, 24),
            protocol: message.get(36).copied().unwrap_or(0),
            inside_port: get_u16(message, 40),
            suggested_port: get_u16(message, 42),
            lifetime: get_u32(message, 4),
            prefer_failure,
        };
        map.check()?;
        Ok(Self::Map(map))
    }
}

impl Map {
    fn check(&self) -> Result<(), Error> {
        let deletes = self.lifetime == 0;
        if self.protocol == 0 && self.inside_port != 0 {
            return Err(Error::MalformedRequest);
        }
        if self.prefer_failure && (self.suggested_port == 0 || deletes) {
            return Err(Error::MalformedOption);
        }
        if self.transport().is_none() && (self.protocol != 0 || !deletes) {
            return Err(Error::UnsupportedProtocol);
        }
        // All ports of a host at once are for the configuration, see `Config::dmz_host`.
        if self.inside_port == 0 && !deletes {
            return Err(Error::NotAuthorized);
        }
        Ok(())
    }
}

/// Reads the options (section 7.3). Returns whether `PREFER_FAILURE` is among them.
fn parse_options(mut options: &[u8], opcode: u8) -> Result<bool, Error> {
    let mut prefer_failure = false;
    while let Some((header, rest)) = options.split_first_chunk::<4>() {
        let [code, _, high, low] = *header;
        let len = usize::from(u16::from_be_bytes([high, low]));
        options = rest
            .get(len.next_multiple_of(4)..)
            .ok_or(Error::MalformedOption)?;
        match code {
            PREFER_FAILURE if opcode == MAP => {
                if len != 0 || prefer_failure {
                    return Err(Error::MalformedOption);
                }
                prefer_failure = true;
            }
            FIRST_OPTIONAL.. => {}
            _ => return Err(Error::UnsupportedOption),
        }
    }
    Ok(prefer_failure)
}

/// An announcement, or the response to one (section 14.1). Returns its length.
pub(super) fn write_announce(reply: &mut [u8], epoch: u32) -> usize {
    write_header(reply, ANNOUNCE, 0, (0, epoch));
    HEADER_LEN
}

/// The response to a request that was granted (section 11.1): the external endpoint and the lifetime
/// in seconds. Returns its length.
pub(super) fn write_map(
    reply: &mut [u8],
    map: &Map,
    (external, external_port): External,
    (lifetime, epoch): (u32, u32),
) -> usize {
    write_header(reply, MAP, 0, (lifetime, epoch));
    put(reply, HEADER_LEN, &map.nonce);
    put(reply, 36, &[map.protocol, 0, 0, 0]);
    put(reply, 40, &map.inside_port.to_be_bytes());
    put(reply, 42, &external_port.to_be_bytes());
    put(reply, 44, &external.octets());
    if !map.prefer_failure {
        return MAP_LEN;
    }
    put(reply, MAP_LEN, &[PREFER_FAILURE, 0, 0, 0]);
    MAP_LEN + 4
}

/// The external address that a request suggests.
pub(super) fn suggested_address(message: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from(bytes::<16>(message, 44))
}

/// The response to a request that failed: the request, with the result (section 8.2). Returns its
/// length.
pub(super) fn write_error(
    reply: &mut [u8],
    message: &[u8],
    error: Error,
    (lifetime, epoch): (u32, u32),
) -> usize {
    let copied = message
        .get(..message.len().min(MAX_LEN))
        .unwrap_or_default();
    let len = copied
        .len()
        .next_multiple_of(4)
        .max(HEADER_LEN)
        .min(reply.len());
    if let Some(reply) = reply.get_mut(..len) {
        reply.fill(0);
    }
    put(reply, 0, copied);
    let opcode = message.get(1).copied().unwrap_or(0);
    write_header(reply, opcode, error as u8, (lifetime, epoch));
    len
}

fn write_header(reply: &mut [u8], opcode: u8, result: u8, (lifetime, epoch): (u32, u32)) {
    put(reply, 0, &[VERSION, opcode | RESPONSE, 0, result]);
    put(reply, 4, &lifetime.to_be_bytes());
    put(reply, 8, &epoch.to_be_bytes());
    put(reply, 12, &[0; 12]);
}
