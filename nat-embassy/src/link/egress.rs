//! How a datagram leaves by a side: to a neighbour that is known, or into the waiting packets.

use core::net::Ipv4Addr;

use nat_core::{Instant, Width};

use super::Link;
use super::nic::Nic;
use crate::ethernet::{EtherType, Header};
use crate::medium::Medium;
use crate::neighbours::{Neighbours, NextHop};
use crate::shared::Inner;
use crate::stats::FrameDrop;
use crate::tx_frame::TxFrame;
use crate::waiting::{Stored, WaitingPackets};

/// The parts of a [`Link`] that a datagram needs on its way out. The local stack's
/// queue, which the datagram may lie in, is not among them.
pub(crate) struct Egress<'a, 'd> {
    pub(super) nic: &'a Nic,
    pub(super) neighbours: &'a mut Neighbours<'d>,
    pub(super) waiting: &'a mut WaitingPackets<'d>,
}

impl Egress<'_, '_> {
    /// A frame with `datagram` for `next_hop`. `None` while the neighbour's hardware address is
    /// not known: the datagram then waits.
    #[inline(never)]
    pub(crate) fn send<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Option<Ipv4Addr>,
        datagram: &'a [u8],
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        if !self.nic.carries(datagram.len()) {
            return Err(FrameDrop::Giant);
        }
        // A medium without link headers has no next hops.
        let Some(mac) = self.nic.mac() else {
            inner.check_configured(self.nic.side)?;
            return self.nic.tx_frame(None, datagram).map(Some);
        };
        let next_hop = next_hop
            // The unspecified address marks the free slots of the waiting packets.
            .filter(|hop| !hop.is_unspecified())
            .ok_or(FrameDrop::NoRoute)?;
        match self.neighbours.next_hop(next_hop, now) {
            NextHop::Known(station) => {
                let header = Header::new(station, mac, EtherType::IPV4);
                self.nic.tx_frame(Some(header), datagram).map(Some)
            }
            NextHop::Queried => {
                // The query may have taken the slot of an older one, whose packets are lost.
                self.drop_unresolved(inner);
                self.wait(inner, next_hop, datagram).map(|()| None)
            }
            NextHop::Full => Err(FrameDrop::NeighboursFull),
        }
    }

    fn wait(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Ipv4Addr,
        datagram: &[u8],
    ) -> Result<(), FrameDrop> {
        let Stored::Kept { replaced } = self.waiting.put(next_hop, datagram) else {
            return Err(FrameDrop::Giant);
        };
        for _ in 0..replaced {
            inner.count_drop(self.nic.side, FrameDrop::ArpPendingReplaced);
        }
        Ok(())
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

impl Link<'_> {
    /// [`Self::send`] for the datagram of `len` bytes in `frame`, behind a link header of
    /// `header_len` bytes. From Ethernet to Ethernet, only the stations of the header are
    /// replaced, and the frame is copied as a whole.
    #[inline]
    pub(crate) fn forward<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Option<Ipv4Addr>,
        (frame, header_len, len): (&'a mut [u8], usize, usize),
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        let frame = frame.get_mut(..header_len + len).unwrap_or_default();
        if header_len == Header::LEN
            && self.nic.carries(len)
            && let Medium::Ethernet(mac) = &self.nic.medium
            && let Some(next_hop) = next_hop
            && let Some(station) = self.neighbours.known(next_hop, now)
            && Header::replace_stations(frame, station, mac)
        {
            return Ok(Some(self.nic.whole_tx_frame(frame)));
        }
        let datagram = frame.get(header_len..).unwrap_or_default();
        self.send(inner, next_hop, datagram, now)
    }
}
