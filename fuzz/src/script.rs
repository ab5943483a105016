//! How bytes become packets.
//!
//! The first byte of the input chooses the configuration. Then come entries: a control byte, a
//! length of two bytes (big endian, cut to what is left), and that many bytes of payload. The
//! control byte, from its lowest bit:
//!
//! - two bits: the payload is a packet from inside (0), from outside (1), from the router's own
//!   outside stack (2), or patches to an answer to the packet forwarded last (3), as pairs of
//!   offset and value;
//! - one bit: checksums are made valid first;
//! - one bit: an answer is an ICMP error about that packet, from a router on the way; before any
//!   other packet, timers are not fired, so that the engine meets sessions whose time is up;
//! - four bits: how much time passes before, see [`STEPS`].

use core::time::Duration;

use nat_core::{Instant, Side};

use crate::bytes;

/// Milliseconds: nothing, the moments around timeouts, and leaps.
const STEPS: [u64; 15] = [
    0,
    0,
    0,
    0,
    1,
    50,
    1_000,
    10_000,
    61_000,
    241_000,
    301_000,
    351_000,
    7_441_000,
    86_400_000,
    4_294_967_295,
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Answer,
    Error,
    From(Side),
    Local,
}

pub(crate) struct Entry<'d> {
    pub(crate) kind: Kind,
    pub(crate) repair: bool,
    pub(crate) fires_timers: bool,
    step: u8,
    pub(crate) payload: &'d [u8],
}

/// What was forwarded last, and where to: an answer to it comes from there.
pub(crate) type Last = Option<(Vec<u8>, Side)>;

impl Entry<'_> {
    /// The packet and the side that it comes from; `None` when it is an answer and there is nothing
    /// to answer yet.
    pub(crate) fn packet(&self, last: &Last) -> Option<(Vec<u8>, Side)> {
        let last = last.as_ref();
        let (mut packet, from) = match self.kind {
            Kind::Answer => last.map(|(packet, to)| (bytes::answer(packet, self.payload), *to)),
            Kind::Error => last.map(|(packet, to)| (bytes::error(packet, self.payload), *to)),
            Kind::From(side) => Some((self.payload.to_vec(), side)),
            Kind::Local => Some((self.payload.to_vec(), Side::Inside)),
        }?;
        if self.repair {
            bytes::repair(&mut packet);
        }
        Some((packet, from))
    }

    /// The clock at this entry. The last step goes back by a second.
    pub(crate) fn time_after(&self, now: Instant) -> Instant {
        match STEPS.get(usize::from(self.step)) {
            Some(millis) => now.saturating_add(Duration::from_millis(*millis)),
            None => Instant::from_millis(now.as_millis().saturating_sub(1_000)),
        }
    }
}

pub(crate) struct Script<'d> {
    rest: &'d [u8],
}

impl<'d> Script<'d> {
    pub(crate) fn new(rest: &'d [u8]) -> Self {
        Self { rest }
    }
}

impl<'d> Iterator for Script<'d> {
    type Item = Entry<'d>;

    fn next(&mut self) -> Option<Entry<'d>> {
        let (&[control, high, low], rest) = self.rest.split_first_chunk::<3>()?;
        let len = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (payload, rest) = rest.split_at(len);
        self.rest = rest;
        let kind = match control & 3 {
            0 => Kind::From(Side::Inside),
            1 => Kind::From(Side::Outside),
            2 => Kind::Local,
            _ if control & 8 != 0 => Kind::Error,
            _ => Kind::Answer,
        };
        let fires_timers = kind == Kind::Error || control & 8 == 0;
        Some(Entry {
            kind,
            repair: control & 4 != 0,
            fires_timers,
            step: control >> 4,
            payload,
        })
    }
}
