/** Measures the image: the same image gives the same figures on every machine. */
import { Board } from '../../boards/selected.mjs';
import { World } from '../world.mjs';
import { cyclesByCrate } from './attribution.mjs';
import { perSecond, Traffic } from './traffic.mjs';

const WAYS = { out: ['out'], in: ['in'], both: ['out', 'in'] };
/** One frame at a time. */
const LIGHT = { gapUs: 3000, ms: 150 };
/** With more frames than the board can carry, FILL_MS fills all queues, and FLOOD_MS is measured. */
const FILL_MS = 50;
const FLOOD_MS = 300;
const IDLE_MS = 2000;
const QUIET_MS = 300;

/** @param {string} elf path @returns {object} the figures, as the committed file has them */
export function measure(elf) {
  const world = new World('figures');
  world.makeReady();
  const idle = idleCycles(world);
  const sizes = Object.keys(Board.floodGapUs).map((size) => [size, measureSize(world, { size: Number(size), idle, elf })]);
  const figures = {
    idleCyclesPerMs: Math.round(idle),
    frames: Object.fromEntries(sizes),
    memory: memory(world.board),
    stack: { deepest: world.board.stack.deepest, room: stackRoom(world.board) },
  };
  world.close();
  world.removeCaptures();
  return figures;
}

export const stackRoom = ({ image, stack }) => stack.top - image.symbol('_stack_end');

function idleCycles(world) {
  const before = world.board.cycles;
  world.run(IDLE_MS);
  return (world.board.cycles - before) / IDLE_MS;
}

function measureSize(world, { size, idle, elf }) {
  const traffic = new Traffic(world, size);
  world.run(QUIET_MS);
  const light = each(['out', 'in'], (way) => measureLight(traffic, { way, idle }));
  const saturated = each(Object.keys(WAYS), (way) => measureFlood(traffic, way));
  const crates = measureCrates(traffic, elf);
  world.run(QUIET_MS);
  traffic.end();
  return { light, saturated, crates };
}

const each = (names, action) => Object.fromEntries(names.map((name) => [name, action(name)]));

/** The cost of single frames: cycles less those of an idle router in the same time. */
function measureLight(traffic, { way, idle }) {
  const { board } = traffic.world;
  traffic.forget();
  const [before, ns] = [countersOf(board), board.ns];
  traffic.offer([way], LIGHT);
  traffic.world.run(LIGHT.gapUs / 1e3);
  const unrelated = (idle * (board.ns - ns)) / 1e6;
  return { ...perPacket(board, { before, unrelated, packets: traffic.total }), latencyUs: Math.round(traffic.latency(way)) };
}

/** Boards whose core polls its devices in no time count that apart. */
const countersOf = ({ cycles, polledCycles }) => ({ cycles, polledCycles });

/** Cycles, and without those of polls, if the board counts them, instructions. */
function perPacket(board, { before, unrelated, packets }) {
  const cycles = board.cycles - before.cycles - unrelated;
  const figures = { cycles: Math.round(cycles / packets) };
  if (board.polledCycles === undefined) return figures;
  const polled = board.polledCycles - before.polledCycles;
  return { ...figures, instructions: Math.round((cycles - polled) / packets) };
}

function measureFlood(traffic, way) {
  const { board } = traffic.world;
  const gapUs = Board.floodGapUs[traffic.size];
  traffic.offer(WAYS[way], { gapUs, ms: FILL_MS });
  traffic.forget();
  const before = countersOf(board);
  traffic.offer(WAYS[way], { gapUs, ms: FLOOD_MS });
  const spent = board.cycles - before.cycles;
  const { counts, total } = traffic;
  const costs = perPacket(board, { before, unrelated: 0, packets: total });
  traffic.world.run(QUIET_MS);
  const busy = (spent * board.nanosPerCycle) / (FLOOD_MS * 1e6);
  const figures = {
    framesPerSecond: Math.round(perSecond(total, FLOOD_MS)),
    ...costs,
    busyPercent: Math.round(100 * busy),
  };
  return way === 'both' ? { ...figures, out: counts.out, in: counts.in } : figures;
}

/** Cycles per packet by crate and by function, with both directions saturated. */
function measureCrates(traffic, elf) {
  const { profile } = traffic.world.board;
  const gapUs = Board.floodGapUs[traffic.size];
  traffic.offer(WAYS.both, { gapUs, ms: FILL_MS });
  traffic.forget();
  profile.start();
  traffic.offer(WAYS.both, { gapUs, ms: FLOOD_MS });
  profile.stop();
  const share = (cycles) => Math.round(cycles / traffic.total);
  const crates = cyclesByCrate(profile, elf).map(([crate, cycles]) => [crate, share(cycles)]);
  const functions = profile.report().functions.map(({ name, cycles }) => [name, share(cycles)]);
  const worthTelling = ([, cycles]) => cycles >= 10;
  return {
    byCrate: Object.fromEntries(crates.filter(worthTelling)),
    byFunction: Object.fromEntries(functions.filter(worthTelling).slice(0, 20)),
  };
}

function memory(board) {
  const { sections } = board;
  const sum = (kind) => sections.filter(kind).reduce((total, { size }) => total + size, 0);
  const bySection = Object.fromEntries(sections.map(({ name, size }) => [name, size]));
  return { flash: sum(({ stored }) => stored), ram: sum(({ inRam }) => inRam) + stackRoom(board), bySection };
}
