/** Watches the RP2040's watchdog: how often it is fed, the longest gap between two feeds, and whether it resets the chip. */
const WATCHDOG = 0x40058;
const LOAD = 0x04;
const TICKS_PER_MICRO = 2;

export class WatchdogObserver {
  /** @param {import('../simulation/clock.mjs').Clock} clock */
  constructor(clock) {
    this.clock = clock;
    /** Times the firmware loaded the counter. */
    this.feeds = 0;
    /** Longest time between two loads while it ran, in microseconds. */
    this.longestGapUs = 0;
    /** The last value loaded, in microseconds. */
    this.timeoutUs = 0;
    this.fedAt = null;
  }

  /** @param {object} mcu @param {(reason: string) => void} reset called when the watchdog resets the chip */
  attach(mcu, reset) {
    this.device = mcu.peripherals[WATCHDOG];
    this.fedAt = null;
    const { writeUint32 } = this.device;
    this.device.writeUint32 = (offset, value) => {
      writeUint32.call(this.device, offset, value);
      if (offset === LOAD) this.fed(value);
    };
    this.device.onWatchdogTrigger = () => {
      // Left enabled, the package's alarm would fire again at once, endlessly.
      this.device.alarm.enable = false;
      reset('watchdog');
    };
  }

  get enabled() {
    return this.device.enable;
  }

  fed(value) {
    const now = this.clock.nanos;
    if (this.enabled && this.fedAt !== null) this.longestGapUs = Math.max(this.longestGapUs, (now - this.fedAt) / 1e3);
    this.timeoutUs = value / TICKS_PER_MICRO;
    this.fedAt = now;
    this.feeds += 1;
  }
}
