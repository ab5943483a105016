//! Datagrams that leave in fragments, and fragments that leave late.
//!
//! One datagram at a time is sent on each side. It is copied here, and its frames leave when the
//! driver can transmit them, so a full driver delays only its own side.

use core::net::Ipv4Addr;

use nat_core::{Fragmenter, Side};

use crate::ipv4;

/// The longest datagram that can be sent so, in bytes: what fits an Ethernet frame.
const MAX_LEN: usize = 1500;

/// The datagrams being sent. All zeros when new: otherwise the router's memory would take flash,
/// too.
pub(crate) struct FragmentTx {
    inside: Datagram,
    outside: Datagram,
    /// The current fragment, or a datagram that has not been assigned to a side yet.
    buffer: [u8; MAX_LEN],
}

/// The datagram being sent on one side.
struct Datagram {
    bytes: [u8; MAX_LEN],
    /// Zero when there is none.
    len: usize,
    /// Its next hop gets the fragments.
    destination: Ipv4Addr,
    mtu: u16,
    /// The payload bytes that have left.
    position: usize,
}

impl Datagram {
    const NONE: Self = Self {
        bytes: [0; MAX_LEN],
        len: 0,
        destination: Ipv4Addr::UNSPECIFIED,
        mtu: 0,
        position: 0,
    };

    /// Copies and starts `datagram`. Returns `false` if another one is being sent, or it is too
    /// long.
    fn start(&mut self, destination: Ipv4Addr, datagram: &[u8], mtu: u16) -> bool {
        let is_free = self.len == 0;
        let Some(copy) = self.bytes.get_mut(..datagram.len()).filter(|_| is_free) else {
            return false;
        };
        copy.copy_from_slice(datagram);
        (self.len, self.mtu, self.position) = (datagram.len(), mtu, 0);
        self.destination = destination;
        true
    }

    /// Writes the next fragment into `buffer`. Returns its length, and the position after it.
    fn emit(&self, buffer: &mut [u8]) -> Option<(usize, usize)> {
        let datagram = self.bytes.get(..self.len)?;
        let mut fragmenter = Fragmenter::resume(datagram, self.mtu, self.position);
        let len = fragmenter.emit(buffer)?;
        Some((len, fragmenter.position()))
    }

    fn is_complete(&self) -> bool {
        self.position >= self.len.saturating_sub(ipv4::header_length(&self.bytes))
    }
}

impl FragmentTx {
    pub(crate) const fn new() -> Self {
        Self {
            inside: Datagram::NONE,
            outside: Datagram::NONE,
            buffer: [0; MAX_LEN],
        }
    }

    /// Whether a datagram is being sent on `side`.
    pub(crate) const fn is_sending(&self, side: Side) -> bool {
        let datagram = match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        };
        datagram.len > 0
    }

    /// A buffer for a datagram whose side is not known yet. `None` while a datagram is being sent
    /// on either side, since the new one might have to wait for it. [`Self::start_buffered`] sends
    /// it.
    pub(crate) const fn idle_buffer(&mut self) -> Option<&mut [u8]> {
        if self.is_sending(Side::Inside) || self.is_sending(Side::Outside) {
            None
        } else {
            Some(&mut self.buffer)
        }
    }

    /// Starts the datagram of `len` bytes in the [`Self::idle_buffer`], in frames with datagrams of
    /// at most `mtu` bytes.
    pub(crate) fn start_buffered(
        &mut self,
        (to, destination): (Side, Ipv4Addr),
        len: usize,
        mtu: u16,
    ) {
        let Self {
            inside,
            outside,
            buffer,
        } = self;
        let datagram = if to == Side::Inside { inside } else { outside };
        datagram.start(destination, buffer.get(..len).unwrap_or_default(), mtu);
    }

    /// Copies and starts `datagram`. Returns `false` if another one is being sent on that side, or
    /// it is too long.
    pub(crate) fn start(
        &mut self,
        (to, destination): (Side, Ipv4Addr),
        datagram: &[u8],
        mtu: u16,
    ) -> bool {
        self.datagram_mut(to).start(destination, datagram, mtu)
    }

    /// The next fragment that leaves by `side`, its destination, and whether it is the last one.
    /// After the last one the side is free at once, for an ICMP error about it.
    pub(crate) fn next(&mut self, side: Side) -> Option<(Ipv4Addr, &[u8], bool)> {
        let Self {
            inside,
            outside,
            buffer,
        } = self;
        let datagram = if side == Side::Inside {
            inside
        } else {
            outside
        };
        let Some((len, position)) = datagram.emit(buffer) else {
            // A datagram that cannot be sent must not delay those after it.
            datagram.len = 0;
            return None;
        };
        datagram.position = position;
        let is_last = datagram.is_complete();
        if is_last {
            datagram.len = 0;
        }
        Some((datagram.destination, buffer.get(..len)?, is_last))
    }

    /// Drops the unsent fragments for `side`. Returns whether there were any.
    pub(crate) const fn cancel(&mut self, side: Side) -> bool {
        let was_sending = self.is_sending(side);
        self.datagram_mut(side).len = 0;
        was_sending
    }

    const fn datagram_mut(&mut self, side: Side) -> &mut Datagram {
        match side {
            Side::Inside => &mut self.inside,
            Side::Outside => &mut self.outside,
        }
    }
}
