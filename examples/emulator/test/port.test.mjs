import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Port } from '../wire/port.mjs';
import * as r from '../w5500/registers.mjs';
import { Master, frameOf } from './master.mjs';

function openedPort() {
  const master = new Master();
  const port = new Port('wire', master.clock, master.chip);
  master.open();
  return { master, port };
}

/** Time on a wire of 100 Mbit/s with preamble, FCS and gap, in nanoseconds. */
const wireNs = (length) => (length + 24) * 80;

test('frames sent at once follow each other at the speed of the wire', () => {
  const { master, port } = openedPort();
  const sent = [60, 1514, 60].map((length) => port.send(frameOf(length)));
  assert.deepEqual(
    sent.map(({ arrivesNs }) => arrivesNs),
    [wireNs(60), wireNs(60) + wireNs(1514), 2 * wireNs(60) + wireNs(1514)],
  );
  master.wait(wireNs(60) / 1e3);
  assert.deepEqual(sent.map(({ outcome }) => outcome), ['received', 'onWire', 'onWire']);
  master.wait(1000);
  assert.deepEqual(sent.map(({ outcome }) => outcome), ['received', 'received', 'received']);
  assert.equal(port.unread, 60 + 1514 + 60 + 3 * 2);
});

test('a short frame is padded to 60 bytes, a runt on request is not', () => {
  const { master, port } = openedPort();
  port.send(frameOf(42));
  port.send(frameOf(42), { pad: false });
  master.wait(100);
  assert.equal(master.fetch().length, 60);
  assert.equal(master.fetch().length, 42);
  assert.throws(() => port.send(new Uint8Array(13)), /no Ethernet frame/);
});

test('the outcome is "full" when the memory of the chip is full, and the counters count it', () => {
  const { master, port } = openedPort();
  const sent = Array.from({ length: 12 }, () => port.send(frameOf(1514)));
  master.wait(2000);
  assert.deepEqual(sent.map(({ outcome }) => outcome).slice(9), ['received', 'full', 'full']);
  assert.equal(port.counters.full, 2);
});

test('frames of the board are kept with the time their last byte left, and a test can answer them at once', () => {
  const { master, port } = openedPort();
  port.onFrame = (frame) => port.send(frame);
  master.send(frameOf(60));
  master.wait(100);
  assert.deepEqual(port.received, [{ ns: wireNs(60), frame: frameOf(60) }]);
  assert.deepEqual(master.fetch(), frameOf(60));
  assert.equal(port.drain().length, 1);
  assert.deepEqual(port.received, []);
});

test('a pulled cable loses frames both ways', () => {
  const { master, port } = openedPort();
  port.link(false);
  const sent = port.send(frameOf(60));
  master.send(frameOf(60));
  master.wait(100);
  assert.equal(sent.outcome, 'noLink');
  assert.deepEqual(port.received, []);
  port.link(true);
  master.send(frameOf(60));
  master.wait(100);
  assert.equal(port.received.length, 1);
});

test('the pcap file holds the frames of both directions with their times', () => {
  const { master, port } = openedPort();
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'emulator-')), 'port.pcap');
  port.record(file);
  port.send(frameOf(60));
  master.wait(100);
  master.send(frameOf(70));
  master.wait(100);
  port.close();
  const bytes = fs.readFileSync(file);
  fs.rmSync(path.dirname(file), { recursive: true });
  assert.equal(bytes.readUInt32LE(0), 0xa1b23c4d);
  assert.equal(bytes.readUInt32LE(20), 1);
  assert.deepEqual([bytes.readUInt32LE(24), bytes.readUInt32LE(28), bytes.readUInt32LE(32)], [0, wireNs(60), 60]);
  assert.deepEqual(new Uint8Array(bytes.subarray(40, 100)), frameOf(60));
  assert.deepEqual([bytes.readUInt32LE(104), bytes.readUInt32LE(112)], [100_000 + wireNs(70), 70]);
  assert.equal(bytes.length, 24 + 16 + 60 + 16 + 70);
});

test('wedge reaches the chip', () => {
  const { master, port } = openedPort();
  port.wedge('zeros');
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.VERSIONR), [0]);
});
