/** Receiving and sending in MACRAW mode, by the datasheet (version 1.0.9, 4.2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as r from '../w5500/registers.mjs';
import { MAC, Master, frameOf } from './master.mjs';

const BROADCAST = new Uint8Array(6).fill(0xff);
const MULTICAST = Uint8Array.of(0x01, 0x00, 0x5e, 0, 0, 1);
const OTHER = Uint8Array.of(0x02, 0, 0, 0, 0, 0x99);
const IPV6 = [0x86, 0xdd];

function opened(options) {
  const master = new Master(options);
  master.open();
  return master;
}

test('OPEN leads to SOCK_MACRAW and CLOSE to SOCK_CLOSED', () => {
  const master = opened();
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_SR), [r.SOCK_MACRAW]);
  master.command(r.CLOSE);
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_SR), [r.SOCK_CLOSED]);
  assert.deepEqual(master.mistakes, []);
});

test('OPEN in another mode, and buffers of more than 16 KiB in all, are mistakes', () => {
  const master = new Master();
  master.command(r.OPEN);
  assert.match(master.mistakes.join(), /only MACRAW/);
  const greedy = new Master();
  greedy.write(r.BLOCK_SOCKET, r.SN_RXBUF_SIZE, 16, 2);
  greedy.write(r.BLOCK_SOCKET, r.SN_MR, r.MODE_MACRAW);
  greedy.command(r.OPEN);
  assert.deepEqual(greedy.mistakes, ['RX buffers of all sockets are 30 KiB']);
});

test('a frame lies behind two bytes of length that count themselves', () => {
  const master = opened();
  master.chip.receive(frameOf(60));
  assert.equal(master.read16(r.SN_RX_RSR), 62);
  assert.deepEqual(master.read(r.BLOCK_RX, 0, 3), [0, 62, MAC[0]]);
  assert.deepEqual(master.fetch(), frameOf(60));
  assert.equal(master.read16(r.SN_RX_RSR), 0);
});

for (const length of [60, 1514, 1518, 1600, 9000]) {
  test(`a frame of ${length} bytes is delivered as a whole`, () => {
    const master = opened();
    assert.equal(master.chip.receive(frameOf(length)), 'received');
    assert.deepEqual(master.fetch(), frameOf(length));
  });
}

test('200 frames come out as they went in, around the end of the memory and of the pointers', () => {
  const master = opened();
  let bytes = 0;
  for (let i = 0; i < 200; i++) {
    const frame = frameOf(60 + ((i * 97) % 1455));
    bytes += frame.length + 2;
    assert.equal(master.chip.receive(frame), 'received');
    assert.deepEqual(master.fetch(), frame);
  }
  assert.ok(bytes > 0x10000);
  assert.equal(master.read16(r.SN_RX_WR), bytes & 0xffff);
  assert.equal(master.fetch(), undefined);
  assert.deepEqual(master.mistakes, []);
});

test('a smaller memory wraps at its own size', () => {
  const master = new Master();
  master.open(r.MODE_MACRAW, 4);
  for (let i = 0; i < 40; i++) {
    assert.equal(master.chip.receive(frameOf(1000)), 'received');
    assert.deepEqual(master.fetch(), frameOf(1000));
  }
});

test('a frame that does not fit is lost as a whole and counted, and room that is given back is used again', () => {
  const master = opened();
  const outcomes = Array.from({ length: 12 }, () => master.chip.receive(frameOf(1514)));
  assert.deepEqual(outcomes, [...new Array(10).fill('received'), 'full', 'full']);
  assert.equal(master.chip.counters.full, 2);
  master.fetch();
  assert.equal(master.chip.receive(frameOf(1514)), 'received');
});

test('Sn_RX_RSR gives back nothing before RECV', () => {
  const master = opened();
  master.chip.receive(frameOf(60));
  master.write16(r.SN_RX_RD, 62);
  assert.equal(master.read16(r.SN_RX_RSR), 62);
  master.command(r.RECV);
  assert.equal(master.read16(r.SN_RX_RSR), 0);
});

test('Sn_RX_RD past Sn_RX_WR is a mistake', () => {
  const master = opened();
  master.chip.receive(frameOf(60));
  master.write16(r.SN_RX_RD, 63);
  master.command(r.RECV);
  assert.deepEqual(master.mistakes, ['Sn_RX_RD is 1 bytes past Sn_RX_WR']);
});

test('RECV is set by an arrival only: frames left in the memory raise nothing', () => {
  const master = opened();
  master.chip.receive(frameOf(60));
  master.chip.receive(frameOf(60));
  master.clear(r.IR_RECV);
  master.fetch();
  assert.equal(master.read16(r.SN_RX_RSR), 62);
  assert.equal(master.socketInterrupts(), 0);
  master.chip.receive(frameOf(60));
  assert.equal(master.socketInterrupts(), r.IR_RECV);
});

test('with reassertReceive a RECV command that leaves bytes raises RECV', () => {
  const master = opened({ reassertReceive: true });
  master.chip.receive(frameOf(60));
  master.chip.receive(frameOf(60));
  master.clear(r.IR_RECV);
  master.fetch();
  assert.equal(master.socketInterrupts(), r.IR_RECV);
});

for (const [bits, name, kept] of [
  [0, 'without a filter', ['own', 'broadcast', 'multicast', 'foreign', 'IPv6']],
  [r.MAC_FILTER, 'with MFEN', ['own', 'broadcast', 'multicast', 'IPv6']],
  [r.MAC_FILTER | r.BLOCK_BROADCAST, 'with broadcast blocked', ['own', 'multicast', 'IPv6']],
  [r.MAC_FILTER | r.BLOCK_MULTICAST, 'with multicast blocked', ['own', 'broadcast', 'IPv6']],
  [r.BLOCK_IPV6, 'with IPv6 blocked', ['own', 'broadcast', 'multicast', 'foreign']],
]) {
  test(`${name} the socket takes ${kept.join(', ')} frames and no others`, () => {
    const master = new Master();
    master.open(r.MODE_MACRAW | bits);
    const kinds = {
      own: { to: MAC },
      broadcast: { to: BROADCAST },
      multicast: { to: MULTICAST },
      foreign: { to: OTHER },
      IPv6: { to: MAC, type: IPV6 },
    };
    const taken = Object.keys(kinds).filter((kind) => master.chip.receive(frameOf(60, kinds[kind])) === 'received');
    assert.deepEqual(taken, kept);
    assert.equal(master.chip.counters.filtered, 5 - kept.length);
  });
}

test('without link, and with the socket closed, a frame is lost and counted', () => {
  const master = new Master();
  assert.equal(master.chip.receive(frameOf(60)), 'closed');
  master.open();
  master.chip.setCable(false);
  assert.equal(master.chip.receive(frameOf(60)), 'noLink');
});

test('a SEND leaves when the wire has carried it, and then sets SENDOK and gives its room back', () => {
  const master = opened();
  master.send(frameOf(1514));
  assert.equal(master.read16(r.SN_TX_FSR), 16384 - 1514);
  master.wait(123);
  assert.deepEqual([master.sent.length, master.socketInterrupts()], [0, 0]);
  master.wait(0.1);
  assert.deepEqual(master.sent, [frameOf(1514)]);
  assert.equal(master.socketInterrupts(), r.IR_SENDOK);
  assert.equal(master.read16(r.SN_TX_FSR), 16384);
  assert.equal(master.read16(r.SN_TX_RD), master.read16(r.SN_TX_WR));
});

test('CLOSE ends a SEND that is under way', () => {
  const master = opened();
  master.send(frameOf(60));
  master.command(r.CLOSE);
  master.wait(100);
  assert.deepEqual([master.sent.length, master.socketInterrupts()], [0, 0]);
});

test('a short frame is padded to 60 bytes with zeros', () => {
  const master = opened();
  master.send(frameOf(42));
  master.wait(10);
  const padded = new Uint8Array(60);
  padded.set(frameOf(42));
  assert.deepEqual(master.sent, [padded]);
});

test('200 frames are sent as they were stored, around the end of the memory and of the pointers', () => {
  const master = opened();
  for (let i = 0; i < 200; i++) {
    const frame = frameOf(60 + ((i * 97) % 1455));
    master.send(frame);
    master.wait(130);
    assert.deepEqual(master.sent.pop(), frame);
  }
  assert.deepEqual(master.mistakes, []);
});

test('a SEND before the former one is complete is a mistake', () => {
  const master = opened();
  master.send(frameOf(60));
  master.send(frameOf(60));
  assert.deepEqual(master.mistakes, ['SEND before the former SEND is complete']);
});

test('a frame that is overwritten before it has left goes out spoilt', () => {
  const master = opened();
  master.send(frameOf(60));
  master.write(r.BLOCK_TX, 59, 0xee);
  master.wait(10);
  assert.equal(master.sent[0][59], 0xee);
});

for (const [length, message] of [[0, /SEND of 0 bytes/], [13, /SEND of 13 bytes/], [1515, /SEND of 1515 bytes/]]) {
  test(`a SEND of ${length} bytes is a mistake`, () => {
    const master = opened();
    master.send(new Uint8Array(length));
    assert.match(master.mistakes.join(), message);
  });
}

test('Sn_TX_WR beyond the free room is a mistake', () => {
  const master = new Master();
  master.open(r.MODE_MACRAW, 1);
  master.send(frameOf(1100));
  assert.deepEqual(master.mistakes, ['SEND of 1100 bytes into 1024 free ones']);
});

test('a SEND without link completes and the frame is lost; with sendsNeedLink it waits for the link', () => {
  const lossy = opened();
  lossy.chip.setCable(false);
  lossy.send(frameOf(60));
  lossy.wait(10);
  assert.deepEqual([lossy.socketInterrupts(), lossy.chip.counters.sentWithoutLink], [r.IR_SENDOK, 1]);
  const patient = opened({ sendsNeedLink: true });
  patient.chip.setCable(false);
  patient.send(frameOf(60));
  patient.wait(10);
  assert.equal(patient.socketInterrupts(), 0);
  patient.chip.setCable(true);
  patient.wait(10);
  assert.deepEqual(patient.sent, [frameOf(60)]);
});
