/**
 * Which exception is pending, active, and next (ARMv7-M ARM, B1.5 and B3.4). Exceptions have their numbers: an interrupt
 * has the number of its line and 16.
 */
const FIRST_INTERRUPT = 16;
const EXCEPTIONS = 256;
/** Reset, NMI and HardFault. */
const FIXED_PRIORITIES = [
  [1, -3],
  [2, -2],
  [3, -1],
];
/** The chip implements the four upper bits of a priority. */
const PRIORITY_BITS = 0xf0;
export const NO_PRIORITY = 0x100;

export class Nvic {
  constructor() {
    this.enabled = new Set(Array.from({ length: FIRST_INTERRUPT }, (_, exception) => exception));
    this.pended = new Set();
    this.high = new Set();
    /** The active exceptions, the one that runs last. */
    this.active = [];
    this.priorities = new Int16Array(EXCEPTIONS);
    FIXED_PRIORITIES.forEach(([exception, priority]) => (this.priorities[exception] = priority));
    /** Priority bits that group exceptions; the others only order those that wait (PRIGROUP). */
    this.groupMask = PRIORITY_BITS;
    /** Called when an exception may have become due. */
    this.onChange = () => {};
  }

  /** Drives the line of an interrupt. While high it pends, except while its handler runs. */
  setLine(interrupt, level) {
    const exception = interrupt + FIRST_INTERRUPT;
    if (this.high.has(exception) === level) return;
    if (!level) {
      this.high.delete(exception);
      return;
    }
    this.high.add(exception);
    if (!this.active.includes(exception)) this.pend(exception);
  }

  pend(exception) {
    this.pended.add(exception);
    this.onChange();
  }

  /** A level that is still high pends on. */
  unpend(exception) {
    if (!this.high.has(exception)) this.pended.delete(exception);
  }

  enable(exception) {
    this.enabled.add(exception);
    this.onChange();
  }

  disable(exception) {
    this.enabled.delete(exception);
  }

  setPriority(exception, value) {
    this.priorities[exception] = value & PRIORITY_BITS;
    this.onChange();
  }

  groupOf(priority) {
    return priority < 0 ? priority : priority & this.groupMask;
  }

  /** @returns {number | undefined} of the exceptions that are pending and enabled, the one of the highest priority */
  get next() {
    let best;
    for (const exception of this.pended) {
      if (this.enabled.has(exception) && (best === undefined || this.isBefore(exception, best))) best = exception;
    }
    return best;
  }

  isBefore(one, other) {
    const difference = this.priorities[one] - this.priorities[other];
    return difference < 0 || (difference === 0 && one < other);
  }

  /** The priority of what runs: a lower number goes first. */
  get activePriority() {
    return Math.min(NO_PRIORITY, ...this.active.map((exception) => this.groupOf(this.priorities[exception])));
  }

  /** @returns {number | undefined} the next exception, if it preempts a core of this priority */
  preempting(priority) {
    const { next } = this;
    return next !== undefined && this.groupOf(this.priorities[next]) < priority ? next : undefined;
  }

  begin(exception) {
    this.pended.delete(exception);
    this.active.push(exception);
  }

  /** Ends the exception that runs. */
  end() {
    const exception = this.active.pop();
    if (this.high.has(exception)) this.pend(exception);
    this.onChange();
  }
}
