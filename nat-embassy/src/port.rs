//! All that touches the drivers: tokens are taken, filled and spent here, and nowhere else.

use core::task::Context;
use core::time::Duration;

use embassy_net_driver::{Checksum, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use nat_core::{Instant, Side, Width};

use crate::FrameDrop;
use crate::ethernet::{Header, Mac};
use crate::outgoing::Outgoing;
use crate::router::{Arrival, Router};

/// How long the frames of one side wait in their driver while the driver of the other side has no
/// room.
///
/// Not waiting at all would lose the better part of every burst that is longer than a transmit
/// ring, because the task that empties the ring cannot run before this one yields. Waiting for ever
/// would let a dead side stop the other side's ARP and local traffic. After this long, frames are
/// read again, and those that need the full driver are dropped, until it has room.
const HOLD: Duration = Duration::from_millis(10);

/// What kind of frames a driver carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Medium {
    /// Ethernet frames, from a station with this address.
    Ethernet(Mac),
    /// Bare IP datagrams.
    Ip,
    /// Something that IPv4 is not forwarded over. Its link counts as down.
    Unsupported,
}

impl Medium {
    pub(crate) fn of(address: HardwareAddress) -> Self {
        match address {
            HardwareAddress::Ethernet(address) => Self::Ethernet(Mac(address)),
            HardwareAddress::Ip => Self::Ip,
            _ => Self::Unsupported,
        }
    }

    /// The length of the link header in bytes.
    pub(crate) const fn header_len(self) -> usize {
        match self {
            Self::Ethernet(_) => Header::LEN,
            Self::Ip | Self::Unsupported => 0,
        }
    }
}

/// What a driver says about itself when the router is built.
pub(crate) struct Properties {
    pub(crate) address: HardwareAddress,
    /// The longest frame, link header included.
    pub(crate) max_frame: usize,
    /// Whether the device computes ICMP checksums when sending. It then needs zero in their place:
    /// the insertion of STM32, for one, adds up whatever stands there.
    pub(crate) fills_icmp_checksum: bool,
}

/// One driver.
pub(crate) struct Port<D> {
    driver: D,
    /// Since when it has had no room to transmit, as far as is known.
    full_since: Option<Instant>,
    /// Whose turn it is when the local stack and the other side both wait for room.
    stack_first: bool,
}

/// One pass over everything.
pub(crate) struct Pass<'a, 'b> {
    pub(crate) cx: &'a mut Context<'b>,
    pub(crate) now: Instant,
    /// When the next pass is needed at the latest, on account of the drivers.
    pub(crate) wake_at: Option<Instant>,
}

/// Whether a driver has room for one frame.
enum Room<T> {
    Token(T),
    /// Not now; wait until then for it.
    Wait(Instant),
    /// Not now, nor soon. What needs it is dropped for this reason.
    Blocked(FrameDrop),
}

impl<D: Driver> Port<D> {
    pub(crate) const fn new(driver: D) -> Self {
        Self {
            driver,
            full_since: None,
            stack_first: false,
        }
    }

    pub(crate) fn properties(&self) -> Properties {
        let capabilities = self.driver.capabilities();
        Properties {
            address: self.driver.hardware_address(),
            max_frame: capabilities.max_transmission_unit,
            fills_icmp_checksum: matches!(
                capabilities.checksum.icmpv4,
                Checksum::Rx | Checksum::None
            ),
        }
    }

    /// The link state and the hardware address, which some drivers learn only once they run.
    pub(crate) fn status(&mut self, cx: &mut Context<'_>) -> (LinkState, HardwareAddress) {
        (self.driver.link_state(cx), self.driver.hardware_address())
    }

    fn room(&mut self, link_up: bool, pass: &mut Pass<'_, '_>) -> Room<D::TxToken<'_>> {
        if !link_up {
            self.full_since = None;
            return Room::Blocked(FrameDrop::LinkDown);
        }
        if let Some(token) = self.driver.transmit(pass.cx) {
            self.full_since = None;
            return Room::Token(token);
        }
        let until = self.full_since.get_or_insert(pass.now).saturating_add(HOLD);
        if until > pass.now {
            Room::Wait(until)
        } else {
            Room::Blocked(FrameDrop::TxFull)
        }
    }
}

impl Pass<'_, '_> {
    fn wake_by(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

impl Outgoing<'_> {
    fn transmit(&self, token: impl TxToken) {
        token.consume(self.len(), |buffer| self.write(buffer));
    }
}

/// Moves one frame from `ingress` to wherever it belongs. Returns whether there was one.
///
/// The token of the other driver is taken before the frame is received, because some drivers lose a
/// frame that is received and not consumed. While the other driver has no room, this one is left
/// alone for a while (see [`HOLD`]); its waker is not registered then, but that of the full driver
/// is, and a timer.
pub(crate) fn forward<I: Driver, E: Driver>(
    router: &mut Router<'_, impl Width>,
    from: Side,
    ingress: &mut Port<I>,
    egress: &mut Port<E>,
    pass: &mut Pass<'_, '_>,
) -> bool {
    let (token, blocked) = match egress.room(router.is_up(from.opposite()), pass) {
        Room::Token(token) => (Some(token), None),
        Room::Blocked(reason) => {
            router.give_up_departing(from.opposite(), reason);
            (None, Some(reason))
        }
        Room::Wait(until) => {
            pass.wake_by(until);
            return false;
        }
    };
    // What comes next may need the place of what departs now, and is not to overtake it.
    if router.is_departing(from.opposite()) {
        return false;
    }
    let Some((frame, answer)) = ingress.driver.receive(pass.cx) else {
        return false;
    };
    let arrival = Arrival {
        from,
        now: pass.now,
        blocked,
        header: None,
    };
    let forwarded = frame.consume(|frame| {
        let outgoing = router.accept(frame, arrival)?;
        if outgoing.to == from {
            outgoing.transmit(answer);
            return None;
        }
        outgoing.transmit(token?);
        Some(())
    });
    if forwarded.is_some() {
        egress.stack_first = true;
    }
    true
}

/// Moves one frame from the local stack of `side` to `port`. Returns whether there was one.
///
/// While the driver has no room, the frame stays where it is: that holds up nobody but this stack.
/// While the link is down it is dropped.
pub(crate) fn send_from_stack<D: Driver>(
    router: &mut Router<'_, impl Width>,
    side: Side,
    port: &mut Port<D>,
    pass: &mut Pass<'_, '_>,
) -> bool {
    let token = if router.is_up(side) {
        let Some(token) = port.driver.transmit(pass.cx) else {
            return false;
        };
        Some(token)
    } else {
        None
    };
    if !router.poll_stack(side, pass.cx) {
        return false;
    }
    let outgoing = router.accept_from_stack(side, pass.now);
    if let (Some(outgoing), Some(token)) = (outgoing, token) {
        outgoing.transmit(token);
        port.stack_first = false;
    }
    router.stack_frame_done(side);
    true
}

/// Who may have frames that leave by a side. Whoever had none wakes us when that changes, so it is
/// not asked again in the same pass.
#[derive(Clone, Copy)]
pub(crate) struct Sources {
    other_side: bool,
    stack: bool,
}

impl Sources {
    pub(crate) const ALL: Self = Self {
        other_side: true,
        stack: true,
    };

    pub(crate) const fn any(self) -> bool {
        self.other_side || self.stack
    }
}

/// Moves one frame to `egress` from each of `sources`, if there is room for both, and strikes out
/// those without one. They take turns in going first, so that neither starves the other when room
/// is scarce.
pub(crate) fn serve<I: Driver, E: Driver>(
    router: &mut Router<'_, impl Width>,
    from: Side,
    ingress: &mut Port<I>,
    egress: &mut Port<E>,
    (sources, pass): (&mut Sources, &mut Pass<'_, '_>),
) {
    let to = from.opposite();
    let stack_first = egress.stack_first;
    if stack_first && sources.stack {
        sources.stack = send_from_stack(router, to, egress, pass);
    }
    if sources.other_side {
        sources.other_side = forward(router, from, ingress, egress, pass);
    }
    if !stack_first && sources.stack {
        sources.stack = send_from_stack(router, to, egress, pass);
    }
}

/// Sends one frame that the router itself has to say on `side`. Returns whether there may be more
/// to do: a departing datagram moves on even where its frame has to wait for a neighbour, or where
/// it is over, and a frame of the application that is too long for the driver is followed by
/// others.
pub(crate) fn send_own<D: Driver>(
    router: &mut Router<'_, impl Width>,
    side: Side,
    port: &mut Port<D>,
    pass: &mut Pass<'_, '_>,
) -> bool {
    let Some(token) = port.driver.transmit(pass.cx) else {
        return false;
    };
    let moves_on = router.moves_on(side);
    let Some(outgoing) = router.own_frame(side, pass.now) else {
        return moves_on;
    };
    outgoing.transmit(token);
    true
}
