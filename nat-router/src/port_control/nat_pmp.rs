//! The messages of NAT-PMP (RFC 6886 section 3).

use core::net::Ipv4Addr;

use nat_core::{MappingRequestError, Protocol};

use super::field::{get_u16, get_u32, put};

/// The version in the first byte of a message.
pub(super) const VERSION: u8 = 0;

/// What is added to an opcode in the response.
const RESPONSE: u8 = 0x80;

const EXTERNAL_ADDRESS: u8 = 0;
const MAP_UDP: u8 = 1;
const MAP_TCP: u8 = 2;

const MAP_LEN: usize = 12;

/// A request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    ExternalAddress,
    Map(Map),
    /// Of an opcode that there is not.
    Unknown,
}

/// A request for a mapping, or to delete one or all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Map {
    pub(super) protocol: Protocol,
    pub(super) inside_port: u16,
    pub(super) suggested_port: u16,
    /// In seconds; 0 to delete.
    pub(super) lifetime: u32,
}

/// The results (section 3.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u16)]
pub(super) enum Result {
    Success = 0,
    NotAuthorized = 2,
    NetworkFailure = 3,
    OutOfResources = 4,
    UnsupportedOpcode = 5,
}

impl From<MappingRequestError> for Result {
    fn from(error: MappingRequestError) -> Self {
        match error {
            MappingRequestError::NoExternalAddress => Self::NetworkFailure,
            MappingRequestError::HostLimit
            | MappingRequestError::TooMany
            | MappingRequestError::NoPort
            | MappingRequestError::PortInUse => Self::OutOfResources,
            _ => Self::NotAuthorized,
        }
    }
}

impl Request {
    /// A request of version 0. `None` if it is a response or too short.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let protocol = match *message.get(1)? {
            RESPONSE.. => return None,
            EXTERNAL_ADDRESS => return Some(Self::ExternalAddress),
            MAP_UDP => Protocol::Udp,
            MAP_TCP => Protocol::Tcp,
            _ => return Some(Self::Unknown),
        };
        (message.len() >= MAP_LEN).then(|| {
            Self::Map(Map {
                protocol,
                inside_port: get_u16(message, 4),
                suggested_port: get_u16(message, 6),
                lifetime: get_u32(message, 8),
            })
        })
    }
}

/// The response with the external address, which is also announced (section 3.2). Returns its
/// length.
pub(super) fn write_address(reply: &mut [u8], epoch: u32, external: Option<Ipv4Addr>) -> usize {
    let result = match external {
        Some(_) => Result::Success,
        None => Result::NetworkFailure,
    };
    write_header(reply, EXTERNAL_ADDRESS, result, epoch);
    let address = external.unwrap_or(Ipv4Addr::UNSPECIFIED);
    put(reply, 8, &address.octets());
    12
}

/// The response to a request for a mapping, with the external port and the lifetime in seconds
/// (section 3.3). Returns its length.
pub(super) fn write_map(
    reply: &mut [u8],
    epoch: u32,
    map: &Map,
    granted: core::result::Result<(u16, u32), Result>,
) -> usize {
    let opcode = match map.protocol {
        Protocol::Udp => MAP_UDP,
        Protocol::Tcp => MAP_TCP,
    };
    let (external_port, lifetime) = granted.unwrap_or((0, 0));
    let result = granted.err().unwrap_or(Result::Success);
    write_header(reply, opcode, result, epoch);
    put(reply, 8, &map.inside_port.to_be_bytes());
    put(reply, 10, &external_port.to_be_bytes());
    put(reply, 12, &lifetime.to_be_bytes());
    16
}

/// The response to an opcode that there is not: the request, with the result (section 3.5). Returns
/// its length.
pub(super) fn write_unsupported_opcode(reply: &mut [u8], message: &[u8]) -> usize {
    let opcode = message.get(1).copied().unwrap_or(0);
    put(reply, 0, &[0; 4]);
    put(reply, 0, message);
    put(reply, 1, &[opcode | RESPONSE]);
    put(reply, 2, &(Result::UnsupportedOpcode as u16).to_be_bytes());
    message.len().max(4)
}

fn write_header(reply: &mut [u8], opcode: u8, result: Result, epoch: u32) {
    put(reply, 0, &[VERSION, opcode | RESPONSE]);
    put(reply, 2, &(result as u16).to_be_bytes());
    put(reply, 4, &epoch.to_be_bytes());
}
