/**
 * A board with an RP2040: runs an image, gives it resets, and reads its log. What is connected to the RP2040 is up to
 * the board, which extends this class.
 */
import { bootFromFlash } from './boot.mjs';
import { Clock, ClockDomain } from '../simulation/clock.mjs';
import { PinObserver } from './gpio.mjs';
import { buildMachine } from './machine.mjs';
import { Profiler } from './profiler.mjs';
import { SimulatedBoard } from '../simulation/simulated-board.mjs';
import { SerialFlash } from './serial-flash.mjs';
import { WatchdogObserver } from './watchdog.mjs';

const SRAM = 0x20000000;
/** A halfword at the end of SRAM that no image uses. */
const SPIN = 0x20041ff0;
const BRANCH_TO_ITSELF = 0xe7fe;
const HARD_FAULT = 3;
const DEFAULT_UNIQUE_ID = [0xe6, 0x60, 0x58, 0x38, 0x83, 0x12, 0x34, 0x56];
const WATCHDOG = 0x40058;
const REASON = { watchdog: 1, SYSRESETREQ: 0 };

/**
 * @typedef {object} BoardOptions
 * @property {string | Uint8Array} [elf] ELF file of the same program, if the image is a UF2 or binary file
 * @property {number} [seed] 0; decides SRAM at power-up and the bits of the ring oscillator
 * @property {() => number} [randomBit] bits of the ring oscillator, instead of those from the seed
 * @property {Uint8Array} [uniqueId] the flash's unique id, 8 bytes
 * @property {number} [xip] cycles for each miss of the flash cache; 0, that is none
 * @property {'stop' | 'reboot'} [onReset] what a watchdog or a reset request does to a run: 'stop' throws
 * @property {boolean} [strict] true: a mistake in using a network chip stops the run
 */

export class Rp2040Board extends SimulatedBoard {
  /** The flash chip, in bytes. A board with another one defines it. */
  static flash = { start: 0x10000000, length: 2 * 1024 * 1024 };
  /** The GPIO of the status LED. A board with another one defines it. */
  static ledPin = 25;
  /** The boot ROM takes a UF2 file. */
  static bootsUf2 = true;
  /** Random bits come from a ring oscillator, which `options.randomBit` replaces. */
  static hasRingOscillator = true;
  /** What resets the board after a fault of the processor. */
  static faultReset = 'watchdog';
  /** What the log says of it. */
  static faultLog = /restarted after a fault at/;
  /** The network chips have no DMA. */
  static restartsAfterBusErrors = false;
  /** The firmware has a copy of memory of its own, in place of the compiler's. */
  static hasOwnCopy = true;

  constructor(image, options) {
    super(image, { xip: 0, ...options }, new Clock());
    this.watchdog = new WatchdogObserver(this.clock);
    this.led = new PinObserver(this.constructor.ledPin, this.clock);
    this.pins = [this.led];
    this.profile = new Profiler(this);
    this.powerUp();
  }

  powerUp() {
    this.build();
    this.image.writeTo(this.mcu.flash);
    // SRAM holds anything at power-up: firmware that relies on zeros must fail here as well.
    const words = new Uint32Array(this.mcu.sram.buffer);
    for (let i = 0; i < words.length; i++) words[i] = this.words();
    bootFromFlash(this.mcu);
  }

  build() {
    this.halted = null;
    this.resetAsked = null;
    this.domain = new ClockDomain(this.clock);
    const { mcu, cache } = buildMachine({
      clock: this.domain,
      serialFlash: new SerialFlash(Uint8Array.from(this.options.uniqueId ?? DEFAULT_UNIQUE_ID)),
      nextBit: this.options.randomBit ?? (() => this.words() >>> 31),
      xip: this.options.xip,
      fault: (reason) => this.fault(reason),
      reset: (reason) => this.askReset(reason),
    });
    this.mcu = mcu;
    /** The flash cache, if there is one: `hits` and `misses`. */
    this.cache = cache;
    this.clock.follow(mcu.core);
    this.clock.setFrequency(mcu.clkSys);
    mcu.addClockListener((hertz) => this.clock.setFrequency(hertz));
    mcu.uart[0].onByte = (byte) => this.output.addUart(byte);
    this.watchdog.attach(mcu, (reason) => this.askReset(reason));
    this.pins.forEach((pin) => pin.attach(mcu));
    this.connectPorts(mcu);
    this.profile.attach();
  }

  /**
   * Resets the RP2040 as the watchdog does: flash, SRAM and the watchdog's scratch registers keep their contents, the
   * chips at the ports are not reset, and the image boots again.
   *
   * @param {string} [reason] for `board.resets`; 'watchdog' shows in the register that the firmware reads
   */
  reboot(reason = 'test') {
    const { flash, sram, peripherals } = this.mcu;
    const scratch = peripherals[WATCHDOG].scratchData;
    this.noteReset(reason);
    this.domain.close();
    this.build();
    this.mcu.flash.set(flash);
    this.mcu.sram.set(sram);
    this.mcu.peripherals[WATCHDOG].scratchData.set(scratch);
    this.mcu.peripherals[WATCHDOG].reason = REASON[reason] ?? 0;
    bootFromFlash(this.mcu);
  }

  /** Puts the core into an endless loop with interrupts off. */
  hang() {
    const { core, sramView } = this.mcu;
    core.PM = true;
    sramView.setUint16(SPIN - SRAM, BRANCH_TO_ITSELF, true);
    core.PC = SPIN;
  }

  /** Makes the core take a HardFault where it is. */
  hardFault() {
    this.mcu.core.exceptionEntry(HARD_FAULT);
  }

  get core() {
    return this.mcu.core;
  }

  get pc() {
    return this.core.PC;
  }

  /** True while the core waits for an event or an interrupt. */
  get sleeps() {
    return this.mcu.core.waiting;
  }

  /** The stack: `top` is SP at the first instruction, `lowest` the lowest since boot, `deepest` the bytes between. */
  get stack() {
    const top = this.mcu.flashView.getUint32(this.mcu.core.VTOR - 0x10000000, true);
    const lowest = this.mcu.core.lowestStack;
    return { top, lowest, deepest: top - lowest };
  }

  /** Observes another GPIO. */
  watchPin(number) {
    const pin = new PinObserver(number, this.clock);
    pin.attach(this.mcu);
    this.pins.push(pin);
    return pin;
  }

  work() {
    const { core } = this.mcu;
    const { clock } = this;
    do {
      core.executeInstruction();
    } while (core.cycles < clock.deadline && !core.waiting && !this.halted && !this.resetAsked);
    if (core.cycles >= clock.deadline) clock.fire();
    this.readLog();
  }

  /** SRAM, where the log is. */
  rttRegion() {
    return { start: SRAM, bytes: this.mcu.sram };
  }
}
