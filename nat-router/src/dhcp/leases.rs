//! The pool: which client has which address, and which addresses must be probed first.

use core::net::Ipv4Addr;

/// The time in seconds for which an offered address is reserved for its client, and a client waits
/// for the probe of one. Short, because a flood of invented clients reserves every address.
const OFFER_SECONDS: u32 = 10;

/// The time in seconds for which an address that was found in use is not leased.
pub(super) const IN_USE_SECONDS: u32 = 600;

pub(crate) type Mac = [u8; 6];

/// A client: the keyed hash of its identifier, see [`Identity`](super::identity::Identity).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ClientKey(pub(super) [u8; 8]);

/// The state of one address of the pool, and the message that waits until the address is probed.
///
/// A lease is remembered after its end until another client needs the address, so that clients get
/// the same address again.
#[derive(Clone, Copy)]
pub(crate) struct Lease {
    client: ClientKey,
    /// When it ends, in seconds since the start.
    until: u32,
    /// The transaction number of the message that waits.
    transaction: u32,
    /// The hardware address of the client, or of another station that uses the address.
    mac: Mac,
    state: State,
    flags: Flags,
}

// The documentation says 24 bytes for a lease.
const _: () = assert!(size_of::<Lease>() == 24);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum State {
    Free = 0,
    /// Reserved for a client, and to be probed.
    Chosen,
    /// Being probed.
    Probed,
    /// Probed, and reserved for its client.
    Offered,
    Leased,
    /// A station has answered the probe.
    InUse,
    /// A client has found it in use.
    Declined,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    Offer,
    Ack,
}

/// The part of a client's message that its reply needs, stored while the address is probed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Question {
    pub(super) mac: Mac,
    pub(super) transaction: u32,
    pub(super) wanted: Wanted,
    /// The client can receive only broadcasts.
    pub(super) broadcast: bool,
    /// The client uses the address already: its message had it in `ciaddr`.
    pub(super) current: bool,
    /// The identifier of the client is its hardware type and address.
    pub(super) hardware_id: bool,
}

/// The flags of a [`Question`] in a byte.
#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
    const NONE: Self = Self(0);
    const OFFER: u8 = 1;
    const ACK: u8 = 1 << 1;
    const BROADCAST: u8 = 1 << 2;
    const CURRENT: u8 = 1 << 3;
    const HARDWARE_ID: u8 = 1 << 4;
    /// The client asked for this address, or had it before. So it is no conflict if the client
    /// itself answers the probe.
    const ITS_OWN: u8 = 1 << 5;

    const fn of(question: &Question, its_own: bool) -> Self {
        let wanted = match question.wanted {
            Wanted::Offer => Self::OFFER,
            Wanted::Ack => Self::ACK,
        };
        Self(
            wanted
                | if question.broadcast {
                    Self::BROADCAST
                } else {
                    0
                }
                | if question.current { Self::CURRENT } else { 0 }
                | if question.hardware_id {
                    Self::HARDWARE_ID
                } else {
                    0
                }
                | if its_own { Self::ITS_OWN } else { 0 },
        )
    }

    const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

impl Lease {
    pub(crate) const FREE: Self = Self {
        client: ClientKey([0; 8]),
        until: 0,
        transaction: 0,
        mac: [0; 6],
        state: State::Free,
        flags: Flags::NONE,
    };

    fn is_of(&self, client: ClientKey) -> bool {
        self.client == client
            && matches!(
                self.state,
                State::Chosen | State::Probed | State::Offered | State::Leased
            )
    }

    const fn is_over(&self, now: u32) -> bool {
        matches!(self.state, State::Free) || self.until <= now
    }

    /// Whether `asker` can have it if no other station uses it. A station that has answered a probe
    /// for it can.
    fn is_open_to(&self, asker: &Asker, now: u32) -> bool {
        self.is_over(now)
            || self.is_of(asker.client)
            || (self.state == State::InUse && self.mac == asker.question.mac)
    }

    /// The message that waits for the probe, if any.
    fn question(&self) -> Option<Question> {
        let wanted = match (self.flags.has(Flags::OFFER), self.flags.has(Flags::ACK)) {
            (true, _) => Wanted::Offer,
            (_, true) => Wanted::Ack,
            _ => return None,
        };
        Some(Question {
            mac: self.mac,
            transaction: self.transaction,
            wanted,
            broadcast: self.flags.has(Flags::BROADCAST),
            current: self.flags.has(Flags::CURRENT),
            hardware_id: self.flags.has(Flags::HARDWARE_ID),
        })
    }

    /// Reserves the address for a client until it is probed.
    fn choose(&mut self, asker: &Asker, its_own: bool, now: u32) {
        // If the address is being probed, or waits for its probe, the time of the reservation
        // stays.
        let pending = self.is_of(asker.client) && self.is_pending() && !self.is_over(now);
        let its_own = its_own || (pending && self.flags.has(Flags::ITS_OWN));
        let (state, until) = if pending {
            (self.state, self.until)
        } else {
            (State::Chosen, now.saturating_add(OFFER_SECONDS))
        };
        let Asker { client, question } = *asker;
        let (mac, transaction) = (question.mac, question.transaction);
        *self = Self {
            client,
            until,
            transaction,
            mac,
            state,
            flags: Flags::of(&question, its_own),
        };
    }

    const fn is_pending(&self) -> bool {
        matches!(self.state, State::Chosen | State::Probed)
    }

    const fn becomes(&mut self, state: State, until: u32) {
        self.state = state;
        self.until = until;
        self.flags = Flags::NONE;
    }
}

/// A client, and what it asks.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) client: ClientKey,
    pub(super) question: Question,
}

/// The pool of addresses. Each address has one entry, so none is leased twice.
pub(crate) struct Leases<'d> {
    leases: &'d mut [Lease],
    first: Ipv4Addr,
    router: Ipv4Addr,
}

/// An address for a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Choice {
    /// The client can have it.
    Ready(Ipv4Addr),
    /// It must be probed first; the message waits.
    ToProbe(Ipv4Addr),
}

/// The result of a request for an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Grant {
    New,
    Renewed,
    /// The address must be probed first; the message waits.
    ToProbe,
    Refused,
}

/// The result of the probe of an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Probed {
    pub(super) client: ClientKey,
    /// The message that waited.
    pub(super) question: Option<Question>,
    /// Whether another station has the address.
    pub(super) in_use: bool,
}

impl<'d> Leases<'d> {
    /// A pool of `leases.len()` addresses from `first` on. The address `router` is never leased.
    pub(crate) const fn new(leases: &'d mut [Lease], first: Ipv4Addr, router: Ipv4Addr) -> Self {
        Self {
            leases,
            first,
            router,
        }
    }

    /// How many addresses the pool has.
    pub(super) const fn len(&self) -> usize {
        self.leases.len()
    }

    /// Finds an address for a client, and reserves it: the one it has or had, the one it asks for,
    /// or another. `None` if there is none.
    pub(super) fn offer(
        &mut self,
        asker: &Asker,
        asked: Option<Ipv4Addr>,
        now: u32,
    ) -> Option<Choice> {
        // The order of RFC 2131 section 4.3.1.
        let slot = self
            .place_of(asker.client)
            .or_else(|| self.open_slot(asked?, asker, now))
            .or_else(|| self.any(asker.question.mac, now))?;
        let address = self.address(slot);
        let lease = self.leases.get_mut(slot)?;
        match lease.state {
            State::Leased if !lease.is_over(now) => return Some(Choice::Ready(address)),
            State::Offered if !lease.is_over(now) => {
                lease.until = now.saturating_add(OFFER_SECONDS);
                return Some(Choice::Ready(address));
            }
            _ => {}
        }
        // The lease is over or never was, so another station may use the address by now.
        let had =
            lease.is_of(asker.client) && matches!(lease.state, State::Offered | State::Leased);
        lease.choose(asker, had || asked == Some(address), now);
        Some(Choice::ToProbe(address))
    }

    /// Leases `address` to a client for `seconds`, at once if it is known that no other station has
    /// the address.
    pub(super) fn grant(
        &mut self,
        asker: &Asker,
        address: Ipv4Addr,
        now: u32,
        seconds: u32,
    ) -> Grant {
        let Some(slot) = self.open_slot(address, asker, now) else {
            return Grant::Refused;
        };
        let Some(lease) = self.leases.get_mut(slot) else {
            return Grant::Refused;
        };
        let is_reserved = lease.is_of(asker.client) && !lease.is_over(now);
        match lease.state {
            State::Leased if is_reserved => {
                lease.becomes(State::Leased, now.saturating_add(seconds));
                Grant::Renewed
            }
            State::Offered if is_reserved => {
                self.lease_out(slot, asker.client, now, seconds);
                Grant::New
            }
            _ => {
                // The client may have a lease from before a restart of the router. The probe shows
                // whether another station has the address.
                lease.choose(asker, true, now);
                Grant::ToProbe
            }
        }
    }

    fn lease_out(&mut self, slot: usize, client: ClientKey, now: u32, seconds: u32) {
        for (other, lease) in self.leases.iter_mut().enumerate() {
            if other == slot {
                lease.becomes(State::Leased, now.saturating_add(seconds));
            } else if lease.is_of(client) {
                // A client has one address.
                *lease = Lease::FREE;
            }
        }
    }

    /// The next address to probe: the one that has waited longest. [`Self::probed`] takes the
    /// result.
    pub(super) fn next_probe(&mut self, now: u32) -> Option<Ipv4Addr> {
        let waiting = self.leases.iter_mut().enumerate();
        let waiting =
            waiting.filter(|(_, lease)| lease.state == State::Chosen && !lease.is_over(now));
        let (slot, lease) = waiting.min_by_key(|(_, lease)| lease.until)?;
        lease.state = State::Probed;
        lease.until = now.saturating_add(OFFER_SECONDS);
        Some(self.address(slot))
    }

    /// Processes the result of the probe for `address`: the `station` that has answered, if any.
    /// `None` if the result is not needed any more.
    pub(super) fn probed(
        &mut self,
        address: Ipv4Addr,
        station: Option<Mac>,
        now: u32,
    ) -> Option<Probed> {
        let slot = self.slot_at(address)?;
        let lease = self
            .leases
            .get_mut(slot)
            .filter(|lease| lease.state == State::Probed)?;
        let (client, question) = (lease.client, lease.question());
        // A client that had the address before may answer the probe for it itself.
        let other =
            station.filter(|station| *station != lease.mac || !lease.flags.has(Flags::ITS_OWN));
        match other {
            None => lease.becomes(State::Offered, now.saturating_add(OFFER_SECONDS)),
            Some(station) => {
                *lease = Lease {
                    mac: station,
                    ..Lease::FREE
                };
                lease.becomes(State::InUse, now.saturating_add(IN_USE_SECONDS));
            }
        }
        Some(Probed {
            client,
            question,
            in_use: other.is_some(),
        })
    }

    /// Whether a message waits for the probe of `address`.
    pub(super) fn has_question(&self, address: Ipv4Addr, now: u32) -> bool {
        let lease = self.slot_at(address).and_then(|slot| self.leases.get(slot));
        lease.is_some_and(|lease| {
            lease.is_pending() && !lease.is_over(now) && lease.question().is_some()
        })
    }

    /// Drops the message that waits for the probe of `address`. The client must ask again.
    pub(super) fn forget_question(&mut self, address: Ipv4Addr) {
        if let Some(lease) = self
            .slot_at(address)
            .and_then(|slot| self.leases.get_mut(slot))
        {
            lease.flags = Flags(lease.flags.0 & !(Flags::OFFER | Flags::ACK));
        }
    }

    /// Frees the addresses that are offered to the client, or that it waits for.
    pub(super) fn withdraw(&mut self, client: ClientKey, now: u32) {
        for lease in self
            .leases
            .iter_mut()
            .filter(|lease| lease.is_of(client) && lease.state != State::Leased)
        {
            match lease.state {
                // The probe continues, but no message waits for it.
                State::Probed => lease.flags = Flags::NONE,
                _ => lease.until = now,
            }
        }
    }

    /// Ends the client's lease. The client gets the same address again if it comes back before
    /// another one needs it.
    pub(super) fn release(&mut self, client: ClientKey, address: Ipv4Addr, now: u32) {
        if let Some(lease) = self.lease_of(client, address) {
            lease.until = now;
        }
    }

    /// Puts the client's address aside, because the client found it in use by another station. A
    /// client cannot decline other addresses; otherwise it could empty the pool. Returns whether
    /// the address was the client's.
    pub(super) fn decline(&mut self, client: ClientKey, address: Ipv4Addr, now: u32) -> bool {
        let Some(lease) = self.lease_of(client, address) else {
            return false;
        };
        *lease = Lease::FREE;
        lease.becomes(State::Declined, now.saturating_add(IN_USE_SECONDS));
        true
    }

    fn lease_of(&mut self, client: ClientKey, address: Ipv4Addr) -> Option<&mut Lease> {
        let slot = self.slot_at(address)?;
        let lease = self.leases.get_mut(slot)?;
        (lease.is_of(client) && matches!(lease.state, State::Offered | State::Leased))
            .then_some(lease)
    }

    /// The address that is reserved for the client or leased to it, or was last.
    #[cfg(feature = "dns")]
    pub(super) fn address_of(&self, client: ClientKey) -> Option<Ipv4Addr> {
        self.place_of(client).map(|slot| self.address(slot))
    }

    fn place_of(&self, client: ClientKey) -> Option<usize> {
        self.leases.iter().position(|lease| lease.is_of(client))
    }

    /// The index of `address` if it may be leased at all.
    fn slot_at(&self, address: Ipv4Addr) -> Option<usize> {
        let slot = address.to_bits().checked_sub(self.first.to_bits())? as usize;
        (slot < self.leases.len() && address != self.router).then_some(slot)
    }

    fn open_slot(&self, address: Ipv4Addr, asker: &Asker, now: u32) -> Option<usize> {
        self.slot_at(address).filter(|slot| {
            self.leases
                .get(*slot)
                .is_some_and(|lease| lease.is_open_to(asker, now))
        })
    }

    fn address(&self, slot: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits().wrapping_add(slot as u32))
    }

    /// An entry whose lease is over. It prefers one that no client has used, and searches from an
    /// index that depends only on `mac`: so most clients get the same address after a restart, when
    /// the router remembers none. Otherwise it takes the one that ended first, so that clients get
    /// their own address again for as long as possible.
    fn any(&self, mac: Mac, now: u32) -> Option<usize> {
        let len = self.leases.len();
        let hash = mac.iter().fold(0_u32, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u32::from(*byte))
        });
        let start = hash as usize;
        let index = |step| start.wrapping_add(step).checked_rem(len).unwrap_or(0);
        (0..len)
            .map(index)
            .filter(|index| self.is_available(*index, now))
            .min_by_key(|index| {
                let lease = self.leases.get(*index);
                lease.map(|lease| (lease.state == State::Leased, lease.until))
            })
    }

    /// Whether the lease at an index is over, and the address may be leased at all.
    fn is_available(&self, index: usize, now: u32) -> bool {
        // An address that is being probed changes its state when the probe ends.
        let is_over = |lease: &Lease| lease.is_over(now) && lease.state != State::Probed;
        self.address(index) != self.router && self.leases.get(index).is_some_and(is_over)
    }
}
