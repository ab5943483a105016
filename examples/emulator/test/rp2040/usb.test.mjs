/** The RP2040's USB controller in device mode, against chapter 4.1 of its datasheet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RP2040 } from 'rp2040js';
import { Clock } from '../../simulation/clock.mjs';
import { UsbDeviceController } from '../../rp2040/usb.mjs';

const DPRAM = 0x50100000;
const USB = 0x50110000;
const SET = 0x2000;
const CLEAR = 0x3000;
const ADDR_ENDP = 0x00;
const MAIN_CTRL = 0x40;
const SOF_RD = 0x48;
const SIE_CTRL = 0x4c;
const SIE_STATUS = 0x50;
const BUFF_STATUS = 0x58;
const EP_STALL_ARM = 0x68;
const INTR = 0x8c;
const INTE = 0x90;
const INTS = 0x98;

const AVAILABLE = 1 << 10;
const STALL = 1 << 11;
const DATA1 = 1 << 13;
const LAST = 1 << 14;
const FULL = 1 << 15;
const ENABLE = 0x80000000;
const INT_1BUF = 1 << 29;
const SETUP_REC = 1 << 17;
const BUS_RESET = 1 << 19;

const EP1_IN_CONTROL = 0x08;
const EP1_OUT_CONTROL = 0x0c;
const EP0_IN = 0x80;
const EP0_OUT = 0x84;
const EP1_IN = 0x88;
const EP1_OUT = 0x8c;
const DATA_IN = 0x180;
const DATA_OUT = 0x1c0;

/** A controller that is attached, has the address 5, and the endpoint 1 in both directions. */
function controller() {
  const clock = new Clock();
  const mcu = new RP2040(clock);
  clock.follow(mcu.core);
  const seen = { faults: [], mistakes: [], interrupt: false };
  mcu.setInterrupt = (number, level) => {
    if (number === 5) seen.interrupt = level;
  };
  const usb = new UsbDeviceController(mcu, {
    fault: (reason) => seen.faults.push(reason),
    onMistake: (text) => seen.mistakes.push(text),
  });
  const write = (register, value) => mcu.writeUint32(USB + register, value >>> 0);
  const read = (register) => mcu.readUint32(USB + register);
  const memory = (at, value) => mcu.writeUint32(DPRAM + at, value >>> 0);
  const buffer = (at, value) => {
    memory(at, value & ~AVAILABLE);
    mcu.core.cycles += 12;
    memory(at, value);
  };
  write(MAIN_CTRL, 1);
  write(SIE_CTRL, (1 << 16) | INT_1BUF);
  write(ADDR_ENDP, 5);
  memory(EP1_IN_CONTROL, ENABLE | INT_1BUF | DATA_IN);
  memory(EP1_OUT_CONTROL, ENABLE | INT_1BUF | DATA_OUT);
  return { clock, mcu, usb, seen, write, read, memory, buffer, load: (at) => mcu.readUint32(DPRAM + at) };
}

const token = (kind, endpoint, address = 5) => ({ kind, endpoint, address });
const bytes = (...values) => Uint8Array.from(values);

test('AVAILABLE stays set until the host has taken the packet, and then FULL is clear, too', () => {
  const { usb, buffer, load, mcu, read } = controller();
  mcu.usbDPRAM.set([1, 2, 3], DATA_IN);
  buffer(EP1_IN, AVAILABLE | FULL | DATA1 | 3);
  assert.equal(load(EP1_IN) & AVAILABLE, AVAILABLE);
  assert.deepEqual(usb.token(token('in', 1)), bytes(1, 2, 3));
  assert.equal(load(EP1_IN) & AVAILABLE, AVAILABLE, 'a token alone changes nothing');
  assert.equal(usb.pid(1), 1);
  usb.commit(token('in', 1), undefined, 1);
  assert.equal(load(EP1_IN) & (AVAILABLE | FULL), 0);
  assert.equal(read(BUFF_STATUS), 1 << 2);
});

test('a packet from the host is in the buffer with its length and FULL, and AVAILABLE is clear', () => {
  const { usb, buffer, load, mcu, read } = controller();
  buffer(EP1_OUT, AVAILABLE | 64);
  assert.equal(usb.token(token('out', 1)), 'ack');
  usb.commit(token('out', 1), bytes(9, 8, 7), 0);
  assert.equal(load(EP1_OUT) & 0xffff, FULL | 3);
  assert.deepEqual(mcu.usbDPRAM.slice(DATA_OUT, DATA_OUT + 3), bytes(9, 8, 7));
  assert.equal(read(BUFF_STATUS), 1 << 3);
  assert.equal(usb.unread, 3);
});

test('without an available buffer the answer is NAK', () => {
  const { usb, buffer, memory } = controller();
  assert.equal(usb.token(token('in', 1)), 'nak');
  assert.equal(usb.token(token('out', 1)), 'nak');
  memory(EP1_IN, FULL | 3);
  assert.equal(usb.token(token('in', 1)), 'nak', 'full, but not available');
  buffer(EP1_IN, AVAILABLE | 3);
  assert.equal(usb.token(token('in', 1)), 'nak', 'available, but not full');
  buffer(EP1_OUT, AVAILABLE | FULL | 64);
  assert.equal(usb.token(token('out', 1)), 'nak', 'a full buffer takes no packet');
});

test('an endpoint that is not enabled, another address, and a device without pull-up are silent', () => {
  const { usb, buffer, memory, write } = controller();
  buffer(EP1_IN, AVAILABLE | FULL);
  memory(EP1_IN_CONTROL, INT_1BUF | DATA_IN);
  assert.equal(usb.token(token('in', 1)), 'silence');
  assert.equal(usb.token(token('in', 0, 6)), 'silence');
  assert.equal(usb.token(token('setup', 0, 0)), 'silence');
  assert.equal(usb.token(token('setup', 0)), 'ack');
  write(SIE_CTRL, 0);
  assert.equal(usb.token(token('setup', 0)), 'silence');
});

test('a SETUP is always accepted, even with a stall, and lies at the start of the memory', () => {
  const { usb, mcu, memory, read, write, seen } = controller();
  write(INTE, 1 << 16);
  memory(EP0_IN, STALL);
  write(EP_STALL_ARM, 3);
  assert.equal(usb.token(token('setup', 0)), 'ack');
  usb.commit(token('setup', 0), bytes(0x80, 6, 0, 1, 0, 0, 18, 0), 0);
  assert.deepEqual(mcu.usbDPRAM.slice(0, 8), bytes(0x80, 6, 0, 1, 0, 0, 18, 0));
  assert.equal(read(SIE_STATUS) & SETUP_REC, SETUP_REC);
  assert.equal(seen.interrupt, true);
  write(SIE_STATUS, SETUP_REC);
  assert.deepEqual([read(SIE_STATUS) & SETUP_REC, seen.interrupt], [0, false]);
});

test('a stall of endpoint 0 needs to be armed, and ends with the next SETUP', () => {
  const { usb, memory, write, read } = controller();
  memory(EP0_IN, STALL);
  memory(EP0_OUT, STALL);
  assert.equal(usb.token(token('in', 0)), 'nak');
  write(EP_STALL_ARM, 1);
  assert.deepEqual([usb.token(token('in', 0)), usb.token(token('out', 0))], ['stall', 'nak']);
  write(EP_STALL_ARM + SET, 2);
  assert.equal(usb.token(token('out', 0)), 'stall');
  usb.commit(token('setup', 0), new Uint8Array(8), 0);
  assert.equal(read(EP_STALL_ARM), 0);
  assert.deepEqual([usb.token(token('in', 0)), usb.token(token('out', 0))], ['nak', 'nak']);
});

test('a stall of another endpoint lasts until firmware ends it', () => {
  const { usb, memory, buffer } = controller();
  memory(EP1_IN, STALL);
  assert.equal(usb.token(token('in', 1)), 'stall');
  usb.commit(token('setup', 0), new Uint8Array(8), 0);
  assert.equal(usb.token(token('in', 1)), 'stall');
  buffer(EP1_IN, AVAILABLE | FULL | 0);
  assert.deepEqual(usb.token(token('in', 1)), bytes());
});

test('a packet with the other PID is an error, and the buffer stays available', () => {
  const { usb, buffer, load, read, write } = controller();
  buffer(EP1_OUT, AVAILABLE | DATA1 | 64);
  usb.commit(token('out', 1), bytes(1), 0);
  assert.equal(load(EP1_OUT) & (AVAILABLE | FULL), AVAILABLE);
  assert.equal(read(BUFF_STATUS), 0);
  assert.ok(read(SIE_STATUS) & 0x80000000);
  write(SIE_STATUS, 0x80000000);
  assert.equal(read(SIE_STATUS), 0);
});

test('a packet longer than the buffer is an error', () => {
  const { usb, buffer, read, load } = controller();
  buffer(EP1_OUT, AVAILABLE | 8);
  usb.commit(token('out', 1), new Uint8Array(9), 0);
  assert.ok(read(SIE_STATUS) & (1 << 26));
  assert.equal(load(EP1_OUT) & AVAILABLE, AVAILABLE);
});

test('BUFF_STATUS is cleared by ones, and its interrupt follows it', () => {
  const { usb, buffer, read, write, seen } = controller();
  write(INTE, 1 << 4);
  buffer(EP1_OUT, AVAILABLE | 64);
  buffer(EP1_IN, AVAILABLE | FULL | 1);
  usb.commit(token('out', 1), bytes(1), 0);
  usb.commit(token('in', 1), undefined, 0);
  assert.deepEqual([read(BUFF_STATUS), read(INTR) & 16, read(INTS), seen.interrupt], [12, 16, 16, true]);
  write(BUFF_STATUS, 4);
  assert.deepEqual([read(BUFF_STATUS), seen.interrupt], [8, true]);
  write(BUFF_STATUS, 8);
  assert.deepEqual([read(BUFF_STATUS), read(INTS), seen.interrupt], [0, 0, false]);
});

test('without the interrupt for each buffer, BUFF_STATUS stays as it is', () => {
  const { usb, buffer, memory, read } = controller();
  memory(EP1_OUT_CONTROL, ENABLE | DATA_OUT);
  buffer(EP1_OUT, AVAILABLE | 64);
  usb.commit(token('out', 1), bytes(1), 0);
  assert.equal(read(BUFF_STATUS), 0);
});

test('the last buffer of a transfer sets TRANS_COMPLETE', () => {
  const { usb, buffer, read } = controller();
  buffer(EP1_IN, AVAILABLE | FULL | LAST | 1);
  usb.commit(token('in', 1), undefined, 0);
  assert.ok(read(SIE_STATUS) & (1 << 18));
});

test('a reset of the bus is a status and an interrupt, which a 1 clears, also by the alias', () => {
  const { usb, read, write, seen } = controller();
  write(INTE, 1 << 12);
  usb.reset();
  assert.deepEqual([read(SIE_STATUS) & BUS_RESET, seen.interrupt], [BUS_RESET, true]);
  write(SIE_STATUS + CLEAR, BUS_RESET);
  assert.deepEqual([read(SIE_STATUS) & BUS_RESET, seen.interrupt], [0, false]);
});

test('a bus without frames for 3 ms is suspended, and the host can resume it', () => {
  const { usb, clock, read, write, seen } = controller();
  write(INTE, (1 << 14) | (1 << 15));
  usb.startOfFrame(1);
  usb.idle();
  clock.sleepUntil(clock.nanos + 2.9e6);
  assert.equal(read(SIE_STATUS) & 16, 0);
  clock.sleepUntil(clock.nanos + 0.2e6);
  assert.deepEqual([read(SIE_STATUS) & 16, read(INTS), seen.interrupt], [16, 1 << 14, true]);
  write(SIE_STATUS, 16);
  assert.deepEqual([read(SIE_STATUS) & 16, seen.interrupt], [0, false]);
  usb.resume();
  assert.deepEqual([read(SIE_STATUS) & (1 << 11), read(INTS)], [1 << 11, 1 << 15]);
});

test('a frame in time keeps the bus from being suspended', () => {
  const { usb, clock, read } = controller();
  usb.idle();
  clock.sleepUntil(clock.nanos + 2e6);
  usb.startOfFrame(7);
  clock.sleepUntil(clock.nanos + 10e6);
  assert.equal(read(SIE_STATUS) & 16, 0);
});

test('the number of a frame is readable, which ends its interrupt', () => {
  const { usb, read, write, seen } = controller();
  write(INTE, 1 << 17);
  usb.startOfFrame(0x7ff);
  assert.equal(seen.interrupt, true);
  assert.equal(read(SOF_RD), 0x7ff);
  assert.equal(read(INTS), 0);
});

test('the pull-up shows the host that there is a device', () => {
  const { usb, write } = controller();
  const seen = [];
  usb.onPullUp = (attached) => seen.push(attached);
  write(SIE_CTRL, 0);
  write(SIE_CTRL, 1 << 16);
  write(MAIN_CTRL, 0);
  assert.deepEqual(seen, [false, true, false]);
});

test('AVAILABLE together with other bits, or too soon after them, is a mistake', () => {
  const { memory, mcu, seen } = controller();
  memory(EP1_IN, AVAILABLE | FULL | 3);
  assert.match(seen.mistakes.pop(), /together/);
  memory(EP1_IN, FULL | 4);
  memory(EP1_IN, AVAILABLE | FULL | 4);
  assert.match(seen.mistakes.pop(), /less than a cycle/);
  memory(EP1_IN, FULL | 5);
  mcu.core.cycles += 3;
  memory(EP1_IN, AVAILABLE | FULL | 5);
  assert.deepEqual(seen.mistakes, []);
});

test('what is not modelled stops the run', () => {
  for (const break_ of [
    ({ write }) => write(MAIN_CTRL, 3),
    ({ memory, usb }) => {
      memory(EP1_IN_CONTROL, ENABLE | (1 << 30));
      usb.token(token('in', 1));
    },
    ({ memory }) => memory(EP1_IN, AVAILABLE << 16),
    ({ read }) => read(0xa0),
  ]) {
    const parts = controller();
    break_(parts);
    assert.equal(parts.seen.faults.length, 1);
  }
});

test('bytes and halfwords of the memory can be written by themselves', () => {
  const { mcu, load } = controller();
  mcu.writeUint32(DPRAM + DATA_IN, 0x44332211);
  mcu.writeUint8(DPRAM + DATA_IN + 1, 0xaa);
  mcu.writeUint16(DPRAM + DATA_IN + 2, 0xbbcc);
  assert.equal(load(DATA_IN), 0xbbccaa11);
});
