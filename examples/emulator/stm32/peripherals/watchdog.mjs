/** IWDG1, on the low-speed oscillator (RM0433, chapter 47). */
const LSI_KILOHERTZ = 32;
const [START, FEED, UNLOCK] = [0xcccc, 0xaaaa, 0x5555];

export class Watchdog {
  /** @param {import('../../simulation/clock.mjs').Clock} clock of the board: the counts survive a reset */
  constructor(clock) {
    this.clock = clock;
    this.enabled = false;
    /** Times the firmware fed it. */
    this.feeds = 0;
    /** Longest time between two of them, in microseconds. */
    this.longestGapUs = 0;
    this.timeoutUs = 0;
    this.fedAt = null;
  }

  /** @param {import('../bus.mjs').Bus} bus @param {object} machine `clock`, `reset(reason)`, `mistake(text)` */
  attach(bus, { clock, reset, mistake }) {
    const block = bus.add('IWDG1', 0x58004800);
    let unlocked = false;
    const locked = () => unlocked || mistake('a setting of IWDG1 is written without the key');
    this.enabled = false;
    this.fedAt = null;
    this.alarm = clock.createAlarm(() => reset('watchdog'));
    this.prescaler = block.register('PR', 0x04, { known: 7, write: locked });
    this.reload = block.register('RLR', 0x08, { reset: 0xfff, known: 0xfff, write: locked });
    block.register('SR', 0x0c, { known: 0 });
    block.register('KR', 0x00, {
      read: () => 0,
      write: (key) => {
        unlocked = key === UNLOCK;
        this.take(key);
      },
    });
  }

  take(key) {
    if (key === START) this.enabled = true;
    if (!this.enabled || (key !== FEED && key !== START)) return;
    const periods = (this.reload.value + 1) * (4 << Math.min(this.prescaler.value, 6));
    this.timeoutUs = (periods / LSI_KILOHERTZ) * 1e3;
    if (key === FEED) this.fed();
    this.fedAt = this.clock.nanos;
    this.alarm.schedule(this.timeoutUs * 1e3);
  }

  fed() {
    this.feeds += 1;
    if (this.fedAt !== null) this.longestGapUs = Math.max(this.longestGapUs, (this.clock.nanos - this.fedAt) / 1e3);
  }
}
