/** What a full-speed bus carries: USB 2.0, chapter 5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../simulation/clock.mjs';
import { FullSpeedBus } from '../../usb/bus.mjs';
import { ModelDevice } from './model-device.mjs';

const PACKET = new Uint8Array(64);

/** A bus with a device and pipes that always have work: `in 1` and `out 1`. */
function started(names, answers) {
  const clock = new Clock();
  const bus = new FullSpeedBus(clock);
  const device = new ModelDevice();
  device.answers = answers;
  bus.connect(device);
  const pipes = names.map((name) => {
    const [kind, endpoint] = name.split(' ');
    const pipe = { done: (answer) => pipe.answers.push({ answer, ns: clock.nanos }), answers: [] };
    pipe.next = () => ({ kind, endpoint: Number(endpoint), address: 1, data: kind === 'out' ? PACKET : undefined, pid: 0 });
    return bus.add(pipe);
  });
  bus.start();
  const run = (ms) => clock.sleepUntil(clock.nanos + ms * 1e6);
  return { clock, bus, device, pipes, run };
}

for (const [name, answers] of [
  ['to the device', { 'out 1': 'ack' }],
  ['from the device', { 'in 1': PACKET }],
]) {
  test(`19 packets of 64 bytes ${name} fit into a frame`, () => {
    const { bus, run } = started(Object.keys(answers), answers);
    run(100);
    assert.equal(bus.counters.accepted, 1900);
    assert.equal(bus.counters.bytes, 1900 * 64);
  });
}

test('both directions together carry no more, in equal parts', () => {
  const { pipes, run } = started(['in 1', 'out 1'], { 'in 1': PACKET, 'out 1': 'ack' });
  run(100);
  const counts = pipes.map(({ answers }) => answers.length);
  assert.equal(counts[0] + counts[1], 1900);
  assert.ok(Math.abs(counts[0] - counts[1]) <= 2, counts.join(' '));
});

test('no transaction crosses the end of its frame', () => {
  const { pipes, run } = started(['out 1'], { 'out 1': 'ack' });
  run(50);
  const last = Math.max(...pipes[0].answers.map(({ ns }) => ns % 1e6));
  assert.ok(last < 990e3, `${last}`);
});

test('a refused packet to the device takes as long as an accepted one', () => {
  const { bus, device, run } = started(['out 1'], {});
  device.answers['out 1'] = () => (bus.counters.refused > bus.counters.accepted ? 'ack' : 'nak');
  run(100);
  assert.ok(Math.abs(bus.counters.accepted - 950) <= 1, `${bus.counters.accepted}`);
});

test('a device without a packet for the host is asked again when it has one, and costs nothing until then', () => {
  const { device, bus, pipes, run } = started(['in 1'], {});
  run(10);
  const refused = bus.counters.refused;
  assert.ok(refused <= 2, `${refused}`);
  device.answers['in 1'] = PACKET;
  device.onReady();
  run(0.1);
  assert.ok(pipes[0].answers.at(-1).answer === PACKET);
});

test('a packet that becomes ready while its token is refused is fetched all the same', () => {
  const { device, clock, pipes, run } = started(['in 1'], {});
  device.answers['in 1'] = () => {
    clock.after(1000, () => {
      device.answers['in 1'] = PACKET;
      device.onReady();
    });
    return 'nak';
  };
  run(1);
  assert.ok(pipes[0].answers.some(({ answer }) => answer === PACKET));
});

test('urgent pipes go first', () => {
  const { pipes, bus, run } = started(['in 1', 'out 1'], { 'in 1': PACKET, 'out 1': 'ack' });
  bus.pipes[1].urgent = true;
  run(1);
  pipes.forEach((pipe) => (pipe.answers.length = 0));
  run(10);
  assert.deepEqual([pipes[0].answers.length, pipes[1].answers.length], [0, 190]);
});

test('frames start every millisecond, with 11-bit numbers, until the bus stops', () => {
  const { device, bus, run } = started([], {});
  run(3000.5);
  const frames = device.log.map(({ frame }) => frame);
  assert.deepEqual([frames.length, frames[0], frames[2046], frames[2047]], [3001, 1, 2047, 0]);
  bus.stop();
  run(10);
  assert.deepEqual([device.log.length, device.log.at(-1)], [3002, 'idle']);
});
