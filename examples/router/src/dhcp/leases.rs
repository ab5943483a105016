//! Who has which address.

use core::net::Ipv4Addr;

use crate::config::DhcpServer;

/// The largest pool of addresses to lease.
pub const LEASES: usize = 64;

/// How long an offered address is kept for the client that it was offered to, in seconds. Short, because a flood of
/// made-up clients keeps every address that long.
const OFFER_SECONDS: u32 = 10;

/// How long an address is not leased after a client has found it in use, in seconds.
const DECLINED_SECONDS: u32 = 600;

pub(crate) type Mac = [u8; 6];

/// The state of one address of the pool. It is remembered beyond its end, until the address is needed for another client,
/// so that clients get their address again.
#[derive(Clone, Copy)]
pub(crate) struct Lease {
    mac: Mac,
    state: State,
    /// When it ends, in seconds since the start.
    until: u32,
}

#[derive(Clone, Copy, Eq, PartialEq)]
#[repr(u8)]
enum State {
    Free = 0,
    Offered,
    Leased,
    Declined,
}

impl Lease {
    pub(crate) const FREE: Self = Self { mac: [0; 6], state: State::Free, until: 0 };

    fn is_of(&self, mac: Mac) -> bool {
        self.mac == mac && matches!(self.state, State::Offered | State::Leased)
    }

    const fn is_over(&self, now: u32) -> bool {
        matches!(self.state, State::Free) || self.until <= now
    }

    fn is_open_to(&self, mac: Mac, now: u32) -> bool {
        self.is_over(now) || self.is_of(mac)
    }
}

/// The pool of addresses. Each has its place in the memory, so none is leased twice.
pub(crate) struct Leases<'d> {
    leases: &'d mut [Lease],
    first: Ipv4Addr,
    router: Ipv4Addr,
}

/// What was granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Grant {
    New,
    Renewed,
}

impl<'d> Leases<'d> {
    /// The pool of `config`, of which the address `router` is never leased.
    pub(crate) fn new(memory: &'d mut [Lease; LEASES], config: &DhcpServer, router: Ipv4Addr) -> Self {
        let len = config.len().min(LEASES);
        Self { leases: memory.get_mut(..len).unwrap_or_default(), first: config.first, router }
    }

    /// Finds an address for `mac`, and keeps it for a while: the one it has or had, the one it asks for, or another.
    pub(crate) fn offer(&mut self, mac: Mac, asked: Option<Ipv4Addr>, now: u32) -> Option<Ipv4Addr> {
        let place = self.place_of(mac).or_else(|| self.open_place(asked?, mac, now)).or_else(|| self.any(mac, now))?;
        let lease = self.leases.get_mut(place)?;
        if lease.state != State::Leased || lease.is_over(now) {
            *lease = Lease { mac, state: State::Offered, until: now.saturating_add(OFFER_SECONDS) };
        }
        Some(self.address(place))
    }

    /// Leases `address` to `mac` for so many seconds; `None` if that cannot be.
    pub(crate) fn grant(&mut self, mac: Mac, address: Ipv4Addr, now: u32, seconds: u32) -> Option<Grant> {
        let place = self.open_place(address, mac, now)?;
        // A client has one address.
        for (other, lease) in self.leases.iter_mut().enumerate() {
            if other != place && lease.is_of(mac) {
                *lease = Lease::FREE;
            }
        }
        let lease = self.leases.get_mut(place)?;
        let renewed = lease.is_of(mac) && lease.state == State::Leased && !lease.is_over(now);
        *lease = Lease { mac, state: State::Leased, until: now.saturating_add(seconds) };
        Some(if renewed { Grant::Renewed } else { Grant::New })
    }

    /// The client does not want what it was offered.
    pub(crate) fn withdraw(&mut self, mac: Mac, now: u32) {
        if let Some(lease) = self.leases.iter_mut().find(|lease| lease.is_of(mac) && lease.state == State::Offered) {
            lease.until = now;
        }
    }

    /// The client gives its address back. It gets the same again if it comes back before others need it.
    pub(crate) fn release(&mut self, mac: Mac, address: Ipv4Addr, now: u32) {
        if let Some(lease) = self.lease_of(mac, address) {
            lease.until = now;
        }
    }

    /// The client has found its address in use by another. What others say of an address counts nothing, or anyone could
    /// empty the pool.
    pub(crate) fn decline(&mut self, mac: Mac, address: Ipv4Addr, now: u32) {
        if let Some(lease) = self.lease_of(mac, address) {
            *lease = Lease { mac: [0; 6], state: State::Declined, until: now.saturating_add(DECLINED_SECONDS) };
        }
    }

    fn lease_of(&mut self, mac: Mac, address: Ipv4Addr) -> Option<&mut Lease> {
        let place = self.place_at(address)?;
        self.leases.get_mut(place).filter(|lease| lease.is_of(mac))
    }

    fn place_of(&self, mac: Mac) -> Option<usize> {
        self.leases.iter().position(|lease| lease.is_of(mac))
    }

    /// The place of `address` if it may be leased at all.
    fn place_at(&self, address: Ipv4Addr) -> Option<usize> {
        let place = address.to_bits().checked_sub(self.first.to_bits())? as usize;
        (place < self.leases.len() && address != self.router).then_some(place)
    }

    fn open_place(&self, address: Ipv4Addr, mac: Mac, now: u32) -> Option<usize> {
        self.place_at(address).filter(|place| self.leases.get(*place).is_some_and(|lease| lease.is_open_to(mac, now)))
    }

    fn address(&self, place: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits().wrapping_add(place as u32))
    }

    /// A place that is over. One that nobody has used is the best, sought from a place that `mac` alone decides: so most
    /// clients get the same address from a router that has started anew and remembers none. Otherwise the one that was
    /// over first, so that clients find their address as long as possible.
    fn any(&self, mac: Mac, now: u32) -> Option<usize> {
        let len = self.leases.len();
        let start = mac.iter().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(*byte))) as usize;
        let places = (0..len).map(|step| start.wrapping_add(step).checked_rem(len).unwrap_or(0));
        let open = places.filter(|place| self.address(*place) != self.router);
        let open =
            open.filter_map(|place| Some((place, self.leases.get(place)?))).filter(|(_, lease)| lease.is_over(now));
        open.min_by_key(|(_, lease)| (lease.state == State::Leased, lease.until)).map(|(place, _)| place)
    }
}
