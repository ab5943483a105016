//! Calls every feature of the engine with values that the compiler cannot know, so that all of it is
//! linked.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

// Links the start-up code of the board.
use cortex_m_bench as _;
use nat_core::{
    Cidr, Config, DropReason, Event, EventHook, Fragmenter, Fragments, Instant, Nat, PortForward,
    Protocol, Quarantine, Seed, Side, Tables, Verdict,
};
use static_cell::ConstStaticCell;

static TABLES: ConstStaticCell<Tables<512, 1024>> = ConstStaticCell::new(Tables::new());
static FRAGMENTS: ConstStaticCell<Fragments<16, 4>> = ConstStaticCell::new(Fragments::new());
static QUARANTINE: ConstStaticCell<Quarantine<64>> = ConstStaticCell::new(Quarantine::new());

struct Hook;

impl EventHook for Hook {
    fn on_event(&mut self, event: &Event) {
        black_box(event);
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    run();
    loop {
        cortex_m::asm::wfi();
    }
}

fn run() -> Option<()> {
    let mut config = Config::new(black_box(Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 24)?));
    black_box(&mut config);
    let nat = Nat::new(TABLES.try_take()?, config, Seed::new(black_box([7; 16]))).ok()?;
    let mut nat = nat
        .with_fragments(FRAGMENTS.try_take()?)
        .with_quarantine(QUARANTINE.try_take()?);
    let (mut packet, mut buffer, mut hook) = ([0; 1500], [0; 1500], Hook);
    nat.set_event_hook(&mut hook);
    loop {
        control(&mut nat);
        forwards(&mut nat);
        let verdict = nat.process(black_box(&mut packet), black_box(Side::Inside), now());
        emit(&verdict, &packet, &mut buffer);
        let _ = black_box(nat.process_local(black_box(&mut packet), now()));
        let _ = black_box(nat.release(black_box(&mut buffer), now()));
    }
}

fn emit(verdict: &Verdict, packet: &[u8], buffer: &mut [u8]) {
    match verdict {
        Verdict::Fragment { mtu, .. } => {
            black_box(Fragmenter::new(packet, *mtu).emit(buffer));
        }
        Verdict::Reject(reply) => {
            black_box(reply.emit(packet, buffer));
        }
        _ => {}
    }
}

fn control(nat: &mut Nat<'_>) {
    let addresses = black_box([
        Ipv4Addr::new(198, 51, 100, 2),
        Ipv4Addr::new(198, 51, 100, 3),
    ]);
    let _ = black_box(nat.set_external_addresses(&addresses, now()));
    black_box(nat.drain_external_address(addresses[0], black_box(Duration::from_secs(350)), now()));
    black_box(nat.draining_addresses().count());
    let _ = black_box(nat.set_mtu(black_box(Side::Inside), black_box(1400)));
    nat.sessions().for_each(|session| {
        black_box(session);
    });
    black_box(nat.stats().gateway());
    black_box(nat.stats().dropped(black_box(DropReason::Land)));
    nat.handle_timeout(now());
    black_box(nat.poll_timeout());
    if black_box(true) {
        nat.clear(now());
    }
}

fn forwards(nat: &mut Nat<'_>) {
    let forward = black_box(PortForward::new(
        Protocol::Tcp,
        8080,
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80),
    ));
    let _ = black_box(nat.add_port_forward(forward));
    black_box(nat.remove_port_forward(&forward, now()));
    nat.port_forwards().for_each(|forward| {
        black_box(forward);
    });
}

fn now() -> Instant {
    Instant::from_millis(black_box(1))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::asm::udf()
}
