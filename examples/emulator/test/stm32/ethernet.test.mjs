/** The Ethernet MAC, its rings, and the PHY, against the reference manual. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from '../../stm32/ethernet/crc32.mjs';
import { DATA, STACK, standing } from './program.mjs';

const ETH = 0x40028000;
const [MACCR, MACPFR, MDIOAR, MDIODR, HIGH, LOW] = [0x000, 0x008, 0x200, 0x204, 0x300, 0x304].map((at) => ETH + at);
const [TXCR, RXCR, TXLIST, RXLIST, TXTAIL, RXTAIL, TXLEN, RXLEN, IER, SR] = [
  0x1104, 0x1108, 0x1114, 0x111c, 0x1120, 0x1128, 0x112c, 0x1130, 0x1134, 0x1160,
].map((at) => ETH + at);
const ETH_LINE = 61;
const [OWN, INTERRUPT, FIRST, LAST, VALID] = [0x80000000, 0x40000000, 0x20000000, 0x10000000, 0x01000000];
const [GIANT, ERROR] = [1 << 23, 1 << 15];
const [TI, RI, RBU, NIS] = [1, 1 << 6, 1 << 7, 1 << 15];
const OWN_MAC = [2, 0, 0, 0, 0, 7];
const BUFFER = 1536;
const RING = 4;
const TX_RING = DATA;
const RX_RING = DATA + 0x1000;
const TX_BUFFERS = DATA + 0x4000;
const RX_BUFFERS = DATA + 0x8000;
const STRIP_TYPED = 1 << 21;

/** The MAC as embassy's driver sets it up, with rings of four. */
function running({ control = 0 } = {}) {
  const all = standing();
  const { write, memory } = all;
  write(0x580244d8, 7 << 15);
  write(HIGH, (OWN_MAC[5] << 8) | OWN_MAC[4]);
  write(LOW, OWN_MAC[0]);
  write(MACPFR, 1 << 4);
  for (let i = 0; i < RING; i++) giveBack(memory, i);
  for (let i = 0; i < RING; i++) memory.setWord(TX_RING + 16 * i + 12, 0);
  write(TXLIST, TX_RING);
  write(TXLEN, RING - 1);
  write(RXLIST, RX_RING);
  write(RXLEN, RING - 1);
  write(RXCR, (BUFFER << 1) | 1);
  write(TXCR, 1);
  write(IER, NIS | RI | TI);
  write(ETH + 0xd00, 2);
  write(ETH + 0xd30, 0x20);
  write(MACCR, 3 | (3 << 13) | (1 << 20) | control);
  all.board.mistakes.length = 0;
  const sent = [];
  all.board.wan.onFrame = (frame) => sent.push(frame);
  return { ...all, sent };
}

function giveBack(memory, i) {
  memory.setWord(RX_RING + 16 * i, RX_BUFFERS + BUFFER * i);
  memory.setWord(RX_RING + 16 * i + 12, (OWN | INTERRUPT | VALID) >>> 0);
}

function frameOf(length, { type = 0x0800, to = OWN_MAC } = {}) {
  const frame = Uint8Array.from({ length }, (_, i) => i & 0xff);
  frame.set(to);
  frame.set([type >>> 8, type & 0xff], 12);
  return frame;
}

/** Sends to the board, and lets it arrive. */
function arrive({ board, run }, frame, options) {
  const sent = board.wan.send(frame, options);
  run((frame.length + 24) * 0.08 + 1);
  return sent.outcome;
}

const status = ({ memory }, i) => memory.word(RX_RING + 16 * i + 12);
const stored = ({ memory }, i, length) => memory.forDma(RX_BUFFERS + BUFFER * i, length, 'the test');

function send({ memory, write }, i, frame) {
  memory.forDma(TX_BUFFERS + BUFFER * i, frame.length, 'the test').set(frame);
  memory.setWord(TX_RING + 16 * i, TX_BUFFERS + BUFFER * i);
  memory.setWord(TX_RING + 16 * i + 8, (0x80000000 | frame.length) >>> 0);
  memory.setWord(TX_RING + 16 * i + 12, (OWN | FIRST | LAST) >>> 0);
  write(TXTAIL, STACK - 16);
}

test('the check sequence of "123456789" is that of the literature', () => {
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
});

test('a frame with a type is stored with its check sequence, and one with a length without, as ACS alone has it', () => {
  const all = running();
  assert.equal(arrive(all, frameOf(100)), 'received');
  assert.equal(status(all, 0), (FIRST | LAST | 104) >>> 0);
  const bytes = stored(all, 0, 104);
  assert.deepEqual([...bytes.subarray(0, 100)], [...frameOf(100)]);
  assert.equal(bytes.readUInt32LE(100), crc32(frameOf(100)));
  arrive(all, frameOf(100, { type: 86 }));
  assert.equal(status(all, 1), (FIRST | LAST | 100) >>> 0);
});

test('with CST a frame with a type is stored without its check sequence', () => {
  const all = running({ control: STRIP_TYPED });
  arrive(all, frameOf(1514));
  assert.equal(status(all, 0), (FIRST | LAST | 1514) >>> 0);
});

for (const [length, type, isGiant] of [
  [1514, 0x0800, false],
  [1515, 0x0800, true],
  [1518, 0x8100, false],
  [1519, 0x8100, true],
]) {
  test(`a frame of ${length} bytes of type 0x${type.toString(16)} is ${isGiant ? '' : 'no '}giant`, () => {
    const all = running();
    arrive(all, frameOf(length, { type }));
    assert.equal(status(all, 0), (FIRST | LAST | (isGiant ? GIANT | ERROR : 0) | (length + 4)) >>> 0);
  });
}

test('the longest frame with a tag fits into one buffer of the driver, with its check sequence', () => {
  const all = running();
  const frame = frameOf(1518, { type: 0x8100 });
  arrive(all, frame);
  assert.equal(status(all, 0), (FIRST | LAST | 1522) >>> 0);
  assert.deepEqual(Uint8Array.from(stored(all, 0, 1518)), frame);
});

test('a frame that is longer than a buffer fills two', () => {
  const all = running();
  arrive(all, frameOf(1600));
  assert.equal(status(all, 0), FIRST);
  assert.equal(status(all, 1), (LAST | GIANT | ERROR | 1604) >>> 0);
  assert.deepEqual([...stored(all, 1, 64)], [...frameOf(1600).subarray(1536)]);
});

test('what the receiver gives up, and runts, are not stored', () => {
  const all = running();
  assert.equal(arrive(all, frameOf(2045)), 'filtered');
  assert.equal(arrive(all, frameOf(59), { pad: false }), 'filtered');
  assert.equal(status(all, 0), (OWN | INTERRUPT | VALID) >>> 0);
});

test('the filter takes its own address, broadcast and groups, and nothing else', () => {
  const all = running();
  const outcome = (to) => arrive(all, frameOf(60, { to }));
  assert.equal(outcome([2, 0, 0, 0, 0, 8]), 'filtered');
  assert.equal(outcome([255, 255, 255, 255, 255, 255]), 'received');
  assert.equal(outcome([1, 0, 94, 0, 0, 1]), 'received');
  assert.equal(outcome(OWN_MAC), 'received');
});

test('the write-back of a descriptor overwrites the address of its buffer', () => {
  const all = running();
  arrive(all, frameOf(60));
  assert.equal(all.memory.word(RX_RING), 0);
});

test('when the ring is full frames wait in the FIFO of 2 KiB, and go on when the tail pointer is written', () => {
  const all = running();
  for (let i = 0; i < RING; i++) assert.equal(arrive(all, frameOf(60)), 'received');
  assert.equal(arrive(all, frameOf(1000)), 'received');
  assert.equal(arrive(all, frameOf(1000)), 'received');
  assert.equal(arrive(all, frameOf(60)), 'full');
  assert.equal(all.read(SR) & RBU, RBU);
  assert.equal(all.board.wan.unread, 4 * 64 + 2 * 1004);
  giveBack(all.memory, 0);
  arrive(all, frameOf(60));
  assert.equal(status(all, 0), (OWN | INTERRUPT | VALID) >>> 0, 'the DMA has stopped');
  all.write(RXTAIL, STACK);
  assert.equal(status(all, 0), (FIRST | LAST | 1004) >>> 0);
});

test('at the descriptor of the tail pointer the DMA stops', () => {
  const all = running();
  all.write(RXTAIL, RX_RING + 16);
  arrive(all, frameOf(60));
  arrive(all, frameOf(60));
  assert.deepEqual([status(all, 0) & OWN, status(all, 1) & OWN], [0, OWN | 0]);
});

test('a received frame interrupts until its flag is cleared', () => {
  const all = running();
  arrive(all, frameOf(60));
  assert.equal(all.nvic.high.has(16 + ETH_LINE), true);
  all.write(SR, RI | NIS);
  assert.equal(all.nvic.high.has(16 + ETH_LINE), false);
});

test('frames are sent in order, padded, at the speed of the wire, and their descriptors come back', () => {
  const all = running();
  [frameOf(42), frameOf(1514)].forEach((frame, i) => send(all, i, frame));
  const times = [];
  all.board.wan.onFrame = (frame, ns) => times.push([frame.length, ns]);
  const start = all.board.ns;
  all.run(200);
  assert.deepEqual(
    times.map(([length, ns]) => [length, Math.round(ns - start)]),
    [
      [60, 84 * 80],
      [1514, 84 * 80 + 1538 * 80],
    ],
  );
  assert.deepEqual(
    [0, 1].map((i) => all.memory.word(TX_RING + 16 * i + 12) & OWN),
    [0, 0],
  );
  assert.equal(all.read(SR) & TI, TI);
});

test('a descriptor that asks for checksums, or for several buffers, stops the run', () => {
  const refuses = (control) => {
    const all = running();
    all.memory.setWord(TX_RING + 12, control >>> 0);
    all.memory.setWord(TX_RING + 8, 60);
    return () => all.write(TXTAIL, STACK);
  };
  assert.throws(refuses(OWN | FIRST | LAST | (3 << 16)), /asks the MAC for more than to send/);
  assert.throws(refuses(OWN | FIRST), /a frame in several descriptors/);
});

test('descriptors in the DTCM, and any with the D-cache on, stop the run', () => {
  const all = standing();
  all.write(0x580244d8, 7 << 15);
  all.write(TXLIST, STACK - 0x100);
  all.write(MACCR, (3 << 13) | 2);
  assert.throws(() => all.write(TXCR, 1), /in DTCM, which the Ethernet DMA does not reach/);
  const cached = running();
  cached.write(0xe000ed14, 1 << 16);
  assert.throws(() => cached.write(TXTAIL, STACK), /Ethernet DMA while the D-cache is on/);
});

test('a MAC that is enabled without its pins, its clocks, RMII, or the speed of the link is a mistake each', () => {
  const all = standing();
  all.write(0x580244d8, 1 << 15);
  all.write(MACCR, 1);
  const texts = all.board.mistakes.map(({ text }) => text).join('\n');
  assert.match(texts, /RMII/);
  assert.match(texts, /without all of its clocks/);
  assert.match(texts, /100 Mbit\/s, full duplex/);
  assert.match(texts, /whole frames/);
});

// MDIO and the PHY.

function mdio({ read, write, run }, { register, address = 0, value }) {
  if (value !== undefined) write(MDIODR, value);
  write(MDIOAR, (address << 21) | (register << 16) | (4 << 8) | (value === undefined ? 12 : 4) | 1);
  let polls = 0;
  while (read(MDIOAR) & 1) assert.ok(++polls < 1000);
  run(0);
  return read(MDIODR) & 0xffff;
}

test('a PHY of another address does not answer, the LAN8742 tells its id', () => {
  const all = running();
  assert.equal(mdio(all, { register: 2, address: 1 }), 0xffff);
  assert.deepEqual(
    [2, 3].map((register) => mdio(all, { register })),
    [0x0007, 0xc131],
  );
});

test('a loss of the link shows once, even if the link is back', () => {
  const all = running();
  const isUp = () => (mdio(all, { register: 1 }) & 4) !== 0;
  isUp();
  assert.equal(isUp(), true);
  all.board.wan.link(false);
  assert.equal(isUp(), false);
  all.board.wan.link(true);
  assert.equal(isUp(), true, 'the loss was read before');
  all.board.wan.link(false);
  all.board.wan.link(true);
  assert.deepEqual([isUp(), isUp()], [false, true]);
});

test('without link frames are lost both ways', () => {
  const all = running();
  all.board.wan.link(false);
  assert.equal(arrive(all, frameOf(60)), 'noLink');
  send(all, 0, frameOf(60));
  all.run(100);
  assert.equal(all.board.wan.counters.sentWithoutLink, 1);
});

test('a dead PHY reads as all ones', () => {
  const all = running();
  all.board.wan.wedge('missing');
  assert.equal(mdio(all, { register: 1 }), 0xffff);
  all.board.wan.wedge(null);
  assert.notEqual(mdio(all, { register: 1 }), 0xffff);
});

test('registers of the PHY that are not modelled stop the run', () => {
  const all = running();
  assert.throws(() => mdio(all, { register: 7, value: 1 }), /register 7 of the PHY/);
});

test('a bus error interrupts if it may, and nothing is received or sent until the chip is reset', () => {
  const all = running();
  const { board, write, read, nvic, sent } = all;
  write(IER, NIS | RI | TI | (1 << 14) | (1 << 12));
  board.wan.wedge('bus');
  assert.ok(nvic.high.has(ETH_LINE + 16));
  write(SR, read(SR));
  assert.ok(!nvic.high.has(ETH_LINE + 16));
  arrive(all, frameOf(100));
  send(all, 0, frameOf(100));
  all.run(50);
  assert.equal(status(all, 0) & OWN, OWN | 0);
  assert.deepEqual(sent, []);
});
