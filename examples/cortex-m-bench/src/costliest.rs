//! The cost of the costliest packets that a search has found.

use nat_core::{Fragments, Quarantine, Side};
use static_cell::ConstStaticCell;

use crate::board::Console;
use crate::counter::Counter;
use crate::packets::{Frame, MAX_LEN};
use crate::trial::kept::KEPT;
use crate::trial::search::{Aim, play};
use crate::trial::world::{EngineTables, Memory, World};

static TABLES: ConstStaticCell<EngineTables> = ConstStaticCell::new(EngineTables::new());
static FRAGMENTS: ConstStaticCell<Fragments<16, 4>> = ConstStaticCell::new(Fragments::new());
static QUARANTINE: ConstStaticCell<Quarantine<64>> = ConstStaticCell::new(Quarantine::new());
static FRAME: ConstStaticCell<Frame> = ConstStaticCell::new(Frame::EMPTY);
static RELEASED: ConstStaticCell<[u8; MAX_LEN]> = ConstStaticCell::new([0; MAX_LEN]);

/// The memory of one world after the other. To be called once.
pub fn memory() -> Memory {
    Memory {
        tables: TABLES.take(),
        fragments: FRAGMENTS.take(),
        quarantine: QUARANTINE.take(),
        frame: FRAME.take(),
        released: RELEASED.take(),
    }
}

pub fn run(counter: &Counter, console: &mut Console) {
    let mut memory = memory();
    for kept in KEPT {
        let mut world = World::new(&mut memory, kept.place.mode, kept.place.load);
        let (_, cost) = play(&mut world, &kept.scene, kept.place, counter);
        let way = if kept.place.from == Side::Inside {
            "out"
        } else {
            "in"
        };
        let kind = if kept.place.aim == Aim::Whole {
            "whole"
        } else {
            "any"
        };
        let (mode, load) = (kept.place.mode.name(), kept.place.load.name());
        console.line(format_args!(
            "MAX  {way:3} {kind:5} {mode:11} {load:5} {cost:>11}"
        ));
    }
}
