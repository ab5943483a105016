//! A NAT router between two devices of smoltcp that carry bare IP datagrams ([`Medium::Ip`]), such as a
//! modem, a serial line or a TUN device. A loop calls [`Router::poll`]; nothing else is needed.
//!
//! On Ethernet a router needs ARP too: `nat-embassy` has it.
//!
//! [`Medium::Ip`]: smoltcp::phy::Medium::Ip

mod wire;

use nat_core::{Fragmenter, Instant, MAX_HELD_LEN, Nat, Reply, Side, Verdict};
use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::Instant as Clock;

pub use wire::{End, wire};

/// The longest datagram of either device, in bytes.
pub const MTU: usize = 1500;

/// A NAT and its two devices.
pub struct Router<'t, Lan, Wan> {
    nat: Nat<'t>,
    lan: Lan,
    wan: Wan,
}

impl<'t, Lan: Device, Wan: Device> Router<'t, Lan, Wan> {
    /// A router of `nat`. For fragments, give memory for them to `nat` before.
    pub const fn new(nat: Nat<'t>, lan: Lan, wan: Wan) -> Self {
        Self { nat, lan, wan }
    }

    /// The NAT, for port forwards, counters and the list of sessions.
    pub const fn nat(&mut self) -> &mut Nat<'t> {
        &mut self.nat
    }

    /// Forwards what both devices have received, at most 32 datagrams of each. Returns when to call
    /// this again at the latest, if nothing is received before.
    pub fn poll(&mut self, clock: Clock) -> Option<Instant> {
        let now = Instant::from_millis(clock.total_millis().unsigned_abs());
        if self.nat.poll_timeout().is_some_and(|due| due <= now) {
            self.nat.handle_timeout(now);
        }
        let mut packet = [0; MTU];
        for _ in 0..32 {
            let received = [Side::Inside, Side::Outside].map(|from| {
                let len = self.receive(from, clock, &mut packet);
                if let Some(len) = len {
                    self.process(&mut packet[..len], from, (clock, now));
                }
                len.is_some()
            });
            if received == [false; 2] {
                break;
            }
        }
        self.nat.poll_timeout()
    }

    /// The verdict on one datagram, and on the fragments that have waited for it.
    fn process(&mut self, packet: &mut [u8], from: Side, (clock, now): (Clock, Instant)) {
        let verdict = self.nat.process(packet, from, now);
        self.carry_out(verdict, packet, from, clock);
        let mut held = [0; MAX_HELD_LEN];
        while let Some(verdict) = self.nat.release(&mut held, now) {
            self.carry_out(verdict, &held, from, clock);
        }
    }

    fn carry_out(&mut self, verdict: Verdict, packet: &[u8], from: Side, clock: Clock) {
        match verdict {
            Verdict::Forward { to, len, .. } => self.send(to, &packet[..len], clock),
            Verdict::Fragment { to, len, mtu, .. } => {
                let (mut fragmenter, mut fragment) =
                    (Fragmenter::new(&packet[..len], mtu), [0; MTU]);
                while let Some(len) = fragmenter.emit(&mut fragment) {
                    self.send(to, &fragment[..len], clock);
                }
            }
            Verdict::Reject(reply) => {
                let mut answer = [0; Reply::MAX_LEN];
                if let Some(len) = reply.emit(packet, &mut answer) {
                    self.send(from, &answer[..len], clock);
                }
            }
            // `Local` is for a stack of the router itself. This one has none.
            Verdict::Local { .. } | Verdict::Drop(_) | Verdict::Hold => {}
        }
    }

    /// Takes one datagram from the device on side `from`, without the rest of one that is too long.
    fn receive(&mut self, from: Side, clock: Clock, packet: &mut [u8; MTU]) -> Option<usize> {
        match from {
            Side::Inside => receive(&mut self.lan, clock, packet),
            Side::Outside => receive(&mut self.wan, clock, packet),
        }
    }

    /// Sends a datagram. Where the device has no room for it, it is lost, as on any full link.
    fn send(&mut self, to: Side, packet: &[u8], clock: Clock) {
        match to {
            Side::Inside => send(&mut self.lan, packet, clock),
            Side::Outside => send(&mut self.wan, packet, clock),
        }
    }
}

fn receive(device: &mut impl Device, clock: Clock, packet: &mut [u8; MTU]) -> Option<usize> {
    let (token, _) = device.receive(clock)?;
    Some(token.consume(|received| {
        let len = received.len().min(MTU);
        packet[..len].copy_from_slice(&received[..len]);
        len
    }))
}

fn send(device: &mut impl Device, packet: &[u8], clock: Clock) {
    if let Some(token) = device.transmit(clock) {
        token.consume(packet.len(), |buffer| buffer.copy_from_slice(packet));
    }
}

/// Compiles the examples of the pages that belong to no crate.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/guide.md")]
    struct Guide;
}
