//! The search for costly packets: hill climbing from random beginnings.

use nat_core::{Side, Verdict};

use super::recipe::{CHOICES, Recipe};
use super::world::{Load, Memory, Mode, World};
use crate::counter::Counter;

/// Packets of a scene: the last is the one that counts, those before prepare it.
pub const SCENE: usize = 3;

pub type Scene = [Recipe; SCENE];

/// What a search looks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Aim {
    /// A packet that is no fragment.
    Whole,
    /// Any packet.
    Any,
    /// Any packet, with the held fragments that it releases.
    Released,
}

impl Aim {
    pub const ALL: [Self; 3] = [Self::Whole, Self::Any, Self::Released];
}

/// The costliest scene of a search.
pub struct Found {
    pub scene: Scene,
    pub cost: u32,
    pub verdict: Verdict,
}

/// Where a search looks.
#[derive(Clone, Copy)]
pub struct Place {
    pub mode: Mode,
    pub load: Load,
    pub from: Side,
    pub aim: Aim,
}

/// A xorshift generator: a search is the same each time.
pub struct Random(pub u32);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 3) as usize % limit
    }

    pub fn recipe(&mut self) -> Recipe {
        Recipe([0; CHOICES].map(|_| self.below(256) as u8))
    }
}

/// Trials without a costlier packet after which the climb begins anew.
const PATIENCE: u32 = 400;

/// Searches with so many packets.
pub fn search(place: Place, trials: u32, memory: &mut Memory, counter: &Counter) -> Found {
    let mut random = Random(0x9e37_79b9);
    let mut best = Found {
        scene: [random.recipe(), random.recipe(), random.recipe()],
        cost: 0,
        verdict: Verdict::Hold,
    };
    let mut done = 0;
    while done < trials {
        let mut world = World::new(memory, place.mode, place.load);
        let mut top = ([random.recipe(), random.recipe(), random.recipe()], 0);
        let mut since = 0;
        while since < PATIENCE && done < trials {
            let scene = if since == 0 {
                top.0
            } else {
                varied(&top.0, &mut random)
            };
            let (_, cost) = play(&mut world, &scene, place, counter);
            (done, since) = (done + 1, since + 1);
            if cost > top.1 {
                top = (scene, cost);
                since = 1;
            }
        }
        // Earlier packets of the climb may have helped: what counts is the scene in a new world.
        let mut new = World::new(memory, place.mode, place.load);
        let (verdict, cost) = play(&mut new, &top.0, place, counter);
        if cost > best.cost {
            best = Found {
                scene: top.0,
                cost,
                verdict,
            };
        }
    }
    best
}

fn varied(scene: &Scene, random: &mut Random) -> Scene {
    let mut scene = *scene;
    for _ in 0..=random.below(3) {
        // Most often the last packet.
        let packet = [0, 1, 2, 2, 2, 2][random.below(6)];
        scene[packet].0[random.below(CHOICES)] = random.below(256) as u8;
    }
    if random.below(8) == 0 {
        // The same packet twice, as fragments need it.
        scene[random.below(2)] = scene[2];
    }
    scene
}

/// Plays a scene. The verdict on its last packet, and its cost.
pub fn play(
    world: &mut World<'_>,
    scene: &Scene,
    place: Place,
    counter: &Counter,
) -> (Verdict, u32) {
    let [first, second, last] = scene;
    for recipe in [first, second] {
        let _ = world.process(recipe, place.from, counter);
    }
    let last = if place.aim == Aim::Whole {
        last.whole()
    } else {
        *last
    };
    let (verdict, cost) = world.process(&last, place.from, counter);
    let cost = match place.aim {
        Aim::Whole | Aim::Any => cost.process,
        Aim::Released => cost.process + cost.release,
    };
    (verdict, cost)
}
