/** Observes one output of the RP2040, such as the one with the LED. */
const HIGH = 1;

export class PinObserver {
  /** @param {number} number of the GPIO @param {import('../simulation/clock.mjs').Clock} clock */
  constructor(number, clock) {
    this.number = number;
    this.clock = clock;
    /** True while the firmware drives it high. */
    this.level = false;
    /** Every change since power-up: `{ ns, level }`. */
    this.changes = [];
  }

  attach(mcu) {
    mcu.gpio[this.number].addListener((state) => this.set(state === HIGH));
  }

  set(level) {
    if (level === this.level) return;
    this.level = level;
    this.changes.push({ ns: this.clock.nanos, level });
  }
}
