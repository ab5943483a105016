//! How a datagram leaves by a side: to a neighbour that is known, or into the waiting packets.

use core::net::Ipv4Addr;

use nat_core::{Instant, Width};

use super::nic::Nic;
use crate::ethernet::{EtherType, Header};
use crate::neighbours::{Neighbours, NextHop};
use crate::shared::Inner;
use crate::stats::FrameDrop;
use crate::tx_frame::TxFrame;
use crate::waiting::{Stored, WaitingPackets};

/// The parts of a [`Link`](super::Link) that a datagram needs on its way out. The local stack's
/// queue, which the datagram may lie in, is not among them.
pub(crate) struct Egress<'a, 'd> {
    pub(super) nic: &'a Nic,
    pub(super) neighbours: &'a mut Neighbours<'d>,
    pub(super) waiting: &'a mut WaitingPackets<'d>,
}

/// How a datagram leaves.
enum Route {
    /// With this header.
    Ethernet(Header),
    /// Without a link header, which the medium does not have.
    Ip,
    /// It waits for the hardware address of its next hop.
    Queried(Ipv4Addr),
}

impl Egress<'_, '_> {
    /// A frame with `datagram` for `next_hop`. `None` while the neighbour's hardware address is
    /// not known: the datagram then waits.
    pub(crate) fn send<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Option<Ipv4Addr>,
        datagram: &'a [u8],
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        match self.route(inner, next_hop, datagram.len(), now)? {
            Route::Ethernet(header) => self.nic.tx_frame(Some(header), datagram).map(Some),
            Route::Ip => self.nic.tx_frame(None, datagram).map(Some),
            Route::Queried(next_hop) => self.wait(inner, next_hop, datagram),
        }
    }

    /// [`Self::send`] for the datagram of `len` bytes in `frame`, behind a link header of
    /// `header_len` bytes. A new Ethernet header takes the place of the old one, so that the frame
    /// is copied as a whole.
    #[inline]
    pub(crate) fn forward<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Option<Ipv4Addr>,
        (frame, header_len, len): (&'a mut [u8], usize, usize),
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        let route = self.route(inner, next_hop, len, now)?;
        let frame = frame.get_mut(..header_len + len).unwrap_or_default();
        if let Route::Ethernet(header) = &route
            && header_len == Header::LEN
            && let Some(place) = frame.first_chunk_mut()
        {
            header.write(place);
            return Ok(Some(self.nic.whole_tx_frame(frame)));
        }
        let datagram = frame.get(header_len..).unwrap_or_default();
        match route {
            Route::Ethernet(header) => self.nic.tx_frame(Some(header), datagram).map(Some),
            Route::Ip => self.nic.tx_frame(None, datagram).map(Some),
            Route::Queried(next_hop) => self.wait(inner, next_hop, datagram),
        }
    }

    #[inline]
    fn route(
        &mut self,
        inner: &Inner<'_, impl Width>,
        next_hop: Option<Ipv4Addr>,
        len: usize,
        now: Instant,
    ) -> Result<Route, FrameDrop> {
        if !self.nic.carries(len) {
            return Err(FrameDrop::Giant);
        }
        let Some(mac) = self.nic.mac() else {
            inner.check_configured(self.nic.side)?;
            return Ok(Route::Ip);
        };
        let next_hop = next_hop
            .filter(|hop| !hop.is_unspecified())
            .ok_or(FrameDrop::NoRoute)?;
        match self.neighbours.next_hop(next_hop, now) {
            NextHop::Known(station) => {
                Ok(Route::Ethernet(Header::new(station, mac, EtherType::IPV4)))
            }
            NextHop::Queried => Ok(Route::Queried(next_hop)),
            NextHop::Full => Err(FrameDrop::NeighboursFull),
        }
    }

    /// Has a datagram wait for the hardware address of `next_hop`.
    #[inline(never)]
    fn wait<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Ipv4Addr,
        datagram: &[u8],
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        // The query may have taken the slot of an older one, whose packets are lost.
        self.drop_unresolved(inner);
        match self.waiting.put(next_hop, datagram) {
            Stored::Kept => Ok(None),
            Stored::Replaced => Err(FrameDrop::ArpPendingReplaced),
            Stored::TooLong => Err(FrameDrop::Giant),
        }
    }

    /// Drops the packets that wait for a neighbour that is neither known nor queried any more.
    pub(crate) fn drop_unresolved(&mut self, inner: &mut Inner<'_, impl Width>) {
        let Self {
            nic,
            neighbours,
            waiting,
        } = self;
        for _ in 0..waiting.retain(|next_hop| neighbours.contains(next_hop)) {
            inner.count_drop(nic.side, FrameDrop::ArpUnresolved);
        }
    }
}
