//! Datagrams that leave in more than one frame, or after the packet that set them free: they wait
//! here for their turns, one on each side, so that a full driver holds up its own side alone.

use nat_core::{Fragmenter, Side, Width};

use crate::control::Inner;
use crate::{FrameDrop, ipv4};

/// The largest datagram that can leave so, in bytes: what fits an Ethernet frame.
const MAX_LEN: usize = 1500;

/// The datagrams under way. All zeros at first, or the memory of the router would lie in flash,
/// too.
pub(crate) struct Departing {
    inside: Datagram,
    outside: Datagram,
    piece: [u8; MAX_LEN],
}

/// The datagram that leaves by one side.
struct Datagram {
    bytes: [u8; MAX_LEN],
    /// Zero when there is none.
    len: usize,
    mtu: u16,
    /// The bytes of payload that have left.
    position: usize,
}

impl Datagram {
    const NONE: Self = Self {
        bytes: [0; MAX_LEN],
        len: 0,
        mtu: 0,
        position: 0,
    };

    /// Keeps a copy of `datagram` and starts it. `false` if there is no room for it.
    fn take(&mut self, datagram: &[u8], mtu: u16) -> bool {
        let Some(copy) = self
            .bytes
            .get_mut(..datagram.len())
            .filter(|_| self.len == 0)
        else {
            return false;
        };
        copy.copy_from_slice(datagram);
        (self.len, self.mtu, self.position) = (datagram.len(), mtu, 0);
        true
    }

    /// Writes the next frame's datagram: its length, and the position after it.
    fn emit(&self, piece: &mut [u8]) -> Option<(usize, usize)> {
        let datagram = self.bytes.get(..self.len)?;
        let mut pieces = Fragmenter::resume(datagram, self.mtu, self.position);
        let len = pieces.emit(piece)?;
        Some((len, pieces.position()))
    }
}

impl Departing {
    pub(crate) const fn new() -> Self {
        Self {
            inside: Datagram::NONE,
            outside: Datagram::NONE,
            piece: [0; MAX_LEN],
        }
    }

    /// Whether something is to leave by `side`.
    pub(crate) const fn is_under_way(&self, side: Side) -> bool {
        let datagram = match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        };
        datagram.len > 0
    }

    /// Where a datagram can be put of which it is not known by which side it leaves, if both have
    /// room for it; [`Self::begin`] then starts it.
    pub(crate) const fn room(&mut self) -> Option<&mut [u8]> {
        let under_way = self.is_under_way(Side::Inside) || self.is_under_way(Side::Outside);
        if under_way {
            None
        } else {
            Some(&mut self.piece)
        }
    }

    /// Starts the datagram of `len` bytes that stands in the room, in frames of at most `mtu` bytes
    /// each.
    pub(crate) fn begin(&mut self, to: Side, len: usize, mtu: u16) {
        let Self {
            inside,
            outside,
            piece,
        } = self;
        let place = if to == Side::Inside { inside } else { outside };
        place.take(piece.get(..len).unwrap_or_default(), mtu);
    }

    /// Keeps a copy of `datagram` and starts it. `false` if there is no room for it.
    pub(crate) fn take(&mut self, to: Side, datagram: &[u8], mtu: u16) -> bool {
        self.place(to).take(datagram, mtu)
    }

    /// The next of the frames' datagrams that leave by `side`. With the last, the datagram is no
    /// longer under way, so that an answer which comes at once finds room.
    pub(crate) fn next(&mut self, side: Side) -> Option<&[u8]> {
        let Self {
            inside,
            outside,
            piece,
        } = self;
        let place = if side == Side::Inside {
            inside
        } else {
            outside
        };
        let Some((len, position)) = place.emit(piece) else {
            // Nothing may stay under way that cannot leave: it would hold up all that comes after
            // it.
            place.len = 0;
            return None;
        };
        place.position = position;
        if position >= place.len.saturating_sub(ipv4::header_length(&place.bytes)) {
            place.len = 0;
        }
        piece.get(..len)
    }

    /// Drops and counts what has not left by `side` yet.
    pub(crate) fn give_up(
        &mut self,
        side: Side,
        reason: FrameDrop,
        inner: &mut Inner<'_, impl Width>,
    ) {
        if self.is_under_way(side) {
            self.place(side).len = 0;
            inner.stats.side_mut(side).drop_frame(reason);
        }
    }

    const fn place(&mut self, side: Side) -> &mut Datagram {
        match side {
            Side::Inside => &mut self.inside,
            Side::Outside => &mut self.outside,
        }
    }
}
