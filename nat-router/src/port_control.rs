//! Ports on request: PCP (RFC 6887) and NAT-PMP (RFC 6886), for the hosts inside.
//!
//! Both share UDP port 5351. [`server::Server`] decides and has no socket and no clock; [`serve`] runs it on
//! the router's stack inside. The mappings themselves are in the NAT, see
//! [`Nat::request_mapping`](nat_core::Nat::request_mapping).

mod announcements;
mod limit;
mod nat_pmp;
mod owners;
mod pcp;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub(crate) use socket::{Buffers, serve};

/// The port of the server.
const SERVER_PORT: u16 = 5351;

/// The port of clients that listen to announcements.
const CLIENT_PORT: u16 = 5350;

/// The longest message of PCP (RFC 6887 section 7).
const MAX_LEN: usize = 1100;

/// The longest time that a mapping is granted for, in seconds (RFC 6887 section 15).
const LONGEST: u32 = 86_400;

/// Big-endian fields at fixed places of a message, which is long enough.
mod field {
    pub(super) fn bytes<const N: usize>(message: &[u8], at: usize) -> [u8; N] {
        message
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .unwrap_or([0; N])
    }

    pub(super) fn get_u16(message: &[u8], at: usize) -> u16 {
        u16::from_be_bytes(bytes(message, at))
    }

    pub(super) fn get_u32(message: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(bytes(message, at))
    }

    pub(super) fn put(message: &mut [u8], at: usize, field: &[u8]) {
        if let Some(place) = message
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..field.len()))
        {
            place.copy_from_slice(field);
        }
    }
}
