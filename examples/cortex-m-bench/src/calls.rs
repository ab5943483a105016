//! Every public function of the engine that does something, each as a function of its own: so that
//! its stack can be told from that of others. `.ci/stack` fails if one is missing.

use core::mem::MaybeUninit;
use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::{
    Config, ConfigError, EventHook, Fragmenter, Fragments, Instant, Nat, PortForward,
    PortForwardError, Quarantine, Reply, Seed, Side, Stats, Verdict,
};

use crate::trial::world::EngineTables;

type Engine = Nat<'static>;

#[inline(never)]
pub fn call_new(tables: &'static mut EngineTables, config: Config) -> Result<Engine, ConfigError> {
    Nat::new(tables, config, Seed::new([7; 16]))
}

#[inline(never)]
pub fn call_new_in<'p>(
    place: &'p mut MaybeUninit<Engine>,
    tables: &'static mut EngineTables,
    config: Config,
) -> Result<&'p mut Engine, ConfigError> {
    Nat::new_in(place, tables, config, Seed::new([7; 16]))
}

#[inline(never)]
pub fn call_with_fragments(nat: Engine, memory: &'static mut Fragments<16, 4>) -> Engine {
    nat.with_fragments(memory)
}

#[inline(never)]
pub fn call_set_fragments(nat: &mut Engine, memory: &'static mut Fragments<16, 4>) {
    nat.set_fragments(memory);
}

#[inline(never)]
pub fn call_with_quarantine(nat: Engine, memory: &'static mut Quarantine<64>) -> Engine {
    nat.with_quarantine(memory)
}

#[inline(never)]
pub fn call_set_quarantine(nat: &mut Engine, memory: &'static mut Quarantine<64>) {
    nat.set_quarantine(memory);
}

#[inline(never)]
pub fn call_set_event_hook(nat: &mut Engine, hook: &'static mut (dyn EventHook + Send)) {
    nat.set_event_hook(hook);
}

#[inline(never)]
pub fn call_clear_event_hook(nat: &mut Engine) {
    nat.clear_event_hook();
}

#[inline(never)]
pub fn call_process(nat: &mut Engine, packet: &mut [u8], from: Side, now: Instant) -> Verdict {
    nat.process(packet, from, now)
}

#[inline(never)]
pub fn call_process_local(nat: &mut Engine, packet: &mut [u8], now: Instant) -> Verdict {
    nat.process_local(packet, now)
}

#[inline(never)]
pub fn call_release(nat: &mut Engine, buffer: &mut [u8], now: Instant) -> Option<Verdict> {
    nat.release(buffer, now)
}

#[inline(never)]
pub fn call_reply_emit(reply: &Reply, packet: &[u8], buffer: &mut [u8]) -> Option<usize> {
    reply.emit(packet, buffer)
}

#[inline(never)]
pub fn call_fragmenter_emit(packet: &[u8], mtu: u16, buffer: &mut [u8]) -> Option<usize> {
    Fragmenter::new(packet, mtu).emit(buffer)
}

#[inline(never)]
pub fn call_host_unreachable(
    nat: &mut Engine,
    packet: &[u8],
    side: Side,
    buffer: &mut [u8],
    now: Instant,
) -> Option<usize> {
    nat.host_unreachable(packet, side, buffer, now)
}

#[inline(never)]
pub fn call_poll_timeout(nat: &Engine) -> Option<Instant> {
    nat.poll_timeout()
}

#[inline(never)]
pub fn call_handle_timeout(nat: &mut Engine, now: Instant) {
    nat.handle_timeout(now);
}

#[inline(never)]
pub fn call_external_addresses(nat: &Engine) -> &[Ipv4Addr] {
    nat.external_addresses()
}

#[inline(never)]
pub fn call_set_external_addresses(
    nat: &mut Engine,
    addresses: &[Ipv4Addr],
    now: Instant,
) -> Result<(), ConfigError> {
    nat.set_external_addresses(addresses, now)
}

#[inline(never)]
pub fn call_drain_external_address(nat: &mut Engine, address: Ipv4Addr, now: Instant) -> bool {
    nat.drain_external_address(address, Duration::from_secs(350), now)
}

#[inline(never)]
pub fn call_draining_addresses(nat: &Engine) -> usize {
    nat.draining_addresses().count()
}

#[inline(never)]
pub fn call_set_mtu(nat: &mut Engine, side: Side, mtu: u16) -> Result<(), ConfigError> {
    nat.set_mtu(side, mtu)
}

#[inline(never)]
pub fn call_add_port_forward(
    nat: &mut Engine,
    forward: PortForward,
) -> Result<(), PortForwardError> {
    nat.add_port_forward(forward)
}

#[inline(never)]
pub fn call_remove_port_forward(nat: &mut Engine, forward: &PortForward, now: Instant) -> bool {
    nat.remove_port_forward(forward, now)
}

#[inline(never)]
pub fn call_port_forwards(nat: &Engine) -> usize {
    nat.port_forwards().count()
}

#[inline(never)]
pub fn call_inactive_port_forwards(nat: &Engine) -> usize {
    nat.inactive_port_forwards().count()
}

#[inline(never)]
pub fn call_clear(nat: &mut Engine, now: Instant) {
    nat.clear(now);
}

#[inline(never)]
pub fn call_sessions(nat: &Engine) -> usize {
    nat.sessions()
        .filter(|session| session.remote.port() != 1)
        .count()
}

#[inline(never)]
pub fn call_stats(nat: &Engine, stats: &mut Stats) {
    *stats = nat.stats();
}

#[inline(never)]
pub fn call_config(nat: &Engine) -> &Config {
    nat.config()
}
