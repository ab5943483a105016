/**
 * The world of a test: the board with the image in its flash, a LAN and a WAN that the test plays, and checkers for
 * everything that the board sends.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Board } from '../boards/selected.mjs';
import { elf, resultsFolder } from './settings.mjs';
import { Invariants } from './invariants.mjs';
import { LanHost } from '../peers/lan-host.mjs';
import { Segment } from '../peers/segment.mjs';
import { Wan } from '../peers/wan.mjs';
import { malformedFrames } from './tshark.mjs';

const LOG_LINES = 15;
/** From power-up to a lease outside. */
const READY_MS = 5000;
export const ROUTER_INSIDE = '192.168.77.1';

export class World {
  /**
   * @param {string} name of the test, for files
   * @param {object} [options] of the board; `image` is a function that returns another path than the ELF file's
   */
  constructor(name, { image = elf, ...options } = {}) {
    this.name = name.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 60);
    this.board = Board.boot(image(), { elf: elf(), ...options });
    this.invariants = new Invariants(this);
    this.lan = new Segment(this, this.board.lan, 'LAN');
    this.outside = new Segment(this, this.board.wan, 'WAN');
    this.wan = new Wan(this.outside);
    this.hosts = 0;
    this.captures = [this.board.lan, this.board.wan].map((port, i) => this.record(port, ['lan', 'wan'][i]));
  }

  /** Waits until the board routes: a lease outside, and one inside for `laptop`. */
  makeReady() {
    this.awaitLease();
    this.laptop = this.addHost();
    this.laptop.lease();
    this.laptop.resolve(ROUTER_INSIDE);
  }

  record(port, side) {
    const capture = path.join(resultsFolder(), `${this.name}-${side}.pcap`);
    port.record(capture);
    return capture;
  }

  /** The router asks for an address outside, gets one, and announces it. */
  awaitLease(ms = READY_MS) {
    const { acks } = this.wan.dhcp;
    this.until('a DHCP lease outside', () => this.wan.dhcp.acks > acks, ms);
    this.run(300);
    this.outside.drain();
  }

  /** Plugs a host into the LAN. */
  addHost(identity) {
    this.hosts += 1;
    return new LanHost(this.lan, this.hosts, identity);
  }

  /** Plugs in a host that already has an address and knows the router's MAC address. */
  addConfiguredHost(last) {
    const host = this.addHost({ ip: `192.168.77.${last}`, gateway: ROUTER_INSIDE });
    if (this.lan.routerMac) host.learn(ROUTER_INSIDE, this.lan.routerMac);
    return host;
  }

  run(ms) {
    this.board.run({ us: ms * 1e3 });
  }

  /** Lets time pass until `done`; fails after `ms`. */
  until(what, done, ms) {
    if (!this.board.run({ us: ms * 1e3, until: done })) this.fail(`no ${what} within ${ms} ms`);
  }

  get ms() {
    return this.board.ns / 1e6;
  }

  fail(message) {
    throw new assert.AssertionError({ message });
  }

  /** What holds at the end of every test. */
  finish({ resets = [], mistakes = [], stuck = false } = {}) {
    const { board } = this;
    assert.deepEqual(this.invariants.violations.slice(0, 3), [], `${this.invariants.violations.length} packets that break an invariant`);
    assert.deepEqual(
      board.resets.map(({ reason }) => reason),
      resets,
      'resets of the board',
    );
    const made = board.mistakes.map(({ text }) => text).filter((text) => !mistakes.some((known) => known.test(text)));
    assert.deepEqual(made.slice(0, 3), [], `${made.length} mistakes in the use of the network chips`);
    if (!stuck) assert.deepEqual([board.lan.unread, board.wan.unread], [0, 0], 'bytes left unread in the chips');
    this.finished = true;
  }

  /** Lets Wireshark check the captures, once they are closed. */
  checkCaptures() {
    this.captures.forEach((capture, i) => {
      const mac = this.invariants.macs[['LAN', 'WAN'][i]];
      if (mac) assert.deepEqual(malformedFrames(capture, mac), [], `Wireshark on ${capture}`);
    });
  }

  noteStack() {
    const { board } = this;
    const room = board.stack.top - board.image.symbol('_stack_end');
    const line = JSON.stringify({ test: this.name, deepest: board.stack.deepest, room });
    fs.appendFileSync(path.join(resultsFolder(), 'stack.jsonl'), `${line}\n`);
  }

  /** The error, with the captures and the end of the board's log. */
  explain(error) {
    const tail = this.board.log.trimEnd().split('\n').slice(-LOG_LINES).join('\n  ');
    const place = `at ${this.ms.toFixed(3)} ms; captures: ${this.captures.join(' ')}`;
    error.message += `\n${place}; the log ends with:\n  ${tail}`;
    return error;
  }

  close() {
    this.board.close();
  }

  removeCaptures() {
    this.captures.forEach((capture) => fs.rmSync(capture));
  }
}

/**
 * A test with a board that routes.
 *
 * @param {string} name the claim
 * @param {(world: World) => void} body
 * @param {object} [options] of the board; `cold: true` for one that was just switched on; `end` for `World.finish`;
 *   `wireshark: false` for a test that sends what Wireshark rejects
 */
export function imageTest(name, body, { cold = false, wireshark = true, end, ...options } = {}) {
  test(name, async () => {
    const world = new World(name, options);
    try {
      if (!cold) world.makeReady();
      await body(world);
      if (!world.finished) world.finish(end);
      world.noteStack();
      world.close();
      if (wireshark) world.checkCaptures();
      world.removeCaptures();
    } catch (error) {
      world.close();
      throw world.explain(error);
    }
  });
}
