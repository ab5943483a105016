//! Calls every public function of `nat-core` with values that the compiler cannot know.

use core::fmt::{Display, Write};
use core::hint::black_box;
use core::mem::MaybeUninit;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{
    Cidr, Config, DropReason, Event, EventHook, Fragmenter, Fragments, Instant, Mapping, Nat,
    PortForward, PortRange, Protocol, Quarantine, QuarantineConfig, Reply, Seed, Side, Tables,
    Verdict, WideQuarantine, WideTables, Width,
};
use static_cell::ConstStaticCell;

/// The engine with 16-bit indexes, as in firmware.
pub(crate) fn narrow() -> Option<()> {
    static TABLES: ConstStaticCell<Tables<512, 1024>> = ConstStaticCell::new(Tables::new());
    static QUARANTINE: ConstStaticCell<Quarantine<64>> = ConstStaticCell::new(Quarantine::new());
    static FRAGMENTS: ConstStaticCell<Fragments<16, 4>> = ConstStaticCell::new(Fragments::new());
    let mut place = MaybeUninit::uninit();
    let nat = Nat::new_in(&mut place, TABLES.try_take()?, config(), seed()).ok()?;
    nat.set_quarantine(QUARANTINE.try_take()?);
    nat.set_fragments(FRAGMENTS.try_take()?);
    drive(nat, &mut Hook);
    Some(())
}

/// The engine with 32-bit indexes.
pub(crate) fn wide() -> Option<()> {
    static TABLES: ConstStaticCell<WideTables<70_000, 80_000>> =
        ConstStaticCell::new(WideTables::wide());
    static QUARANTINE: ConstStaticCell<WideQuarantine<70_000>> =
        ConstStaticCell::new(WideQuarantine::wide());
    static FRAGMENTS: ConstStaticCell<Fragments<16, 4>> = ConstStaticCell::new(Fragments::new());
    let nat = Nat::new(TABLES.try_take()?, config(), seed())
        .ok()?
        .with_quarantine(QUARANTINE.try_take()?);
    drive(&mut nat.with_fragments(FRAGMENTS.try_take()?), &mut Hook);
    Some(())
}

fn config() -> Config {
    let prefix = Cidr::new(unknown(Ipv4Addr::LOCALHOST), unknown(24));
    let inside = prefix.unwrap_or(const { Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 24).unwrap() });
    let mut config = unknown(if unknown(true) {
        Config::new(inside)
    } else {
        Config::gateway(inside)
    });
    config.ports = ports().unwrap_or(config.ports);
    config.mapping = unknown(Mapping::EndpointIndependent);
    let _ = config.external_addresses.push(unknown(Ipv4Addr::LOCALHOST));
    let _ = unknown(config.quarantine == QuarantineConfig::DEFAULT);
    unknown(config)
}

fn ports() -> Option<PortRange> {
    let range = PortRange::new(unknown(5000), unknown(6000))?;
    unknown((range.first(), range.last(), range.contains(unknown(5500))));
    Some(range)
}

fn seed() -> Seed {
    Seed::new(unknown([7; 16]))
}

struct Hook;

impl EventHook for Hook {
    fn on_event(&mut self, event: &Event) {
        unknown((*event, event.at()));
    }
}

fn drive<'t, W: Width>(nat: &mut Nat<'t, W>, hook: &'t mut Hook) {
    let mut buffer = [0; 1500];
    nat.set_event_hook(hook);
    while unknown(true) {
        packets(nat, &mut buffer);
        addresses(nat);
        forwards(nat);
        observe(nat);
    }
}

fn packets<W: Width>(nat: &mut Nat<'_, W>, buffer: &mut [u8]) {
    let mut bytes = unknown([0; 1500]);
    let packet = bytes.get_mut(..unknown(1500)).unwrap_or_default();
    let verdict = nat.process(packet, side(), now());
    emit(&verdict, packet, buffer);
    let verdict = nat.process_local(packet, now());
    emit(&verdict, packet, buffer);
    let len = unknown(buffer.len());
    unknown(nat.release(buffer.get_mut(..len).unwrap_or_default(), now()));
    unknown(nat.host_unreachable(packet, side(), buffer, now()));
    nat.handle_timeout(now());
    unknown(nat.poll_timeout());
}

fn emit(verdict: &Verdict, packet: &[u8], buffer: &mut [u8]) {
    match verdict {
        Verdict::Fragment { mtu, .. } => {
            let mut pieces = Fragmenter::new(packet, *mtu);
            unknown(pieces.emit(buffer));
            let mut rest = Fragmenter::resume(packet, unknown(*mtu), unknown(pieces.position()));
            unknown(rest.emit(buffer));
        }
        Verdict::Reject(reply) => answer(reply, packet, buffer),
        verdict => consume(*verdict),
    }
}

fn answer(reply: &Reply, packet: &[u8], buffer: &mut [u8]) {
    unknown((
        reply.reason().as_str(),
        reply.is_reset(),
        reply.destination(),
    ));
    unknown(reply.emit(packet, buffer));
}

fn addresses<W: Width>(nat: &mut Nat<'_, W>) {
    let addresses = unknown([Ipv4Addr::LOCALHOST; 9]);
    report(nat.set_external_addresses(addresses.get(..unknown(9)).unwrap_or_default(), now()));
    unknown(nat.external_addresses());
    unknown(nat.drain_external_address(unknown(Ipv4Addr::LOCALHOST), duration(), now()));
    nat.draining_addresses().for_each(consume);
    report(nat.set_mtu(side(), unknown(1400)));
    let inside = nat.config().inside;
    unknown((
        inside.address(),
        inside.prefix_len(),
        inside.broadcast(),
        inside.network(),
    ));
    unknown(inside.contains(unknown(Ipv4Addr::LOCALHOST)));
}

fn forwards<W: Width>(nat: &mut Nat<'_, W>) {
    let inside = SocketAddrV4::new(unknown(Ipv4Addr::LOCALHOST), unknown(80));
    let mut forward = PortForward::new(unknown(Protocol::Tcp), unknown(8080), inside);
    forward.ports = unknown(1);
    report(nat.add_port_forward(forward));
    unknown(nat.remove_port_forward(&forward, now()));
    nat.port_forwards().for_each(consume);
}

fn observe<W: Width>(nat: &mut Nat<'_, W>) {
    nat.sessions().for_each(consume);
    let stats = nat.stats();
    unknown((
        stats.dropped_total(),
        stats.rejected_total(),
        stats.gateway(),
        stats.gateway().named(),
    ));
    let reason = unknown(DropReason::Land);
    unknown((stats.dropped(reason), stats.rejected(reason)));
    unknown(write!(Sink, "{reason} {}", side()).is_ok());
    unknown(stats.clone() == stats);
    unknown(
        now()
            .saturating_add(duration())
            .saturating_duration_since(now()),
    );
    unknown((
        now().as_millis(),
        Instant::from_secs(unknown(1)),
        side().opposite(),
    ));
    if unknown(true) {
        nat.clear(now());
    }
}

/// Everything that can be printed except [`Cidr`]: the standard library's code that prints an address
/// can panic.
fn report<T>(result: Result<T, impl Display>) {
    if let Err(error) = result {
        unknown(write!(Sink, "{error}").is_ok());
    }
}

struct Sink;

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        unknown(text.as_ptr());
        if unknown(true) {
            Ok(())
        } else {
            Err(core::fmt::Error)
        }
    }
}

fn now() -> Instant {
    Instant::from_millis(unknown(1))
}

fn duration() -> Duration {
    Duration::from_millis(unknown(350_000))
}

fn side() -> Side {
    unknown(Side::Inside)
}

fn consume<T>(value: T) {
    unknown(value);
}

/// A value of which the compiler knows only the type.
fn unknown<T>(value: T) -> T {
    black_box(value)
}
