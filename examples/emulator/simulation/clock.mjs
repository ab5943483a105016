/**
 * Simulated time, derived from the cycles of the core plus the time it slept.
 *
 * rp2040js asks its clock for `nanos`, `micros` and `createAlarm(callback)`. Its own SimulationClock needs a call for
 * every instruction. This one reads `core.cycles` on demand, so running an instruction costs nothing here.
 */

/** A callback at a point of simulated time. */
class Alarm {
  constructor(clock, callback) {
    this.clock = clock;
    this.callback = callback;
    this.next = null;
    this.nanos = 0;
    this.scheduled = false;
    this.retired = false;
  }

  /** Fires `delayNanos` from now, instead of at any time set before. */
  schedule(delayNanos) {
    this.cancel();
    if (!this.retired) this.clock.link(this, this.clock.nanos + delayNanos);
  }

  cancel() {
    if (this.scheduled) this.clock.unlink(this);
  }
}

/** Time of the whole board in nanoseconds since power-up. */
export class Clock {
  /** @param {number} hertz frequency of clk_sys */
  constructor(hertz = 125e6) {
    this.nanosPerCycle = 1e9 / hertz;
    this.core = { cycles: 0 };
    this.nextAlarm = null;
    /** Cycle count at which the run loop must call `fire`. */
    this.deadline = Infinity;
    this.offset = 0;
    this.limit = Infinity;
    this.firing = -1;
  }

  /** Now, in nanoseconds. Inside an alarm's callback it is the time the alarm was set to. */
  get nanos() {
    return this.firing >= 0 ? this.firing : this.offset + this.core.cycles * this.nanosPerCycle;
  }

  get micros() {
    return this.nanos / 1000;
  }

  createAlarm(callback) {
    return new Alarm(this, callback);
  }

  /** Calls `action` after `delayNanos`. */
  after(delayNanos, action) {
    this.createAlarm(action).schedule(delayNanos);
  }

  /** Counts the cycles of `core` from now on. After a reboot it is a new core, and its count starts at zero. */
  follow(core) {
    const now = this.nanos;
    this.core = core;
    this.rebase(now);
  }

  /** clk_sys runs at `hertz` from now on. */
  setFrequency(hertz) {
    const now = this.nanos;
    this.nanosPerCycle = 1e9 / hertz;
    this.rebase(now);
  }

  rebase(now) {
    this.offset = now - this.core.cycles * this.nanosPerCycle;
    this.updateDeadline();
  }

  /** The run loop regains control at `nanos` at the latest. */
  setLimit(nanos) {
    this.limit = nanos;
    this.updateDeadline();
  }

  updateDeadline() {
    const next = this.nextAlarm ? Math.min(this.nextAlarm.nanos, this.limit) : this.limit;
    this.deadline = (next - this.offset) / this.nanosPerCycle;
  }

  link(alarm, nanos) {
    alarm.nanos = nanos;
    alarm.scheduled = true;
    let before = null;
    let after = this.nextAlarm;
    while (after && after.nanos <= nanos) {
      before = after;
      after = after.next;
    }
    alarm.next = after;
    if (before) {
      before.next = alarm;
    } else {
      this.nextAlarm = alarm;
      this.updateDeadline();
    }
  }

  unlink(alarm) {
    alarm.scheduled = false;
    let before = null;
    let at = this.nextAlarm;
    while (at && at !== alarm) {
      before = at;
      at = at.next;
    }
    if (!at) return;
    if (before) {
      before.next = at.next;
    } else {
      this.nextAlarm = at.next;
      this.updateDeadline();
    }
  }

  /** Calls every alarm that is due, in the order of their times. */
  fire(now = this.offset + this.core.cycles * this.nanosPerCycle) {
    let alarm;
    while ((alarm = this.nextAlarm) && alarm.nanos <= now) {
      this.nextAlarm = alarm.next;
      alarm.scheduled = false;
      this.firing = alarm.nanos;
      alarm.callback();
    }
    this.firing = -1;
    this.updateDeadline();
  }

  /** The core sleeps until `nanos`: time passes without cycles. */
  sleepUntil(nanos) {
    const now = this.nanos;
    if (nanos > now) this.offset += nanos - now;
    // Rounding may put the sum a little below `nanos`. Without the explicit time, an alarm due then would never fire.
    this.fire(Math.max(nanos, now));
  }
}

/**
 * The part of a clock that one microcontroller uses. When it is reset, its pending alarms must never fire, while those
 * of the wires and of the test go on.
 */
export class ClockDomain {
  constructor(clock) {
    this.clock = clock;
    this.alarms = [];
  }

  get nanos() {
    return this.clock.nanos;
  }

  get micros() {
    return this.clock.micros;
  }

  createAlarm(callback) {
    const alarm = this.clock.createAlarm(callback);
    this.alarms.push(alarm);
    return alarm;
  }

  /** No alarm made here fires any more, nor can it be set again. */
  close() {
    for (const alarm of this.alarms) {
      alarm.cancel();
      alarm.retired = true;
    }
    this.alarms = [];
  }
}
