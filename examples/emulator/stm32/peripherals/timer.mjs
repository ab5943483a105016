/** TIM12, the time driver's (RM0433, chapter 40): counts up through 16 bits, with two compare channels. */
const TIM12_LINE = 43;
const SPAN = 0x10000;
const [ENABLE, UPDATE_BY_OVERFLOW_ONLY] = [1 << 0, 1 << 2];
const FLAGS = 0x7;
/** Guards against the rounding of nanoseconds: a thousandth of a tick. */
const ROUNDING = 1e-3;

export class Timer {
  /**
   * @param {import('../bus.mjs').Bus} bus
   * @param {{clock: object, nvic: object, rcc: import('./rcc.mjs').Rcc}} machine
   */
  constructor(bus, { clock, nvic, rcc }) {
    Object.assign(this, { clock, nvic, rcc });
    this.block = bus.add('TIM12', 0x40001800);
    this.declare();
    this.prescaler = 0;
    this.stop();
    this.alarm = clock.createAlarm(() => {
      this.catchUp();
      this.plan();
    });
    this.block.onReset = () => {
      this.stop();
      this.plan();
    };
  }

  declare() {
    const { block } = this;
    const replan = () => this.plan();
    this.control = block.register('CR1', 0x00, {
      known: ENABLE | UPDATE_BY_OVERFLOW_ONLY,
      write: () => this.startOrStop(),
    });
    this.interrupts = block.register('DIER', 0x0c, { known: FLAGS, write: replan });
    this.status = block.register('SR', 0x10, {
      read: () => (this.catchUp(), this.status.value),
      write: (value, before) => {
        // Zeros clear. What has come since the last look is part of it.
        this.status.value = before;
        this.catchUp();
        this.status.value &= value;
        this.drive();
      },
    });
    block.register('EGR', 0x14, { known: 1, write: () => (this.prescaler = this.prescalerRegister.value) });
    this.counter = block.register('CNT', 0x24, { known: 0, read: () => this.ticks % SPAN });
    this.prescalerRegister = block.register('PSC', 0x28, { known: 0xffff });
    block.register('ARR', 0x2c, { reset: 0xffff, known: 0xffff });
    this.compares = [this.compare('CCR1', 0x34), this.compare('CCR2', 0x38)];
  }

  compare(name, offset) {
    const write = (value, before) => {
      // Up to now the counter was compared with the value before.
      register.value = before;
      this.catchUp();
      register.value = value;
      this.plan();
    };
    const register = this.block.register(name, offset, { known: 0xffff, write });
    return register;
  }

  stop() {
    this.origin = null;
    this.seen = 0;
  }

  startOrStop() {
    const runs = this.control.has(ENABLE);
    if (runs && this.origin === null) {
      this.origin = this.clock.nanos;
      this.seen = 0;
    } else if (!runs) {
      this.stop();
    }
    this.plan();
  }

  get tickNanos() {
    return (1e9 * (this.prescaler + 1)) / this.rcc.timer1;
  }

  /** Ticks since the start. */
  get ticks() {
    if (this.origin === null) return 0;
    return Math.floor((this.clock.nanos - this.origin) / this.tickNanos + ROUNDING);
  }

  /** Sets the flags of what the counter has passed since the last look. */
  catchUp() {
    const now = this.ticks;
    if (now === this.seen) return;
    const passed = (at) => Math.floor((now - at) / SPAN) > Math.floor((this.seen - at) / SPAN);
    let flags = passed(0) ? 1 : 0;
    this.compares.forEach(({ value }, i) => (flags |= passed(value) ? 2 << i : 0));
    this.status.value |= flags;
    this.seen = now;
    this.drive();
  }

  drive() {
    this.nvic.setLine(TIM12_LINE, (this.status.value & this.interrupts.value & FLAGS) !== 0);
  }

  /** Sets the alarm to the next event that interrupts. */
  plan() {
    this.drive();
    this.alarm.cancel();
    if (this.origin === null) return;
    const now = this.ticks;
    const until = (at) => SPAN - ((((now - at) % SPAN) + SPAN) % SPAN);
    const points = [0, ...this.compares.map(({ value }) => value)];
    const due = points.filter((_, i) => this.interrupts.has(1 << i)).map(until);
    if (due.length === 0) return;
    const at = this.origin + (now + Math.min(...due)) * this.tickNanos;
    this.alarm.schedule(at - this.clock.nanos);
  }
}
