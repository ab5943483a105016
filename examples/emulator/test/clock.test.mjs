import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock, ClockDomain } from '../simulation/clock.mjs';

function clockWithCore() {
  const clock = new Clock(125e6);
  const core = { cycles: 0 };
  clock.follow(core);
  return { clock, core };
}

test('time is the cycles worked plus the time slept', () => {
  const { clock, core } = clockWithCore();
  core.cycles = 100;
  assert.equal(clock.nanos, 800);
  clock.sleepUntil(5000);
  assert.equal(clock.nanos, 5000);
  core.cycles = 101;
  assert.equal(clock.nanos, 5008);
});

test('alarms fire in the order of their times, and those of the same time in the order they were set', () => {
  const { clock } = clockWithCore();
  const fired = [];
  clock.after(300, () => fired.push('late'));
  clock.after(100, () => fired.push('first'));
  clock.after(100, () => fired.push('second'));
  clock.sleepUntil(1000);
  assert.deepEqual(fired, ['first', 'second', 'late']);
});

test('in an alarm it is the time the alarm was set to', () => {
  const { clock } = clockWithCore();
  let seen;
  clock.after(100, () => (seen = clock.nanos));
  clock.sleepUntil(1000);
  assert.equal(seen, 100);
});

test('an alarm set in an alarm for a time already past fires in the same turn', () => {
  const { clock } = clockWithCore();
  let seen;
  clock.after(100, () => clock.after(100, () => (seen = clock.nanos)));
  clock.sleepUntil(1000);
  assert.equal(seen, 200);
});

test('a cancelled alarm does not fire, and one set again fires once at the new time', () => {
  const { clock } = clockWithCore();
  const fired = [];
  const cancelled = clock.createAlarm(() => fired.push('cancelled'));
  const moved = clock.createAlarm(() => fired.push(clock.nanos));
  cancelled.schedule(100);
  cancelled.cancel();
  moved.schedule(100);
  moved.schedule(400);
  clock.sleepUntil(1000);
  assert.deepEqual(fired, [400]);
});

test('the deadline is the cycle of the next alarm or of the limit', () => {
  const { clock } = clockWithCore();
  clock.after(800, () => {});
  assert.equal(clock.deadline, 100);
  clock.setLimit(400);
  assert.equal(clock.deadline, 50);
});

test('a core that sleeps up to an alarm is woken by it, whatever the sums round to', () => {
  const { clock, core } = clockWithCore();
  clock.setFrequency(133e6);
  let fired = 0;
  for (let i = 1; i <= 1000; i++) {
    core.cycles += 7919 * i;
    clock.after(1e6 / i, () => (fired += 1));
    clock.sleepUntil(clock.nextAlarm.nanos);
    assert.equal(fired, i);
  }
});

test('a change of the frequency changes the time from then on only', () => {
  const { clock, core } = clockWithCore();
  core.cycles = 100;
  clock.setFrequency(62.5e6);
  assert.equal(clock.nanos, 800);
  core.cycles = 200;
  assert.equal(clock.nanos, 2400);
});

test('time goes on when the core is replaced by one that starts at cycle zero', () => {
  const { clock, core } = clockWithCore();
  core.cycles = 100;
  clock.follow({ cycles: 0 });
  assert.equal(clock.nanos, 800);
});

test('closing a domain silences its alarms for good and no others', () => {
  const { clock } = clockWithCore();
  const fired = [];
  const domain = new ClockDomain(clock);
  const mine = domain.createAlarm(() => fired.push('mine'));
  mine.schedule(100);
  clock.after(100, () => fired.push('other'));
  domain.close();
  mine.schedule(100);
  clock.sleepUntil(1000);
  assert.deepEqual(fired, ['other']);
});
