/** An STM32H743: core, memories and peripherals, put together after each reset. */
import { Bus } from './bus.mjs';
import { Core } from './cpu/core.mjs';
import { Nvic } from './cpu/nvic.mjs';
import { System } from './cpu/system.mjs';
import { PROTECT } from './cpu/unicorn.mjs';
import { FLASH } from './memory.mjs';
import { ClockRecovery } from './peripherals/crs.mjs';
import { Dma } from './peripherals/dma.mjs';
import { Gpio } from './peripherals/gpio.mjs';
import { Power } from './peripherals/power.mjs';
import { Rcc } from './peripherals/rcc.mjs';
import { attachRng } from './peripherals/rng.mjs';
import { Spi } from './peripherals/spi.mjs';
import { Timer } from './peripherals/timer.mjs';

/** Where peripherals are: the unique id; APB and AHB; the private peripheral bus. */
const PERIPHERALS = [
  [0x1ff1e000, 0x1000],
  [0x40000000, 0x20000000],
  [0xe0000000, 0x100000],
];

/**
 * @typedef {object} MachineParts
 * @property {import('../simulation/clock.mjs').Clock} clock of the board
 * @property {import('../simulation/clock.mjs').ClockDomain} domain the part of it that ends with the next reset
 * @property {import('./memory.mjs').Memory} memory
 * @property {() => number} words random ones
 * @property {Uint8Array} uniqueId 12 bytes
 * @property {string} reason of the reset
 * @property {number} flags of RSR that are left
 * @property {(reason: string) => void} reset called when the chip is to be reset
 * @property {(text: string) => void} mistake called for what is against the manual
 * @property {import('./peripherals/watchdog.mjs').Watchdog} watchdog
 * @property {import('./ethernet/mac.mjs').Mac} [mac]
 * @property {string[]} [ethernetPins]
 */

export class Machine {
  /** @param {MachineParts} parts */
  constructor(parts) {
    Object.assign(this, parts);
    const bus = new Bus();
    this.bus = bus;
    this.nvic = new Nvic();
    this.system = new System(bus, this.nvic, (reason) => this.askReset(reason));
    this.core = new Core({ memory: this.memory, nvic: this.nvic, system: this.system, clock: this.clock });
    this.rcc = new Rcc(bus, { reason: parts.reason, flags: parts.flags, changed: () => this.clocksChanged() });
    this.power = new Power(bus, parts);
    this.recovery = new ClockRecovery(bus);
    this.shared = {
      ...parts,
      clock: parts.domain,
      nvic: this.nvic,
      system: this.system,
      rcc: this.rcc,
      skipToNextEvent: () => this.skipToNextEvent(),
    };
    this.timer = new Timer(bus, this.shared);
    attachRng(bus, this.shared);
    this.gpio = new Gpio(bus, this.shared);
    this.dma = new Dma(bus, this.shared);
    this.spi = new Spi(bus, { ...this.shared, dma: this.dma });
    this.watchdog.attach(bus, { ...this.shared, reset: (reason) => this.askReset(reason) });
    this.mac?.attach(bus, { ...this.shared, gpio: this.gpio });
    this.mapMemory();
  }

  mapMemory() {
    const { engine } = this.core;
    for (const { start, bytes } of this.memory.regions) {
      engine.map(start, bytes, start === FLASH.start ? PROTECT.readExecute : PROTECT.all);
    }
    const accesses = {
      read: (address, size) => this.bus.read(address, size),
      write: (address, size, value) => this.bus.write(address, size, value),
    };
    for (const [start, size] of PERIPHERALS) engine.mmio(start, size, accesses);
  }

  askReset(reason) {
    this.core.attention = true;
    this.reset(reason);
  }

  clocksChanged() {
    const { core, ahb } = this.rcc;
    this.clock.setFrequency(core);
    this.power.check({ core, ahb });
  }

  /** The program polls: nothing changes before the next event. */
  skipToNextEvent() {
    this.core.skipToDeadline();
    this.clock.fire();
  }
}
