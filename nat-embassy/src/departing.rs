//! A datagram that leaves in more than one frame, or after the packet that set it free: it waits here for its turns.

use nat_core::{Pieces, Side, Width};

use crate::control::Inner;
use crate::{FrameDrop, ipv4};

/// The largest datagram that can leave so, in bytes: what fits an Ethernet frame.
const MAX_LEN: usize = 1500;

/// One datagram under way. All zeros at first, or the memory of the router would lie in flash, too.
pub(crate) struct Departing {
    datagram: [u8; MAX_LEN],
    piece: [u8; MAX_LEN],
    /// Zero when there is none.
    len: usize,
    mtu: u16,
    to: Side,
    /// The bytes of payload that have left.
    position: usize,
}

impl Departing {
    pub(crate) const fn new() -> Self {
        Self { datagram: [0; MAX_LEN], piece: [0; MAX_LEN], len: 0, mtu: 0, to: Side::Inside, position: 0 }
    }

    /// The side by which something is to leave.
    pub(crate) const fn to(&self) -> Option<Side> {
        if self.len > 0 { Some(self.to) } else { None }
    }

    /// Where the next datagram can be put, if there is none under way; [`Self::begin`] then starts it.
    pub(crate) fn room(&mut self) -> Option<&mut [u8]> {
        if self.to().is_none() { Some(&mut self.datagram) } else { None }
    }

    /// Starts the datagram of `len` bytes that stands in the room, in frames of at most `mtu` bytes each.
    pub(crate) fn begin(&mut self, to: Side, len: usize, mtu: u16) {
        (self.to, self.len, self.mtu, self.position) = (to, len, mtu, 0);
    }

    /// Keeps a copy of `datagram` and starts it. `false` if there is no room for it.
    pub(crate) fn take(&mut self, to: Side, datagram: &[u8], mtu: u16) -> bool {
        let Some(room) = self.room().and_then(|room| room.get_mut(..datagram.len())) else { return false };
        room.copy_from_slice(datagram);
        self.begin(to, datagram.len(), mtu);
        true
    }

    /// The next of its frames' datagrams. With the last, the datagram is no longer under way, so that an answer which comes
    /// at once finds room.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let Some((len, position)) = self.emit() else {
            // Nothing may stay under way that cannot leave: it would hold up all that comes after it.
            self.clear();
            return None;
        };
        self.position = position;
        if position >= self.len.saturating_sub(ipv4::header_length(&self.datagram)) {
            self.clear();
        }
        self.piece.get(..len)
    }

    /// Writes the next frame's datagram: its length, and the position after it.
    fn emit(&mut self) -> Option<(usize, usize)> {
        let datagram = self.datagram.get(..self.len)?;
        let mut pieces = Pieces::resume(datagram, self.mtu, self.position);
        let len = pieces.emit(&mut self.piece)?;
        Some((len, pieces.position()))
    }

    /// Drops and counts what has not left by `side` yet.
    pub(crate) fn give_up(&mut self, side: Side, reason: FrameDrop, inner: &mut Inner<'_, impl Width>) {
        if self.to() == Some(side) {
            self.clear();
            inner.stats.side_mut(side).drop_frame(reason);
        }
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}
