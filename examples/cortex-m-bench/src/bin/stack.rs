//! The deepest stack of each public function of the engine, by paint: with packets of every kind,
//! from both sides and of the router, and with everything that an application does.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::mem::MaybeUninit;
use core::net::SocketAddrV4;

use cortex_m_bench::board::{self, Console};
use cortex_m_bench::calls;
use cortex_m_bench::packets::{EXTERNAL, MAX_LEN, ROUTER};
use cortex_m_bench::paint::paint;
use cortex_m_bench::trial::recipe::Sessions;
use cortex_m_bench::trial::search::Random;
use cortex_m_bench::trial::world::{EngineTables, Mode, inside_of};
use nat_core::{
    Event, EventHook, Fragments, Instant, Nat, PortForward, Protocol, Quarantine, Reply, Side,
    Verdict,
};
use static_cell::ConstStaticCell;

static TABLES: [ConstStaticCell<EngineTables>; 2] =
    [const { ConstStaticCell::new(EngineTables::new()) }; 2];
static FRAGMENTS: [ConstStaticCell<Fragments<16, 4>>; 2] =
    [const { ConstStaticCell::new(Fragments::new()) }; 2];
static QUARANTINE: [ConstStaticCell<Quarantine<64>>; 2] =
    [const { ConstStaticCell::new(Quarantine::new()) }; 2];
static PLACE: ConstStaticCell<MaybeUninit<Nat<'static>>> =
    ConstStaticCell::new(MaybeUninit::uninit());
static HOOK: ConstStaticCell<Hook> = ConstStaticCell::new(Hook);
static PACKET: ConstStaticCell<[u8; MAX_LEN]> = ConstStaticCell::new([0; MAX_LEN]);
static BUFFER: ConstStaticCell<[u8; MAX_LEN]> = ConstStaticCell::new([0; MAX_LEN]);

/// Packets from each side.
const PACKETS: u32 = 6000;

/// An application's hook that does nothing: its own stack is its own affair.
struct Hook;

impl EventHook for Hook {
    fn on_event(&mut self, event: &Event) {
        black_box(event);
    }
}

/// The deepest stack of a function.
struct Row {
    name: &'static str,
    used: usize,
}

struct Rows {
    rows: [Row; 32],
    count: usize,
}

impl Rows {
    fn note(&mut self, name: &'static str, used: usize) {
        if let Some(row) = self.rows[..self.count]
            .iter_mut()
            .find(|row| row.name == name)
        {
            row.used = row.used.max(used);
            return;
        }
        self.rows[self.count] = Row { name, used };
        self.count += 1;
    }
}

/// Calls a function, and notes its stack under its name.
macro_rules! measured {
    ($rows:expr, $name:ident($($argument:expr),*)) => {{
        let painted = paint();
        let result = calls::$name($($argument),*);
        $rows.note(stringify!($name), painted.used());
        result
    }};
}

/// No session: recipes then refer to the ports that they name.
struct Guessed;

impl Sessions for Guessed {
    fn count(&self) -> usize {
        16
    }

    fn inside(&self, number: usize) -> ([u8; 4], u16) {
        inside_of(number)
    }

    fn external_port(&self, number: usize) -> u16 {
        1024 + number as u16
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut console = Console::open();
    let mut rows = Rows {
        rows: [const { Row { name: "", used: 0 } }; 32],
        count: 0,
    };
    run(&mut rows);
    for row in &rows.rows[..rows.count] {
        console.line(format_args!("{:28} {:>6}", row.name, row.used));
    }
    console.line(format_args!("done"));
    board::exit()
}

fn run(rows: &mut Rows) {
    let [first, second] = TABLES.each_ref().map(ConstStaticCell::take);
    let [fragments, more_fragments] = FRAGMENTS.each_ref().map(ConstStaticCell::take);
    let [quarantine, more_quarantine] = QUARANTINE.each_ref().map(ConstStaticCell::take);
    let nat =
        measured!(rows, call_new(first, Mode::Rules.config())).expect("a sound configuration");
    let nat = measured!(rows, call_with_fragments(nat, fragments));
    let mut nat = measured!(rows, call_with_quarantine(nat, quarantine));
    let (packet, buffer) = (PACKET.take(), BUFFER.take());
    measured!(rows, call_set_event_hook(&mut nat, HOOK.take()));
    traffic(rows, &mut nat, packet, buffer);
    measured!(rows, call_clear_event_hook(&mut nat));
    let place = PLACE.take();
    let nat = measured!(rows, call_new_in(place, second, Mode::Blocks.config()));
    let nat = nat.expect("a sound configuration");
    measured!(rows, call_set_fragments(nat, more_fragments));
    measured!(rows, call_set_quarantine(nat, more_quarantine));
    traffic(rows, nat, packet, buffer);
}

/// Packets of every kind, and between them what an application does.
fn traffic(
    rows: &mut Rows,
    nat: &mut Nat<'static>,
    packet: &mut [u8; MAX_LEN],
    buffer: &mut [u8; MAX_LEN],
) {
    let mut random = Random(0x9e37_79b9);
    let mut now = Instant::from_millis(1_000_000);
    control(rows, nat, now);
    for number in 0..2 * PACKETS {
        let from = if number % 2 == 0 {
            Side::Inside
        } else {
            Side::Outside
        };
        let made = random.recipe().write(packet, from, &Guessed);
        now = Instant::from_millis(now.as_millis() + made.pause);
        let packet = &mut packet[..made.len];
        let verdict = if number % 8 == 0 {
            measured!(rows, call_process_local(nat, packet, now))
        } else {
            measured!(rows, call_process(nat, packet, from, now))
        };
        carry_out(rows, &verdict, packet, buffer);
        if let Verdict::Forward { len, to, .. } = verdict {
            let packet = &packet[..len];
            black_box(measured!(
                rows,
                call_host_unreachable(nat, packet, to, buffer, now)
            ));
        }
        while measured!(rows, call_release(nat, buffer, now)).is_some() {}
        if number % 512 == 511 {
            control(rows, nat, now);
            let later = measured!(rows, call_poll_timeout(nat));
            now = later.map_or(now, |later| later.max(now));
            measured!(rows, call_handle_timeout(nat, now));
        }
    }
    measured!(rows, call_clear(nat, now));
}

fn carry_out(rows: &mut Rows, verdict: &Verdict, packet: &[u8], buffer: &mut [u8; MAX_LEN]) {
    match verdict {
        Verdict::Reject(reply) => {
            let buffer = &mut buffer[..Reply::MAX_LEN];
            measured!(rows, call_reply_emit(reply, packet, buffer));
        }
        Verdict::Fragment { len, mtu, .. } => {
            measured!(rows, call_fragmenter_emit(&packet[..*len], *mtu, buffer));
        }
        _ => {}
    }
}

fn control(rows: &mut Rows, nat: &mut Nat<'static>, now: Instant) {
    let next = (EXTERNAL.to_bits() + 1).into();
    let inside = SocketAddrV4::new((ROUTER.to_bits() + 9).into(), 80);
    let forward = PortForward::new(Protocol::Tcp, 8080, inside);
    let _ = measured!(rows, call_add_port_forward(nat, forward));
    black_box(measured!(rows, call_port_forwards(nat)));
    black_box(measured!(rows, call_inactive_port_forwards(nat)));
    measured!(rows, call_drain_external_address(nat, EXTERNAL, now));
    black_box(measured!(rows, call_draining_addresses(nat)));
    black_box(measured!(rows, call_external_addresses(nat)));
    measured!(rows, call_remove_port_forward(nat, &forward, now));
    let _ = measured!(
        rows,
        call_set_external_addresses(nat, &[EXTERNAL, next], now)
    );
    let _ = measured!(rows, call_set_mtu(nat, Side::Outside, 576));
    black_box(measured!(rows, call_sessions(nat)));
    let mut stats = nat.stats();
    measured!(rows, call_stats(nat, &mut stats));
    black_box(&stats);
    black_box(measured!(rows, call_config(nat)));
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = info;
    cortex_m::asm::udf()
}
