/** The ways in which the W5500 model can be made to fail, and what ends each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as r from '../w5500/registers.mjs';
import { Master, frameOf } from './master.mjs';

function opened() {
  const master = new Master();
  master.open();
  return master;
}

const version = (master) => master.read(r.BLOCK_COMMON, r.VERSIONR)[0];

for (const [kind, answer] of [['ones', 0xff], ['zeros', 0x00], ['missing', 0xff]]) {
  test(`'${kind}' answers every read with 0x${answer.toString(16)} and receives nothing`, () => {
    const master = opened();
    master.chip.wedge(kind);
    assert.equal(version(master), answer);
    assert.equal(master.chip.receive(frameOf(60)), 'closed');
    assert.deepEqual(master.interrupts, []);
  });
}

for (const kind of ['ones', 'zeros', 'deaf', 'sends']) {
  test(`RSTn ends '${kind}'`, () => {
    const master = opened();
    master.chip.wedge(kind);
    master.pulseReset();
    master.open();
    assert.equal(version(master), 4);
    assert.equal(master.chip.receive(frameOf(60)), 'received');
    master.send(frameOf(60));
    master.wait(10);
    assert.equal(master.sent.length, 1);
  });
}

test("RSTn does not bring a 'missing' chip, and null does", () => {
  const master = opened();
  master.chip.wedge('missing');
  master.pulseReset();
  assert.equal(version(master), 0xff);
  master.chip.wedge(null);
  assert.equal(version(master), 4);
});

test("'deaf' answers and does nothing, and MR.RST does not help", () => {
  const master = opened();
  master.chip.wedge('deaf');
  assert.equal(version(master), 4);
  master.send(frameOf(60));
  master.wait(10);
  master.write(r.BLOCK_COMMON, r.MR, 0x80);
  assert.deepEqual(master.sent, []);
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_SR), [r.SOCK_MACRAW]);
});

test("'sends' takes a SEND that never completes, also one under way; it still receives", () => {
  const master = opened();
  master.send(frameOf(60));
  master.chip.wedge('sends');
  master.wait(1e6);
  assert.deepEqual([master.sent.length, master.socketInterrupts()], [0, 0]);
  assert.equal(master.chip.receive(frameOf(60)), 'received');
});

test("MR.RST ends 'sends', and so does null, after which the SEND completes", () => {
  const reset = opened();
  reset.chip.wedge('sends');
  reset.write(r.BLOCK_COMMON, r.MR, 0x80);
  reset.open();
  reset.send(frameOf(60));
  reset.wait(10);
  assert.equal(reset.sent.length, 1);
  const recovered = opened();
  recovered.chip.wedge('sends');
  recovered.send(frameOf(60));
  recovered.chip.wedge(null);
  recovered.wait(10);
  assert.equal(recovered.sent.length, 1);
});

test("'closed' closes the socket once: OPEN brings it back", () => {
  const master = opened();
  master.chip.wedge('closed');
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_SR), [r.SOCK_CLOSED]);
  assert.equal(master.chip.receive(frameOf(60)), 'closed');
  master.command(r.OPEN);
  assert.equal(master.chip.receive(frameOf(60)), 'received');
});

test("'interrupt' keeps INTn high, and frames still arrive", () => {
  const master = opened();
  master.chip.wedge('interrupt');
  master.chip.receive(frameOf(60));
  assert.deepEqual(master.interrupts, []);
  assert.equal(master.read16(r.SN_RX_RSR), 62);
  master.chip.wedge(null);
  assert.deepEqual(master.interrupts, [false]);
});

test('a fault that does not exist is refused', () => {
  assert.throws(() => opened().chip.wedge('tired'), /no such fault/);
});
