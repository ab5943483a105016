/** The host: control transfers, toggles, a device that comes and goes, sleep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../simulation/clock.mjs';
import { FullSpeedBus } from '../../usb/bus.mjs';
import { setupPacket, UsbHost } from '../../usb/host.mjs';
import { ModelDevice } from './model-device.mjs';

const GET = { type: 0x80, request: 6, value: 0x100, length: 100 };

/** A host that carries out `steps` with a device that answers as told. */
function hosted(steps, answers) {
  const clock = new Clock();
  const bus = new FullSpeedBus(clock);
  const device = new ModelDevice();
  device.answers = answers;
  const outcomes = [];
  const host = new UsbHost(clock, bus, function* () {
    yield { reset: 10 };
    for (const step of steps) outcomes.push(yield step);
  });
  host.connect(device);
  const run = (ms) => clock.sleepUntil(clock.nanos + ms * 1e6);
  return { clock, bus, device, host, outcomes, run };
}

test('a SETUP packet has the fields in little-endian order', () => {
  const packet = setupPacket({ type: 0xa1, request: 0x80, value: 0x102, index: 0x304, length: 0x506 });
  assert.deepEqual([...packet], [0xa1, 0x80, 2, 1, 4, 3, 6, 5]);
});

test('a control transfer from the device ends with a short packet, and an empty packet to the device', () => {
  const { device, outcomes, run } = hosted([GET], { 'setup 0': 'ack', 'out 0': 'ack' });
  const packets = [new Uint8Array(64).fill(1), new Uint8Array(10).fill(2)];
  device.answers['in 0'] = () => packets[0] ?? 'nak';
  device.pids = [1];
  device.onCommit = ({ kind }) => {
    if (kind === 'in') {
      packets.shift();
      device.pids[0] ^= 1;
    }
  };
  run(30);
  assert.equal(outcomes[0].data.length, 74);
  const kinds = device.committed.map(({ kind, data, pid }) => [kind, data?.length, pid]);
  assert.deepEqual(kinds, [['setup', 8, 0], ['in', undefined, 1], ['in', undefined, 0], ['out', 0, 1]]);
});

test('a packet that repeats the PID of the one before does not count', () => {
  const { device, outcomes, run } = hosted([GET], { 'setup 0': 'ack', 'out 0': 'ack' });
  const packets = [1, 1, 0].map((pid, i) => ({ pid, data: new Uint8Array(i === 2 ? 5 : 64).fill(i) }));
  device.pids = [1];
  device.answers['in 0'] = () => packets[0].data;
  device.onCommit = ({ kind }) => {
    if (kind === 'in') {
      packets.shift();
      device.pids[0] = packets[0]?.pid ?? 0;
    }
  };
  run(30);
  assert.equal(outcomes[0].data.length, 69);
});

test('a control transfer to the device sends its data in packets with toggles', () => {
  const { device, outcomes, run } = hosted([{ type: 0x21, request: 1, data: new Uint8Array(70).fill(3) }], {
    'setup 0': 'ack',
    'out 0': 'ack',
    'in 0': new Uint8Array(0),
  });
  device.pids = [1];
  run(30);
  assert.deepEqual(outcomes[0].data.length, 0);
  const kinds = device.committed.map(({ kind, data, pid }) => [kind, data?.length, pid]);
  assert.deepEqual(kinds, [['setup', 8, 0], ['out', 64, 1], ['out', 6, 0], ['in', undefined, 1]]);
});

test('a stall ends a transfer, and three attempts without an answer do', () => {
  const stalled = hosted([GET], { 'setup 0': 'ack', 'in 0': 'stall' });
  stalled.run(30);
  assert.deepEqual(stalled.outcomes, [{ stall: true }]);
  const silent = hosted([GET], { 'setup 0': 'silence' });
  silent.run(30);
  assert.deepEqual([silent.outcomes, silent.bus.counters.refused], [[{ silence: true }], 3]);
});

test('a pulled cable stops the bus and the enumeration, and a plugged one begins it anew', () => {
  const { device, host, outcomes, run } = hosted([{ wait: 50 }, { wait: 50 }], {});
  let gone = 0;
  host.onGone = () => (gone += 1);
  run(90);
  assert.equal(outcomes.length, 1);
  host.plug(false);
  run(200);
  assert.deepEqual([outcomes.length, gone, device.log.at(-1)], [1, 1, 'idle']);
  host.plug(true);
  run(200);
  assert.equal(outcomes.length, 3);
});

test('a device that switches its pull-up off is gone', () => {
  const { device, host, bus, run } = hosted([], {});
  run(50);
  assert.equal(bus.running, true);
  device.isAttached = false;
  device.onPullUp(false);
  assert.equal(bus.running, false);
  device.isAttached = true;
  device.onPullUp(true);
  run(50);
  assert.equal(bus.running, true);
  assert.equal(host.address, 0);
});

test('a host that sleeps stops the frames, and resumes the bus when it wakes up', () => {
  const { device, host, bus, run } = hosted([], {});
  run(50);
  host.sleep();
  run(100);
  assert.deepEqual([bus.running, device.log.at(-1)], [false, 'idle']);
  host.wake();
  run(50);
  assert.equal(bus.running, true);
  assert.ok(device.log.includes('resume'));
});

test('an interrupt endpoint is asked once in its interval, and its toggles are checked', () => {
  const { device, host, run } = hosted([], { 'in 1': new Uint8Array([7]) });
  const got = [];
  device.pids = [0, 0];
  device.onCommit = () => (device.pids[1] ^= 1);
  run(30);
  host.interrupt.open({ endpoint: 1, interval: 16, take: (data) => got.push(data[0]) });
  host.bus.wake();
  run(160);
  assert.ok(got.length >= 9 && got.length <= 11, `${got.length}`);
  device.onCommit = () => {};
  const before = got.length;
  run(160);
  assert.ok(got.length <= before + 1, 'packets with the same PID are the same packet');
});
