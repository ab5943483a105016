//! The fast path of most packets: whole datagrams of a live session that change nothing of it but
//! its timer and its numbers.
//!
//! It parses, applies the packet to its session, and rewrites. What decides whether a packet may
//! pass are the rules of the slow path: [`View`] and [`Hop`], and those of the session. A packet for
//! which any answer differs takes the slow path, and nothing has changed yet. The slow path's checks
//! of the packet's other addresses are left out: a packet that fails them has no session.

use core::net::Ipv4Addr;

use zerocopy::Unalign;

use crate::state::{Endpoint, FastMapping, Origin, OutsideTuple, Proto};
use crate::table::Width;
use crate::translate::fast_header::{FastHeader, Halfword};
use crate::translate::{End, Ttl};
use crate::wire::addresses::is_unicast;
use crate::wire::ipv4;
use crate::{Nat, Side, Verdict};

use crate::nat::hop::Hop;
use crate::nat::view::View;

/// Why a packet does not take the fast path of a live session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Detour {
    /// The slow path has to look at it, unless it is only at an odd address.
    Slow,
    /// It is translated, and comes from inside without a mapping.
    NoMapping(Proto),
    /// It comes from outside, to an external endpoint without a mapping.
    Unsolicited(Proto),
}

impl<W: Width> Nat<'_, W> {
    /// Processes a packet that can take the fast path. `None` for any other; then nothing has
    /// changed.
    #[cfg(feature = "audit")]
    pub(crate) fn fast_only(&mut self, packet: &mut [u8], from: Side) -> Option<Verdict> {
        match self.fast_path(packet, from) {
            Ok(verdict) => Some(verdict),
            Err(detour) => self.other_fast_path(packet, from, detour),
        }
    }

    /// Translates a packet of a live session, if it is at an even address. Else nothing has changed.
    #[inline(always)]
    pub(crate) fn fast_path(&mut self, packet: &mut [u8], from: Side) -> Result<Verdict, Detour> {
        // Fails at an odd address, and for what only the slow path judges: options, fragments, a
        // wrong checksum, a port of zero.
        let header = FastHeader::<u16>::parse(packet).ok_or(Detour::Slow)?;
        // A copy of the code for each side and protocol, without the tests for them at each step: 17
        // of some 400 instructions on a Cortex-M4.
        match (from, header.protocol()) {
            (Side::Inside, ipv4::UDP) => self.fast_outbound(header, Proto::Udp),
            (Side::Inside, ipv4::TCP) => self.fast_outbound(header, Proto::Tcp),
            (Side::Outside, ipv4::UDP) => self.fast_inbound(header, Proto::Udp),
            (Side::Outside, ipv4::TCP) => self.fast_inbound(header, Proto::Tcp),
            _ => Err(Detour::Slow),
        }
    }

    /// Processes a packet that has not taken the fast path, if it can take another one. `None` if it
    /// cannot; then nothing has changed.
    pub(crate) fn other_fast_path(
        &mut self,
        packet: &mut [u8],
        from: Side,
        detour: Detour,
    ) -> Option<Verdict> {
        // At an odd address the aligned fast path has seen nothing of the packet: `Slow` says only
        // that.
        if packet.as_ptr().addr().is_multiple_of(2) {
            return self.take_detour::<u16>(packet, detour);
        }
        match self.fast_path_at_odd_address(packet, from) {
            Ok(verdict) => Some(verdict),
            Err(detour) => self.take_detour::<Unalign<u16>>(packet, detour),
        }
    }

    fn take_detour<H: Halfword>(&mut self, packet: &mut [u8], detour: Detour) -> Option<Verdict> {
        // Not checked again: each detour but `Slow` is of a packet that was parsed.
        let header = FastHeader::<H>::of_parsed(packet)?;
        match detour {
            Detour::Slow => None,
            Detour::NoMapping(proto) => self.fast_opening(header, proto),
            Detour::Unsolicited(proto) => self.fast_unsolicited(&header, proto),
        }
    }

    /// The fast path at an odd address, where not every CPU can read halfwords. One copy of the code
    /// is enough here.
    #[inline(never)]
    fn fast_path_at_odd_address(
        &mut self,
        packet: &mut [u8],
        from: Side,
    ) -> Result<Verdict, Detour> {
        let header = FastHeader::<Unalign<u16>>::parse(packet).ok_or(Detour::Slow)?;
        let proto = match header.protocol() {
            ipv4::UDP => Proto::Udp,
            ipv4::TCP => Proto::Tcp,
            _ => return Err(Detour::Slow),
        };
        match from {
            Side::Inside => self.fast_outbound(header, proto),
            Side::Outside => self.fast_inbound(header, proto),
        }
    }

    #[inline(always)]
    fn fast_outbound<H: Halfword>(
        &mut self,
        header: FastHeader<'_, H>,
        proto: Proto,
    ) -> Result<Verdict, Detour> {
        let view = self.view();
        let remote = header.destination();
        // A packet to the router or to an external address is for the slow path. Nothing is asked
        // of the source: one that no inside host may have is in no mapping.
        if !view.passes_whole(&header, Side::Outside) || !view.is_only_outside(remote.address) {
            return Err(Detour::Slow);
        }
        if view.is_untranslated(proto, Origin::Host, remote) {
            return Err(Detour::Slow);
        }
        let mapping = view
            .tables
            .fast_outbound(proto, header.source(), remote)
            .ok_or(Detour::NoMapping(proto))?;
        // A draining address is valid until a certain time, which the slow path checks.
        let address = view.policy.pool.active_address(mapping.external);
        let external = Endpoint {
            address: address.ok_or(Detour::Slow)?,
            port: mapping.external_port,
        };
        // The last step that may fail, and the first that changes anything.
        self.apply_fast(mapping, &header, (Side::Inside, proto, remote))
            .ok_or(Detour::Slow)?;
        Ok(self.fast_send(header, proto, external))
    }

    #[inline(always)]
    fn fast_inbound<H: Halfword>(
        &mut self,
        mut header: FastHeader<'_, H>,
        proto: Proto,
    ) -> Result<Verdict, Detour> {
        let view = self.view();
        let (remote, destination) = (header.source(), header.destination());
        // What comes to the port of the DHCP client is the router's, before any mapping.
        if !view.passes_whole(&header, Side::Inside)
            || view.is_dhcp_client_port(proto, destination.port)
            || !view.is_only_outside(remote.address)
        {
            return Err(Detour::Slow);
        }
        let external = view.external_number(destination.address);
        let (mapping, inside) = view
            .tables
            .fast_inbound(&OutsideTuple {
                proto,
                external: external.ok_or(Detour::Slow)?,
                external_port: destination.port,
                remote,
            })
            .ok_or(Detour::Unsolicited(proto))?;
        // As above: the last step that may fail.
        self.apply_fast(mapping, &header, (Side::Outside, proto, remote))
            .ok_or(Detour::Slow)?;
        header.rewrite(proto, End::Destination, inside);
        Ok(self.fast_verdict(&header, Side::Inside))
    }

    /// Drops a packet to an external endpoint that has no mapping and no port forward. `None` if it
    /// has one, or if the slow path has another reason to drop the packet.
    #[inline(never)]
    fn fast_unsolicited<H: Halfword>(
        &mut self,
        header: &FastHeader<'_, H>,
        proto: Proto,
    ) -> Option<Verdict> {
        let (remote, destination) = (header.source(), header.destination());
        // The slow path refuses these before it looks for a receiver, for a reason of their own.
        if !is_unicast(remote.address) || header.content(proto).is_none() {
            return None;
        }
        let view = self.view();
        let tuple = OutsideTuple {
            proto,
            external: view.external_number(destination.address)?,
            external_port: destination.port,
            remote,
        };
        let verdict = Verdict::Drop(view.receiver_at(&tuple).err()?);
        self.count_slow(header, Side::Outside, &verdict);
        Some(verdict)
    }

    /// Counts a packet that came from side `from` like the slow path.
    pub(super) fn count_slow<H: Halfword>(
        &mut self,
        header: &FastHeader<'_, H>,
        from: Side,
        verdict: &Verdict,
    ) {
        self.state.clock.note_packet();
        let (stats, len) = (&mut self.record.stats, usize::from(header.total_length()));
        stats.count_in(from, Origin::Host, len);
        stats.count_verdict(verdict);
    }

    /// Applies a packet to the live session of `mapping` with `remote`. `None` if there is none, or
    /// if the packet may do more to it: then nothing has changed.
    #[inline(always)]
    fn apply_fast<H: Halfword>(
        &mut self,
        mapping: FastMapping<W>,
        header: &FastHeader<'_, H>,
        (from, proto, remote): (Side, Proto, Endpoint),
    ) -> Option<()> {
        let now = self.state.clock.tick();
        let tables = &mut self.state.tables;
        if proto == Proto::Udp {
            tables.fast_datagram(mapping, remote, (from, header.question()?), now)
        } else {
            tables.fast_segment(mapping, remote, (from, &header.plain_segment()?), now)
        }
    }

    /// Translates a packet to the outside, which leaves from `external`.
    #[inline(always)]
    pub(super) fn fast_send<H: Halfword>(
        &mut self,
        mut header: FastHeader<'_, H>,
        proto: Proto,
        external: Endpoint,
    ) -> Verdict {
        header.rewrite(proto, End::Source, external);
        // An atomic datagram keeps its identification, which means nothing (RFC 6864 section 4.1).
        if let Some((destination, protocol)) = header.needs_id() {
            header.set_id(self.ids.next(destination, protocol));
        }
        self.fast_verdict(&header, Side::Outside)
    }

    /// Counts a packet that goes on to side `to`.
    #[inline(always)]
    fn fast_verdict<H: Halfword>(&mut self, header: &FastHeader<'_, H>, to: Side) -> Verdict {
        let len = header.total_length();
        self.record.stats.count_fast(to.opposite(), len);
        Verdict::Forward {
            to,
            destination: Ipv4Addr::from_bits(header.destination().address),
            len: usize::from(len),
        }
    }
}

impl<W: Width> View<'_, W> {
    /// Whether a packet may go on to side `to` in one piece: the slow path fragments the others.
    #[inline(always)]
    fn passes_whole<H: Halfword>(self, header: &FastHeader<'_, H>, to: Side) -> bool {
        // Set whatever the packet says: with it, `check` refuses each datagram that is larger than
        // the MTU, also one that may be fragmented. This path cannot fragment, and must not answer.
        let hop = Hop {
            ttl: header.ttl(),
            len: header.total_length(),
            dont_fragment: true,
        };
        hop.check(Ttl::Decrement, self.mtu(to)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::boxed::Box;
    use std::vec::Vec;

    use etherparse::PacketBuilder;
    use zerocopy::IntoBytes;

    use crate::{Cidr, Config, Fragments, Instant, Seed, SessionInfo, Tables};

    use super::*;
    use crate::nat::clock::EXPIRED_PER_PACKET;

    const EXTERNAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
    const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

    fn nat() -> Nat<'static> {
        let mut config =
            Config::new(Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24).expect("a prefix length"));
        config
            .external_addresses
            .push(EXTERNAL)
            .expect("room for one");
        config.dhcp_client = true;
        config.inside_mtu = 600;
        config.ports = crate::PortRange::new(5000, 5003).expect("a range");
        let (tables, fragments) = (
            Box::leak(Box::new(Tables::<64, 64>::new())),
            Box::new(Fragments::<4, 2>::new()),
        );
        let nat = Nat::new(tables, config, Seed::new([7; 16])).expect("a sound configuration");
        nat.with_fragments(Box::leak(fragments))
    }

    /// A packet of which most are of a few flows, and some are damaged.
    fn packet(random: &mut fastrand::Rng, from: Side) -> Vec<u8> {
        let host = Ipv4Addr::new(
            192,
            168,
            77,
            if random.u8(..) < 240 {
                2
            } else {
                random.u8(0..4)
            },
        );
        let host = if random.u8(..) < 240 { host } else { EXTERNAL };
        let server = SERVER;
        let other = random.choice([server, EXTERNAL, host]).unwrap_or(server);
        let (source, destination) = match from {
            Side::Inside => (host, if random.u8(..) < 240 { server } else { other }),
            Side::Outside => (if random.u8(..) < 240 { server } else { other }, EXTERNAL),
        };
        let ports = (
            random.u16(5000..5004),
            random.choice([53, 80]).unwrap_or(80),
        );
        let ports = if from == Side::Inside {
            ports
        } else {
            (ports.1, ports.0)
        };
        let ttl = if random.u8(..) < 240 {
            64
        } else {
            random.u8(0..3)
        };
        let ip = PacketBuilder::ipv4(source.octets(), destination.octets(), ttl);
        let data = [7; 900];
        let data = &data[..random.choice([0, 0, 1, 10, 700]).unwrap_or(0)];
        let mut bytes = Vec::new();
        if random.bool() {
            ip.udp(ports.0, ports.1)
                .write(&mut bytes, data)
                .expect("a vector grows");
        } else {
            let numbers =
                [0; 2].map(|_| 1000 + random.choice([0, 1, 1, 1, 2, 1 << 25]).unwrap_or(0));
            let tcp = ip.tcp(ports.0, ports.1, numbers[0], 0xffff);
            let tcp = match random.u8(0..12) {
                0 => tcp.syn(),
                1 => tcp.syn().ack(numbers[1]),
                2 => tcp.fin().ack(numbers[1]),
                3 => tcp.rst(),
                4 => tcp,
                _ => tcp.ack(numbers[1]),
            };
            tcp.write(&mut bytes, data).expect("a vector grows");
        }
        damage(random, &mut bytes);
        bytes
    }

    /// Changes the flags of some datagrams, and any byte of others; most with a header checksum
    /// that holds.
    fn damage(random: &mut fastrand::Rng, bytes: &mut [u8]) {
        match random.u8(0..8) {
            0 => bytes[6] = random.choice([0, 0x20, 0x40, 0x80]).unwrap_or(0),
            1 => bytes[random.usize(0..20)] ^= 1 << random.u8(0..8),
            2 | 3 => bytes[random.usize(24..bytes.len())] ^= 1 << random.u8(0..8),
            _ => return,
        }
        if random.u8(..) < 230 {
            bytes[10..12].fill(0);
            let sum = !crate::wire::checksum::sum(&bytes[..20]);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// Two engines alike, one of which sends all packets the slow way, never differ in a verdict, a
    /// byte, a counter or a session.
    #[test]
    fn the_short_way_leads_where_the_long_way_does() {
        let mut fast = 0_u32;
        for seed in 0..400 {
            let (mut either, mut slow) = (nat(), nat());
            let mut random = fastrand::Rng::with_seed(seed);
            let mut now = 0;
            for _ in 0..600 {
                now += random
                    .choice([0, 0, 1, 1, 40, 40, 900, 900, 61_000])
                    .unwrap_or(0);
                let at = Instant::from_millis(now);
                let from = if random.bool() {
                    Side::Inside
                } else {
                    Side::Outside
                };
                let mut packet = packet(&mut random, from);
                let mut same = packet.clone();
                either.advance(at, EXPIRED_PER_PACKET);
                slow.advance(at, EXPIRED_PER_PACKET);
                if random.u8(..) == 0 {
                    let addresses = [EXTERNAL, SERVER];
                    let addresses = &addresses[..random.usize(1..3)];
                    let set = either.set_external_addresses(addresses, at);
                    assert_eq!(set, slow.set_external_addresses(addresses, at));
                }
                let ours = from == Side::Inside && packet[12..16] == EXTERNAL.octets();
                let origin = if ours { Origin::Router } else { Origin::Host };
                let shortcut = if ours {
                    None
                } else {
                    either.fast_only(&mut packet, from)
                };
                fast += u32::from(shortcut.is_some());
                let verdict = match shortcut {
                    Some(verdict) => verdict,
                    None => either.process_slow(&mut packet, from, origin),
                };
                assert_eq!(
                    verdict,
                    slow.process_slow(&mut same, from, origin),
                    "seed {seed}"
                );
                assert_eq!(packet, same, "seed {seed}");
                assert_eq!(either.stats(), slow.stats(), "seed {seed}");
                assert_eq!(sessions(&either), sessions(&slow), "seed {seed}");
                assert_eq!(
                    either.state.tables.audit_host_lists(),
                    Ok(()),
                    "seed {seed}"
                );
                assert_eq!(slow.state.tables.audit_host_lists(), Ok(()), "seed {seed}");
            }
        }
        assert!(fast > 5000, "{fast} packets went the short route");
    }

    /// Only the time it takes depends on where in memory a packet is.
    #[test]
    fn a_packet_at_an_odd_address_is_translated_too() {
        let ip = || PacketBuilder::ipv4([192, 168, 77, 2], SERVER.octets(), 64);
        let mut opening = Vec::new();
        ip().udp(5000, 80)
            .write(&mut opening, b"first")
            .expect("a vector grows");
        let translated = [0, 1].map(|offset| {
            let mut nat = nat();
            assert!(matches!(
                nat.process_slow(&mut opening.clone(), Side::Inside, Origin::Host),
                Verdict::Forward { .. }
            ));
            let mut memory = [0_u16; 32];
            let memory = memory.as_mut_bytes();
            memory[offset..][..opening.len()].copy_from_slice(&opening);
            let packet = &mut memory[offset..][..opening.len()];
            let shortcut = nat.fast_only(packet, Side::Inside);
            assert!(matches!(shortcut, Some(Verdict::Forward { .. })));
            packet.to_vec()
        });
        assert_eq!(translated[0], translated[1]);
    }

    fn sessions(nat: &Nat<'_>) -> Vec<SessionInfo> {
        nat.sessions().collect()
    }
}
