//! Datagrams that leave in fragments, and fragments that the NAT releases.

use core::net::Ipv4Addr;

use nat_core::{Instant, Side, Verdict, Width};

use super::{Arrival, Links};
use crate::shared::Inner;
use crate::stats::FrameDrop;
use crate::tx_frame::TxFrame;

/// Fragments that the NAT can buffer until the first fragment of their datagram arrives. With this
/// many, a datagram of 8 KiB gets through whose sender begins with the last fragment.
pub(crate) const EARLY_FRAGMENTS: usize = 5;

impl Links<'_> {
    /// Starts to send a datagram in fragments.
    pub(super) fn start_fragments<'a>(
        &mut self,
        (to, destination): (Side, Ipv4Addr),
        datagram: &[u8],
        mtu: u16,
        arrival: &Arrival,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        match arrival.blocked_toward(to) {
            // The copy can wait for a driver that is full.
            None | Some(FrameDrop::TxFull) => {}
            Some(reason) => return Err(reason),
        }
        if self.fragment_tx.start((to, destination), datagram, mtu) {
            Ok(None)
        } else {
            Err(FrameDrop::TxFull)
        }
    }

    /// Takes buffered fragments out of the NAT whose first fragment has arrived, while the
    /// [`FragmentTx`](crate::fragment_tx::FragmentTx) is idle, and starts to send them.
    pub(super) fn release_fragments(&mut self, inner: &mut Inner<'_, impl Width>, now: Instant) {
        // A bound, so that a fault of the NAT cannot make this endless.
        for _ in 0..EARLY_FRAGMENTS {
            let Some(buffer) = self.fragment_tx.idle_buffer() else {
                return;
            };
            let Some(verdict) = inner.nat.release(buffer, now) else {
                return;
            };
            match verdict {
                Verdict::Forward {
                    to,
                    destination,
                    len,
                } => self
                    .fragment_tx
                    // It fits the MTU, so it is sent as it is.
                    .start_buffered((to, destination), len, u16::MAX),
                Verdict::Fragment {
                    to,
                    destination,
                    len,
                    mtu,
                } => self.fragment_tx.start_buffered((to, destination), len, mtu),
                Verdict::Local { side, len } => self.deliver_fragment(inner, side, len, now),
                Verdict::Drop(_) | Verdict::Hold | Verdict::Reject(_) => {}
            }
        }
    }

    fn deliver_fragment(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        len: usize,
        now: Instant,
    ) {
        // Field by field, because the datagram lies in the buffer of `fragment_tx`.
        let Self {
            inside,
            outside,
            fragment_tx,
            ..
        } = self;
        let link = match side {
            Side::Inside => inside,
            Side::Outside => outside,
        };
        let buffer = fragment_tx.idle_buffer().unwrap_or_default();
        let datagram = buffer.get(..len).unwrap_or_default();
        if let Err(reason) = link.deliver(inner, None, datagram, now) {
            inner.count_drop(side, reason);
        }
    }

    /// The next fragment that leaves by `side`.
    pub(super) fn next_fragment(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        now: Instant,
    ) -> Result<Option<TxFrame<'_>>, FrameDrop> {
        // Field by field, because the fragment lies in the buffer of `fragment_tx`.
        let Self {
            inside,
            outside,
            fragment_tx,
            ..
        } = self;
        let link = match side {
            Side::Inside => inside,
            Side::Outside => outside,
        };
        let (destination, datagram, is_last) = fragment_tx.next(side).ok_or(FrameDrop::NoRoute)?;
        if !is_last {
            // What is left of the datagram is another frame.
            inner.count_made();
        }
        let next_hop = inner.next_hop(side, destination);
        link.send(inner, next_hop, datagram, now)
    }

    /// Drops and counts the unsent fragments for `side`. Returns whether there were any.
    pub(super) fn cancel_fragments(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        side: Side,
        reason: FrameDrop,
    ) -> bool {
        let any = self.fragment_tx.cancel(side);
        if any {
            inner.count_drop(side, reason);
        }
        any
    }
}
