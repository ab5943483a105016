//! Breadth first over all states, with all processors.

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::liveness;
use super::outcome::{Effect, Report};
use super::scenario::Scenario;
use super::visited::Visited;
use super::world::World;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest sequence of steps.
    pub(crate) depth: usize,
    /// The most transitions, about.
    pub(crate) transitions: u64,
    pub(crate) threads: usize,
    /// Whether to print how far it has come, every few seconds.
    pub(crate) progress: bool,
}

/// What was explored.
#[derive(Clone, Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) transitions: u64,
    /// Every sequence of so many steps was performed.
    pub(crate) depth: usize,
    /// Whether there is no state beyond.
    pub(crate) is_complete: bool,
    pub(crate) counts: Counts,
    pub(crate) time: Duration,
}

/// What the steps did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) out: u64,
    pub(crate) come_in: u64,
    pub(crate) hairpin: u64,
    pub(crate) dropped: u64,
    pub(crate) answered: u64,
    pub(crate) held: u64,
    pub(crate) released: u64,
    pub(crate) opened: u64,
    /// Sessions that ended while another began.
    pub(crate) evicted: u64,
    pub(crate) ended: u64,
}

/// A fault, and the shortest sequence of steps that leads to it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) steps: Vec<String>,
    pub(crate) fault: String,
}

/// An action, and from where the external ports are drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Step {
    action: u16,
    draw: u16,
}

/// A state, by the step that leads to it from an earlier one.
#[derive(Clone, Copy)]
struct Node {
    parent: u32,
    step: Step,
}

/// So many states are one portion of work.
const PORTION: usize = 64;

/// Performs every action in every state, up to the limits.
pub(crate) fn explore(scenario: &Scenario, limits: Limits) -> Result<Explored, Box<Fault>> {
    let explorer = Explorer {
        scenario,
        limits,
        visited: Visited::new(),
        transitions: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        begin: Instant::now(),
        printed: Mutex::new(Instant::now()),
    };
    explorer.run()
}

struct Explorer<'s> {
    scenario: &'s Scenario,
    limits: Limits,
    visited: Visited,
    transitions: AtomicU64,
    stop: AtomicBool,
    begin: Instant,
    printed: Mutex<Instant>,
}

impl Explorer<'_> {
    fn run(&self) -> Result<Explored, Box<Fault>> {
        let root = Node {
            parent: u32::MAX,
            step: Step { action: 0, draw: 0 },
        };
        let mut nodes = vec![root];
        let mut counts = Counts::default();
        self.visited
            .insert(World::new(self.scenario).canonical_hash());
        let (mut depth, mut level) = (0, 0..1);
        while depth < self.limits.depth && !level.is_empty() {
            let (found, done) = self.expand(&nodes, level.clone(), &mut counts)?;
            level = nodes.len()..nodes.len() + found.len();
            nodes.extend(found);
            if !done {
                break;
            }
            depth += 1;
        }
        Ok(Explored {
            states: nodes.len(),
            transitions: self.transitions.load(Ordering::Relaxed),
            depth,
            is_complete: level.is_empty(),
            counts,
            time: self.begin.elapsed(),
        })
    }

    /// Performs every action in the states of `level`. Returns the new states, and whether that was
    /// done before the limit on transitions.
    fn expand(
        &self,
        nodes: &[Node],
        level: Range<usize>,
        counts: &mut Counts,
    ) -> Result<(Vec<Node>, bool), Box<Fault>> {
        let next = AtomicUsize::new(level.start);
        let results: Vec<_> = std::thread::scope(|scope| {
            let work = || Worker::new(self, nodes).run(&next, level.end);
            let threads: Vec<_> = (0..self.limits.threads.max(1))
                .map(|_| scope.spawn(work))
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let mut found = Vec::new();
        let mut faults = Vec::new();
        for result in results {
            match result.expect("a thread ends") {
                Ok((nodes, of_thread)) => {
                    found.extend(nodes);
                    counts.add(&of_thread);
                }
                Err(fault) => faults.push(fault),
            }
        }
        match faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok((found, !self.stop.load(Ordering::Relaxed))),
        }
    }

    fn print_progress(&self, states: usize) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.limits.progress && printed.elapsed() > Duration::from_secs(10) {
            *printed = Instant::now();
            let transitions = self.transitions.load(Ordering::Relaxed);
            let seconds = self.begin.elapsed().as_secs();
            eprintln!(
                "{}: {transitions} transitions from more than {states} states in {seconds} s",
                self.scenario.name()
            );
        }
    }
}

/// One thread's part of a level.
struct Worker<'e> {
    explorer: &'e Explorer<'e>,
    nodes: &'e [Node],
    /// The worlds on the way to the present state, beginning with the first of all.
    way: Vec<World>,
    /// The steps between them.
    steps: Vec<Step>,
    scratch: World,
    found: Vec<Node>,
    counts: Counts,
}

impl<'e> Worker<'e> {
    fn new(explorer: &'e Explorer<'e>, nodes: &'e [Node]) -> Self {
        Self {
            explorer,
            nodes,
            way: vec![World::new(explorer.scenario)],
            steps: Vec::new(),
            scratch: World::new(explorer.scenario),
            found: Vec::new(),
            counts: Counts::default(),
        }
    }

    fn run(mut self, next: &AtomicUsize, end: usize) -> Result<(Vec<Node>, Counts), Box<Fault>> {
        loop {
            let first = next.fetch_add(PORTION, Ordering::Relaxed);
            if first >= end || self.explorer.stop.load(Ordering::Relaxed) {
                return Ok((self.found, self.counts));
            }
            for node in first..end.min(first + PORTION) {
                self.go_to(node);
                self.perform_all(node)?;
            }
            self.explorer.print_progress(self.nodes.len());
            let transitions = self.explorer.transitions.load(Ordering::Relaxed);
            if transitions >= self.explorer.limits.transitions {
                self.explorer.stop.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Repeats the steps to a state, from where they part from those to the state before.
    fn go_to(&mut self, node: usize) {
        let steps = steps_to(self.nodes, node);
        let common = steps.iter().zip(&self.steps).take_while(|(a, b)| a == b);
        let common = common.count();
        for (number, step) in steps.iter().enumerate().skip(common) {
            if self.way.len() == number + 1 {
                self.way.push(World::new(self.explorer.scenario));
            }
            let (before, after) = self.way.split_at_mut(number + 1);
            if let ([.., before], [after, ..]) = (before, after) {
                after.copy_from(before);
                let repeated = perform(self.explorer.scenario, after, *step);
                repeated.expect("the step was right the first time");
            }
        }
        self.steps = steps;
    }

    fn perform_all(&mut self, node: usize) -> Result<(), Box<Fault>> {
        let scenario = self.explorer.scenario;
        let mut transitions = 0;
        for action in 0..scenario.actions.len() as u16 {
            for draw in 0..scenario.draws.len() as u16 {
                let step = Step { action, draw };
                transitions += 1;
                self.perform(node, step)
                    .map_err(|fault| self.fault(step, fault))?;
                if self.scratch.nat.ports_drawn() == scenario.draws[usize::from(draw)] {
                    // No port was drawn, so another draw makes no difference.
                    break;
                }
            }
        }
        self.explorer
            .transitions
            .fetch_add(transitions, Ordering::Relaxed);
        Ok(())
    }

    fn perform(&mut self, node: usize, step: Step) -> Result<(), String> {
        let present = &self.way[self.steps.len()];
        self.scratch.copy_from(present);
        let report = perform(self.explorer.scenario, &mut self.scratch, step)?;
        self.counts.count(&report);
        if self.explorer.visited.insert(self.scratch.canonical_hash()) {
            self.found.push(Node {
                parent: node as u32,
                step,
            });
            liveness::check(&mut self.scratch)?;
        }
        Ok(())
    }

    fn fault(&self, last: Step, fault: String) -> Box<Fault> {
        self.explorer.stop.store(true, Ordering::Relaxed);
        let describe = |step: &Step| {
            let action = &self.explorer.scenario.actions[usize::from(step.action)];
            format!("{action:?} (draw {})", step.draw)
        };
        let steps = self.steps.iter().chain([&last]).map(describe).collect();
        Box::new(Fault { steps, fault })
    }
}

fn perform(scenario: &Scenario, world: &mut World, step: Step) -> Result<Report, String> {
    let action = &scenario.actions[usize::from(step.action)];
    world.perform(scenario, action, scenario.draws[usize::from(step.draw)])
}

fn steps_to(nodes: &[Node], mut node: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while nodes[node].parent != u32::MAX {
        steps.push(nodes[node].step);
        node = nodes[node].parent as usize;
    }
    steps.reverse();
    steps
}

impl Counts {
    fn count(&mut self, report: &Report) {
        match report.effect {
            Effect::Out => self.out += 1,
            Effect::In => self.come_in += 1,
            Effect::Hairpin => self.hairpin += 1,
            Effect::Dropped => self.dropped += 1,
            Effect::Answered => self.answered += 1,
            Effect::Held => self.held += 1,
            Effect::Local | Effect::Changed => {}
        }
        self.released += report.released as u64;
        self.opened += report.opened as u64;
        self.ended += report.ended as u64;
        self.evicted += report.opened.min(report.ended) as u64;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.out += other.out;
        self.come_in += other.come_in;
        self.hairpin += other.hairpin;
        self.dropped += other.dropped;
        self.answered += other.answered;
        self.held += other.held;
        self.released += other.released;
        self.opened += other.opened;
        self.evicted += other.evicted;
        self.ended += other.ended;
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}. {step}", number + 1)?;
        }
        f.write_str(&self.fault)
    }
}
