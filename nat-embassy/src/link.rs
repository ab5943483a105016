//! One side of the router: its driver's properties, its neighbours, and its local stack.

mod arp;
mod egress;
mod from_stack;
mod nic;
mod queue;
mod to_stack;

use core::net::Ipv4Addr;

use embassy_net_driver::{HardwareAddress, LinkState};
use nat_core::{Instant, Side, Width};

use crate::discovery::Discovery;
use crate::medium::Medium;
use crate::neighbours::{Neighbours, NextHop};
use crate::shared::Inner;
use crate::stack_interface::StackInterface;
use crate::stats::FrameDrop;
use crate::tx_frame::TxFrame;
use crate::waiting::{Stored, WaitingPackets};
use egress::Egress;

pub(crate) use nic::{Content, Framing, Nic};

/// One side of the router.
pub(crate) struct Link<'d> {
    pub(crate) nic: Nic,
    pub(crate) up: bool,
    pub(crate) stack: StackInterface<'d>,
    pub(crate) neighbours: Neighbours<'d>,
    pub(crate) waiting: WaitingPackets<'d>,
    /// How many of the router's addresses on this side have been announced.
    announced: usize,
    /// When they were last announced because another station claimed one.
    defended_at: Option<Instant>,
}

impl<'d> Link<'d> {
    pub(crate) const fn new(
        nic: Nic,
        stack: StackInterface<'d>,
        neighbours: Neighbours<'d>,
        waiting: WaitingPackets<'d>,
    ) -> Self {
        Self {
            nic,
            up: false,
            stack,
            neighbours,
            waiting,
            announced: 0,
            defended_at: None,
        }
    }

    /// Updates the state of the driver's link. Returns whether the link is another one now, so that
    /// nothing that was learned before counts: it went up or down, or its frames have link headers
    /// now, or have none any more. Without them, no neighbour would answer what waits for one.
    pub(crate) fn update(&mut self, link: LinkState, address: HardwareAddress) -> bool {
        let had_headers = self.nic.mac().is_some();
        let medium = Medium::of(address);
        if medium != self.nic.medium {
            self.nic.medium = medium;
            self.announced = 0;
            self.stack.state.set_hardware_address(address);
        }
        let up = link == LinkState::Up && medium != Medium::Unsupported;
        if up == self.up {
            return had_headers != self.nic.mac().is_some();
        }
        self.up = up;
        self.stack.discovery = Discovery::default();
        self.stack
            .state
            .set_link_state(if up { LinkState::Up } else { LinkState::Down });
        true
    }

    /// Forgets the neighbours of this side and drops the waiting packets, because the link or the
    /// address has changed.
    pub(crate) fn reset(&mut self, inner: &mut Inner<'_, impl Width>) {
        let gateway = inner.outside.and_then(|outside| outside.gateway);
        self.neighbours
            .reset(gateway.filter(|_| self.nic.side == Side::Outside));
        self.announced = 0;
        for _ in 0..self.waiting.retain(|_| false) {
            inner.count_drop(self.nic.side, FrameDrop::Flushed);
        }
    }

    /// A frame with `datagram` for `next_hop`: see [`Egress::send`].
    pub(crate) fn send<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Option<Ipv4Addr>,
        datagram: &'a [u8],
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        self.egress().send(inner, next_hop, datagram, now)
    }

    /// Lets `datagram` wait for the neighbour `next_hop`, unless another packet would have to make
    /// room. Returns whether it waits.
    pub(crate) fn wait_if_room(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        next_hop: Ipv4Addr,
        datagram: &[u8],
        now: Instant,
    ) -> bool {
        if !self.waiting.has_room(datagram.len())
            || self.neighbours.next_hop(next_hop, now) == NextHop::Full
        {
            return false;
        }
        // The query may have taken the slot of an older one, whose packets are lost.
        self.egress().drop_unresolved(inner);
        self.waiting.put(next_hop, datagram) == Stored::Kept { replaced: 0 }
    }

    /// Takes out a packet that waits for a neighbour that is neither known nor queried any more.
    pub(crate) fn take_unresolved(&mut self) -> Option<&[u8]> {
        let Self {
            neighbours,
            waiting,
            ..
        } = self;
        waiting.take_unresolved(|next_hop| neighbours.contains(next_hop))
    }

    fn egress(&mut self) -> Egress<'_, 'd> {
        Egress {
            nic: &self.nic,
            neighbours: &mut self.neighbours,
            waiting: &mut self.waiting,
        }
    }
}
