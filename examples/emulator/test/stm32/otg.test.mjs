/** OTG FS as a device, against chapter 60 of the reference manual. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotModelled } from '../../stm32/registers.mjs';
import { OtgFs } from '../../stm32/usb/otg.mjs';
import { standing } from './program.mjs';

const OTG = 0x40080000;
const [GOTGCTL, GOTGINT, GAHBCFG, GUSBCFG, GRSTCTL, GINTSTS, GINTMSK] = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18];
const [GRXSTSR, GRXSTSP, GRXFSIZ, DIEPTXF0, GCCFG, DIEPTXF1] = [0x1c, 0x20, 0x24, 0x28, 0x38, 0x104];
const [DCFG, DCTL, DSTS, DIEPMSK, DOEPMSK, DAINT, DAINTMSK, DIEPEMPMSK] = [
  0x800, 0x804, 0x808, 0x810, 0x814, 0x818, 0x81c, 0x834,
];
const inRegisters = (n) => ({ control: 0x900 + 32 * n, events: 0x908 + 32 * n, size: 0x910 + 32 * n, room: 0x918 + 32 * n });
const outRegisters = (n) => ({ control: 0xb00 + 32 * n, events: 0xb08 + 32 * n, size: 0xb10 + 32 * n });
const fifo = (n) => 0x1000 * (n + 1);
const [ACTIVE, PID, NAK, STALL, CNAK, SNAK, DATA0] = [15, 16, 17, 21, 26, 27, 28].map((bit) => 1 << bit);
const [DISABLE, ENABLE, BULK] = [1 << 30, 0x80000000, 2 << 18];
const [COMPLETE, DISABLED, SETUP, ASKED, NAKED, EMPTY] = [1, 2, 8, 16, 64, 128];
const [RX, SUSPEND, RESET, ENUMERATED, IN, OUT, REQUEST, WAKE_UP] = [4, 11, 12, 13, 18, 19, 30, 31].map((bit) => 2 ** bit);
const [RCC_D2CCIP2R, RCC_AHB1ENR, RCC_AHB4ENR, RCC_APB1HENR, RCC_AHB1LPENR, RCC_CR] = [
  0x54, 0xd8, 0xe0, 0xec, 0x100, 0x00,
].map((at) => 0x58024400 + at);
const LINE = 101 + 16;
const [STATUS_DATA, STATUS_DONE, STATUS_SETUP_DONE, STATUS_SETUP] = [2, 3, 4, 6];

/** The chip as the firmware sets it up around USB, with a controller that is not attached yet. */
function surrounded({ recovery = 3 } = {}) {
  const all = standing();
  const { machine, write, read } = all;
  const mistakes = [];
  const { bus, shared, gpio, power } = machine;
  const usb = new OtgFs(bus, { ...shared, gpio, supply: power, recovery: machine.recovery }, (text) => mistakes.push(text));
  write(RCC_CR, read(RCC_CR) | (1 << 12));
  write(RCC_D2CCIP2R, 3 << 20);
  write(RCC_AHB1ENR, 1 << 27);
  write(RCC_AHB4ENR, 0x7ff);
  write(RCC_APB1HENR, 2);
  write(RCC_AHB1LPENR, read(RCC_AHB1LPENR) & ~(1 << 28));
  write(0x5802480c, read(0x5802480c) | (1 << 24));
  write(0x40008404, (0x2022bb7f & ~(3 << 28)) | (recovery << 28));
  write(0x40008400, 0x2060);
  write(0x58020000, (read(0x58020000) & ~(0xf << 22)) | (0xa << 22));
  write(0x58020024, 0xaa << 12);
  usb.power(true);
  const set = (register, value) => write(OTG + register, value >>> 0);
  const get = (register) => read(OTG + register);
  return { ...all, usb, mistakes, set, get };
}

/** A controller that is attached, has the address 5, and the endpoint 1 in both directions. */
function controller(options) {
  const all = surrounded(options);
  const { usb, set, mistakes } = all;
  set(GUSBCFG, 1 << 30);
  set(GCCFG, (1 << 16) | (1 << 21));
  set(DCFG, 3);
  set(GRXFSIZ, 62);
  set(DIEPTXF0, (16 << 16) | 62);
  set(DIEPTXF1, (16 << 16) | 78);
  set(DIEPMSK, COMPLETE);
  set(DOEPMSK, SETUP);
  set(DAINTMSK, 0x00030003);
  set(GAHBCFG, 1);
  set(DCTL, 0);
  set(DCFG, 3 | (5 << 4));
  usb.address = 5;
  set(inRegisters(1).control, 64 | ACTIVE | BULK | (1 << 22) | DATA0 | SNAK);
  set(outRegisters(1).control, 64 | ACTIVE | BULK | DATA0);
  set(GINTSTS, 0xffffffff);
  assert.deepEqual(mistakes, []);
  return all;
}

const token = (kind, endpoint, data = [], address = 5) => ({ kind, endpoint, address, data: Uint8Array.from(data) });
const bytes = (...values) => Uint8Array.from(values);

/** A packet of the host's. */
function deliver({ usb }, endpoint, data, pid = 0) {
  const answer = usb.token(token('out', endpoint, data));
  if (answer === 'ack') usb.commit(token('out', endpoint), Uint8Array.from(data), pid);
  return answer;
}

function setup({ usb }, data = [0x80, 6, 0, 1, 0, 0, 18, 0]) {
  assert.equal(usb.token(token('setup', 0, data)), 'ack');
  usb.commit(token('setup', 0), Uint8Array.from(data), 0);
}

/** Gives the endpoint a packet, as drivers do. */
function offer({ set, get }, n, data) {
  const { control, size } = inRegisters(n);
  set(size, (1 << 19) | data.length);
  set(control, get(control) | CNAK | ENABLE);
  const words = Buffer.alloc(4 * Math.ceil(data.length / 4));
  words.set(data);
  for (let at = 0; at < words.length; at += 4) set(fifo(n), words.readUInt32LE(at));
}

/** What the receive FIFO holds: the fields of a status, and its data. */
function take({ get }) {
  const word = get(GRXSTSP);
  const length = (word >>> 4) & 0x7ff;
  const data = Buffer.alloc(4 * Math.ceil(length / 4));
  for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(get(fifo(0)), at);
  return { endpoint: word & 15, pid: (word >>> 15) & 3, status: (word >>> 17) & 15, data: [...data.subarray(0, length)] };
}

const interrupts = ({ nvic }) => nvic.high.has(LINE);

test('the device appears with transceiver, session and soft connect, and goes with each of them', () => {
  const { usb, set } = surrounded();
  const seen = [];
  usb.onPullUp = (attached) => seen.push(attached);
  set(DCFG, 3);
  set(GCCFG, (1 << 16) | (1 << 21));
  set(DCTL, 0);
  set(DCTL, 2);
  set(DCTL, 0);
  set(GCCFG, 1 << 21);
  assert.deepEqual(seen, [false, true, false, true, false]);
});

test('the bus voltage begins a session and its loss ends it, each with an event', () => {
  const { usb, set, get, nvic } = controller();
  set(GINTMSK, REQUEST | 4);
  assert.ok(get(GOTGCTL) & (1 << 19));
  usb.power(false);
  assert.deepEqual([get(GOTGINT), get(GINTSTS) & 4, usb.isAttached, interrupts({ nvic })], [4, 4, false, true]);
  assert.equal(get(GOTGCTL) & (1 << 19), 0);
  set(GOTGINT, 4);
  assert.deepEqual([get(GINTSTS) & 4, interrupts({ nvic })], [0, false]);
  usb.power(true);
  assert.deepEqual([get(GINTSTS) & REQUEST, usb.isAttached], [REQUEST, true]);
});

test('without detection a session is what firmware says, and without that there is none', () => {
  const { usb, set } = surrounded();
  set(GCCFG, 1 << 16);
  set(DCTL, 0);
  assert.equal(usb.isAttached, false);
  set(GOTGCTL, (1 << 6) | (1 << 7));
  usb.power(false);
  assert.equal(usb.isAttached, true);
});

test('another clock, unsuitable pins, and a recovery by the other controller are mistakes', () => {
  const attach = ({ set }) => {
    set(DCFG, 3);
    set(GCCFG, (1 << 16) | (1 << 21));
    set(DCTL, 0);
  };
  for (const [mistake, prepare] of [
    [/clock of USB is 0 MHz/, ({ write }) => write(RCC_D2CCIP2R, 0)],
    [/does not follow the frames/, ({ write }) => write(0x40008404, 0x2022bb7f)],
    [/while the core sleeps/, ({ write, read }) => write(RCC_AHB1LPENR, read(RCC_AHB1LPENR) | (1 << 28))],
    [/PA12 is not a pin of USB/, ({ write }) => write(0x58020024, 0xa << 12)],
    [/PA9 is not an input/, ({ write, read }) => write(0x58020000, (read(0x58020000) & ~(3 << 18)) | (1 << 18))],
  ]) {
    const all = surrounded();
    prepare(all);
    attach(all);
    assert.equal(all.mistakes.length, 1, all.mistakes.join());
    assert.match(all.mistakes[0], mistake);
  }
  const right = surrounded();
  attach(right);
  assert.deepEqual(right.mistakes, []);
});

test('without the supply of the transceiver the host sees no device', () => {
  const { usb, write, read } = controller();
  assert.ok(read(0x5802480c) & (1 << 26), 'the supply is ready');
  write(0x5802480c, 6);
  assert.equal(usb.isAttached, false);
});

test('a packet to the host waits in its FIFO until the host takes it, and that ends the transfer', () => {
  const all = controller();
  const { usb, set, get } = all;
  set(GINTMSK, IN);
  const { control, events, room } = inRegisters(1);
  assert.equal(get(room), 16);
  offer(all, 1, [1, 2, 3, 4, 5]);
  assert.deepEqual([get(room), get(events) & EMPTY, get(control) & ENABLE], [14, 0, ENABLE | 0]);
  assert.deepEqual(usb.token(token('in', 1)), bytes(1, 2, 3, 4, 5));
  assert.equal(usb.pid(1), 0);
  usb.commit(token('in', 1), undefined, 0);
  assert.deepEqual([get(events), get(room), get(control) & ENABLE, get(DAINT)], [COMPLETE | EMPTY | (get(events) & NAKED), 16, 0, 2]);
  assert.deepEqual([usb.pid(1), interrupts(all)], [1, true], 'the other PID comes next');
  set(events, COMPLETE);
  assert.deepEqual([get(DAINT), interrupts(all)], [0, false]);
});

test('a packet that is sent again, because the host did not hear it, is the same one', () => {
  const all = controller();
  offer(all, 1, [9]);
  assert.deepEqual([all.usb.token(token('in', 1)), all.usb.token(token('in', 1))], [bytes(9), bytes(9)]);
});

test('an empty packet needs no data', () => {
  const all = controller();
  offer(all, 1, []);
  assert.deepEqual(all.usb.token(token('in', 1)), bytes());
});

test('several packets of one transfer go out in order, the last one may be short', () => {
  const all = controller();
  const { usb, set, get } = all;
  set(DIEPTXF1, (32 << 16) | 78);
  const { control, size } = inRegisters(1);
  set(size, (2 << 19) | 70);
  set(control, get(control) | CNAK | ENABLE);
  for (let word = 0; word < 18; word++) set(fifo(1), word);
  assert.equal(usb.token(token('in', 1)).length, 64);
  usb.commit(token('in', 1));
  assert.deepEqual([get(size), get(inRegisters(1).events) & COMPLETE], [(1 << 19) | 6, 0]);
  assert.deepEqual(usb.token(token('in', 1)), bytes(16, 0, 0, 0, 17, 0));
  usb.commit(token('in', 1));
  assert.deepEqual([get(size), get(inRegisters(1).events) & COMPLETE], [0, COMPLETE]);
});

test('without a transfer, without all of its data, and with NAK, the answer is NAK', () => {
  const all = controller();
  const { usb, set, get } = all;
  const { control, size, events } = inRegisters(1);
  assert.equal(usb.token(token('in', 1)), 'nak');
  set(size, (1 << 19) | 8);
  set(control, get(control) | CNAK | ENABLE);
  set(fifo(1), 1);
  assert.equal(usb.token(token('in', 1)), 'nak');
  assert.ok(get(events) & ASKED, 'a token came while data was missing');
  set(fifo(1), 2);
  set(control, get(control) | SNAK);
  assert.equal(usb.token(token('in', 1)), 'nak');
  assert.ok(get(control) & NAK && get(events) & NAKED);
  set(control, get(control) | CNAK);
  assert.equal(get(events) & NAKED, 0);
  assert.equal(usb.token(token('in', 1)).length, 8);
});

test('a transfer is disabled with NAK only, and what is on its way goes out first', () => {
  const all = controller();
  const { usb, set, get, mistakes } = all;
  const { control, events } = inRegisters(1);
  offer(all, 1, [1]);
  usb.token(token('in', 1));
  set(control, get(control) | SNAK);
  set(control, get(control) | SNAK | DISABLE);
  assert.ok(get(control) & ENABLE);
  usb.commit(token('in', 1));
  assert.deepEqual([get(control) & ENABLE, get(events) & DISABLED], [0, DISABLED]);
  assert.deepEqual(mistakes, []);
  offer(all, 1, [1]);
  set(control, get(control) | DISABLE);
  assert.match(mistakes.pop(), /disabled without NAK/);
});

test('a flush empties one FIFO or all of them, and a transfer stays', () => {
  const all = controller();
  const { set, get } = all;
  for (const [number, left] of [
    [0, 15],
    [1, 16],
    [0x10, 16],
  ]) {
    set(inRegisters(1).control, get(inRegisters(1).control) | SNAK);
    set(inRegisters(1).control, get(inRegisters(1).control) | DISABLE);
    set(GRSTCTL, (1 << 5) | (0x10 << 6));
    offer(all, 1, [1]);
    set(GRSTCTL, (1 << 5) | (number << 6));
    assert.equal(get(inRegisters(1).room), left);
  }
  assert.equal(get(GRSTCTL), 0x80000000, 'done at once, and the bus is idle');
  assert.ok(get(inRegisters(1).control) & ENABLE);
});

test('the event of an empty FIFO follows the FIFO, behind a mask of its own', () => {
  const all = controller();
  const { set, get } = all;
  assert.equal(get(DAINT), 0);
  set(DIEPEMPMSK, 2);
  assert.equal(get(DAINT), 2);
  offer(all, 1, [1]);
  assert.equal(get(DAINT), 0);
});

test('a packet from the host is in the receive FIFO with its status, then the end of the transfer', () => {
  const all = controller();
  const { set, get, usb } = all;
  const { control, events, size } = outRegisters(1);
  set(GINTMSK, RX);
  set(size, (1 << 19) | 64);
  set(control, get(control) | CNAK | ENABLE);
  assert.equal(deliver(all, 1, [1, 2, 3, 4, 5]), 'ack');
  assert.deepEqual([get(GINTSTS) & RX, interrupts(all), usb.unread], [RX, true, 5]);
  assert.equal(get(GRXSTSR), get(GRXSTSR), 'it can be looked at');
  assert.deepEqual(take(all), { endpoint: 1, pid: 0, status: STATUS_DATA, data: [1, 2, 3, 4, 5] });
  assert.equal(get(events) & COMPLETE, 0);
  assert.deepEqual(take(all), { endpoint: 1, pid: 0, status: STATUS_DONE, data: [] });
  assert.deepEqual([get(events) & COMPLETE, get(control) & ENABLE, get(size)], [COMPLETE, 0, 59]);
  assert.deepEqual([get(GINTSTS) & RX, interrupts(all), usb.unread], [0, false, 0]);
});

test('after the end of a transfer packets from the host are refused until firmware accepts the next', () => {
  const all = controller();
  const { set, get } = all;
  const { control, size } = outRegisters(1);
  set(size, (2 << 19) | 128);
  assert.equal(deliver(all, 1, Array(64).fill(1)), 'ack');
  assert.equal(get(control) & NAK, 0, 'one packet is left');
  take(all);
  assert.equal(deliver(all, 1, Array(64).fill(2), 1), 'ack');
  assert.equal(get(control) & NAK, NAK);
  assert.equal(deliver(all, 1, [3]), 'nak');
  set(size, (2 << 19) | 128);
  set(control, get(control) | CNAK);
  [take(all), take(all)];
  assert.equal(deliver(all, 1, [3]), 'ack');
  assert.equal(get(control) & NAK, NAK, 'a short packet ends the transfer');
});

test('firmware hears that an endpoint accepts packets again, so the host need not ask in vain', () => {
  const { usb, set, get } = controller();
  let ready = 0;
  usb.onReady = () => (ready += 1);
  set(outRegisters(1).control, get(outRegisters(1).control) | CNAK);
  assert.equal(ready, 1);
});

test('a packet with the PID of the one before is acknowledged and dropped', () => {
  const all = controller();
  const { set, get } = all;
  set(outRegisters(1).size, (2 << 19) | 128);
  assert.equal(deliver(all, 1, Array(64).fill(1), 0), 'ack');
  take(all);
  assert.equal(deliver(all, 1, Array(64).fill(1), 0), 'ack');
  assert.equal(get(GINTSTS) & RX, 0);
  set(outRegisters(1).control, get(outRegisters(1).control) | DATA0);
  assert.equal(deliver(all, 1, [7], 0), 'ack');
  assert.deepEqual(take(all).data, [7]);
});

test('a full receive FIFO refuses packets, and keeps room for SETUP packets', () => {
  const all = controller();
  const { set } = all;
  set(GRXFSIZ, 61);
  set(outRegisters(1).size, (9 << 19) | 576);
  assert.equal(deliver(all, 1, Array(64).fill(1), 0), 'ack');
  assert.equal(deliver(all, 1, Array(64).fill(1), 1), 'ack');
  assert.equal(deliver(all, 1, Array(64).fill(1), 0), 'nak', '34 of 61 words are used, and 10 are kept');
  setup(all);
  [take(all), take(all)];
  assert.equal(take(all).status, STATUS_SETUP);
  assert.equal(deliver(all, 1, Array(64).fill(1), 0), 'ack');
});

test('a packet longer than the endpoint takes is not answered', () => {
  assert.equal(deliver(controller(), 1, Array(65).fill(1)), 'silence');
});

test('an endpoint that is not active, another address, and a device without pull-up are silent', () => {
  const { usb, set, get } = controller();
  set(inRegisters(1).control, get(inRegisters(1).control) & ~ACTIVE);
  set(outRegisters(1).control, get(outRegisters(1).control) & ~ACTIVE);
  assert.deepEqual([usb.token(token('in', 1)), usb.token(token('out', 1, [1]))], ['silence', 'silence']);
  assert.equal(usb.token(token('in', 0, [], 6)), 'silence');
  assert.equal(usb.token(token('setup', 1, Array(8).fill(0))), 'silence');
  set(DCTL, 2);
  assert.equal(usb.token(token('in', 0)), 'silence');
});

test('a SETUP is accepted whatever NAK and stall say, and the next token tells that it is complete', () => {
  const all = controller();
  const { usb, set, get } = all;
  set(GINTMSK, OUT);
  set(inRegisters(0).control, STALL);
  set(outRegisters(0).control, STALL);
  set(outRegisters(0).size, 3 << 29);
  setup(all, [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(get(outRegisters(0).size) >>> 29, 2);
  assert.deepEqual([get(inRegisters(0).control) & STALL, get(outRegisters(0).control) & STALL], [0, 0]);
  assert.deepEqual([get(inRegisters(0).control) & (NAK | PID), get(outRegisters(0).control) & (NAK | PID)], [NAK | PID, NAK | PID]);
  assert.deepEqual(take(all), { endpoint: 0, pid: 0, status: STATUS_SETUP, data: [1, 2, 3, 4, 5, 6, 7, 8] });
  assert.equal(get(GINTSTS) & RX, 0);
  assert.equal(usb.token(token('in', 0)), 'nak');
  assert.deepEqual(take(all), { endpoint: 0, pid: 0, status: STATUS_SETUP_DONE, data: [] });
  assert.deepEqual([get(outRegisters(0).events), interrupts(all)], [SETUP, true]);
});

test('two SETUP packets in a row are complete once, with the second one', () => {
  const all = controller();
  setup(all, [1, 0, 0, 0, 0, 0, 0, 0]);
  setup(all, [2, 0, 0, 0, 0, 0, 0, 0]);
  all.usb.token(token('out', 0, []));
  assert.deepEqual([take(all), take(all), take(all)].map(({ status }) => status), [STATUS_SETUP, STATUS_SETUP, STATUS_SETUP_DONE]);
  assert.equal(all.get(GINTSTS) & RX, 0);
});

test('a SETUP does not end a transfer to the host: firmware has to', () => {
  const all = controller();
  const { set, get, usb } = all;
  const { control, events } = inRegisters(0);
  offer(all, 0, [1, 2]);
  setup(all);
  assert.deepEqual([get(control) & ENABLE, usb.token(token('in', 0))], [ENABLE | 0, 'nak']);
  assert.ok(get(events) & NAKED);
  set(control, get(control) | SNAK | DISABLE);
  assert.equal(get(control) & ENABLE, 0);
});

test('a stall of another endpoint lasts until firmware ends it, and goes before NAK', () => {
  const all = controller();
  const { usb, set, get } = all;
  const { control } = inRegisters(1);
  set(control, get(control) | STALL);
  assert.equal(usb.token(token('in', 1)), 'stall');
  setup(all);
  assert.equal(usb.token(token('in', 1)), 'stall');
  set(control, get(control) & ~STALL);
  assert.equal(usb.token(token('in', 1)), 'nak');
});

test('an address takes effect after the status of its transfer, and address 0 at once', () => {
  const all = controller();
  const { usb, set } = all;
  set(DCFG, 3);
  assert.equal(usb.address, 0);
  usb.token(token('setup', 0, Array(8).fill(0), 0));
  setup({ usb: { token: () => 'ack', commit: (...args) => usb.commit(...args) } });
  set(DCFG, 3 | (9 << 4));
  offer(all, 0, []);
  assert.deepEqual(usb.token(token('in', 0, [], 0)), bytes());
  usb.commit(token('in', 0));
  assert.deepEqual([usb.address, usb.token(token('in', 0, [], 0))], [9, 'silence']);
});

test('a reset of the bus deactivates endpoints, and the first frame after it ends the enumeration of the speed', () => {
  const all = controller();
  const { usb, set, get } = all;
  set(GINTMSK, RESET | ENUMERATED);
  offer(all, 1, [1]);
  usb.reset();
  assert.deepEqual([get(GINTSTS) & (RESET | ENUMERATED), interrupts(all)], [RESET, true]);
  assert.deepEqual([get(inRegisters(1).control) & ACTIVE, get(outRegisters(1).control) & ACTIVE], [0, 0]);
  assert.ok(get(inRegisters(0).control) & ACTIVE);
  assert.ok(get(inRegisters(1).control) & ENABLE, 'a transfer is not ended');
  set(GINTSTS, RESET);
  assert.equal(interrupts(all), false);
  usb.startOfFrame(1);
  assert.deepEqual([get(GINTSTS) & ENUMERATED, get(DSTS) & 6], [ENUMERATED, 6]);
});

test('a bus without frames for 3 ms is suspended, and the host can resume it', () => {
  const all = controller();
  const { usb, board, set, get } = all;
  const { clock } = board;
  set(GINTMSK, SUSPEND | WAKE_UP);
  usb.startOfFrame(1);
  usb.idle();
  clock.sleepUntil(clock.nanos + 2.9e6);
  assert.equal(get(GINTSTS) & SUSPEND, 0);
  clock.sleepUntil(clock.nanos + 0.2e6);
  assert.deepEqual([get(GINTSTS) & SUSPEND, get(DSTS) & 1, interrupts(all)], [SUSPEND, 1, true]);
  set(GINTSTS, SUSPEND);
  usb.resume();
  assert.deepEqual([get(GINTSTS) & WAKE_UP, get(DSTS) & 1], [WAKE_UP | 0, 0]);
});

test('the number of a frame is in DSTS, and each frame is an event', () => {
  const { usb, get, set } = controller();
  usb.startOfFrame(0x7ff);
  assert.deepEqual([(get(DSTS) >>> 8) & 0x3fff, get(GINTSTS) & 8], [0x7ff, 8]);
  set(GINTSTS, 8);
  assert.equal(get(GINTSTS) & 8, 0);
});

test('without GINT no event interrupts', () => {
  const all = controller();
  all.set(GINTMSK, RESET);
  all.set(GAHBCFG, 0);
  all.usb.reset();
  assert.equal(interrupts(all), false);
  all.set(GAHBCFG, 1);
  assert.equal(interrupts(all), true);
});

test('FIFOs that overlap, are too small or end beyond 4 KiB are mistakes when they are used', () => {
  for (const [place, mistake] of [
    [(16 << 16) | 70, /overlap/],
    [(15 << 16) | 78, /15 words, at least 16/],
    [(16 << 16) | 1009, /beyond the 1024 words/],
  ]) {
    const all = controller();
    all.set(DIEPTXF1, place);
    offer(all, 1, []);
    assert.match(all.mistakes[0], mistake);
  }
  const last = controller();
  last.set(DIEPTXF1, (16 << 16) | 1008);
  offer(last, 1, []);
  assert.deepEqual(last.mistakes, []);
});

test('wrong uses of the FIFOs are mistakes', () => {
  const wrong = (use, mistake) => {
    const all = controller();
    use(all);
    assert.match(all.mistakes.join(), mistake);
  };
  wrong(({ set }) => set(fifo(1), 1), /which is not enabled/);
  wrong((all) => offer(all, 1, Array(68).fill(1)), /overflows/);
  wrong(({ get }) => get(fifo(0)), /that no packet has/);
  wrong(({ get }) => get(GRXSTSP), /empty receive FIFO/);
  wrong((all) => {
    setup(all);
    setup(all);
    [all.get(GRXSTSP), all.get(GRXSTSP)];
  }, /before the data of the last packet/);
  wrong(({ set, get }) => set(inRegisters(1).control, get(inRegisters(1).control) | CNAK | ENABLE), /without a packet/);
  wrong(({ set }) => set(inRegisters(1).control, CNAK | SNAK), /at once/);
});

test('what is not modelled stops the run', () => {
  for (const use of [
    ({ set }) => set(GRSTCTL, 1),
    ({ set }) => set(DCTL, 1),
    ({ set }) => set(DCTL, 1 << 9),
    ({ set }) => set(GAHBCFG, 1 << 5),
    ({ set }) => set(GUSBCFG, 1 << 29),
    ({ set }) => set(0xe00, 1),
    ({ set }) => set(outRegisters(1).control, ACTIVE | (1 << 18)),
    ({ get }) => get(0x400),
    ({ set, get }) => {
      set(inRegisters(1).size, 1 << 19);
      set(inRegisters(1).control, (get(inRegisters(1).control) & ~(0xf << 22)) | CNAK | ENABLE);
    },
  ]) {
    assert.throws(() => use(controller()), NotModelled);
  }
});

test('a reset by RCC takes the device away and forgets everything', () => {
  const all = controller();
  const { usb, write, get } = all;
  setup(all);
  write(0x58024480, 1 << 27);
  assert.deepEqual([usb.isAttached, get(GINTSTS) & RX, get(GCCFG), get(inRegisters(1).control)], [false, 0, 0, 0]);
  assert.equal(get(GRXFSIZ), 0x200);
});
