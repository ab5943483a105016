/**
 * A board with an RP2040: runs an image, gives it resets, and reads its log. What is connected to the RP2040 is up to
 * the board, which extends this class.
 */
import { bootFromFlash } from './boot.mjs';
import { Clock, ClockDomain } from '../simulation/clock.mjs';
import { FirmwareStopped } from '../simulation/firmware-stopped.mjs';
import { PinObserver } from './gpio.mjs';
import { Image } from '../image/image.mjs';
import { Log } from '../image/log.mjs';
import { buildMachine } from './machine.mjs';
import { Profiler } from './profiler.mjs';
import { randomWords } from '../simulation/random.mjs';
import { RttReader } from '../image/rtt.mjs';
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
/** How often a busy firmware is interrupted to read its log and to ask `until`. */
const SLICE_NANOS = 100e3;

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

export class Rp2040Board {
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
  /** The firmware has a copy of memory of its own, in place of the compiler's. */
  static hasOwnCopy = true;

  /**
   * Powers the board up with the image in its flash, up to the image's first instruction.
   *
   * @param {string | Uint8Array} source path or contents of an ELF, UF2 or binary file
   * @param {BoardOptions} [options]
   * @throws if the boot ROM would not boot it
   */
  static boot(source, options = {}) {
    return new this(new Image(source, { flash: this.flash, elf: options.elf }), options);
  }

  constructor(image, options) {
    this.image = image;
    this.options = { seed: 0, xip: 0, onReset: 'stop', strict: false, ...options };
    this.clock = new Clock();
    this.words = randomWords(this.options.seed);
    /** Each reset so far: `{ ns, reason }`, the reason 'watchdog', 'SYSRESETREQ', or what the test gave. */
    this.resets = [];
    this.output = new Log(image.elfPath);
    this.rttReader = new RttReader(image.symbol('_SEGGER_RTT'));
    this.watchdog = new WatchdogObserver(this.clock);
    this.led = new PinObserver(this.constructor.ledPin, this.clock);
    this.pins = [this.led];
    this.profile = new Profiler(this);
    /** What the firmware did against the datasheet of a network chip: `{ ns, port, text, function }`. */
    this.mistakes = [];
    /** The ports, and which of them are inside and outside. */
    Object.assign(this, this.makePorts());
    this.past = { cycles: 0, exceptions: 0 };
    this.idleNanos = 0;
    this.powerUp();
  }

  /**
   * For the board to define: makes the ports, once.
   *
   * @returns {{ports: object[], lan: object, wan: object}}
   */
  makePorts() {
    throw new Error('a board makes its ports');
  }

  /** Notes that the firmware used the chip at `port` against its datasheet. */
  addMistake(port, text) {
    const mistake = { ns: this.clock.nanos, port: port.name, text, function: this.image.functionAt(this.mcu.core.PC) };
    this.mistakes.push(mistake);
    if (this.options.strict) this.fault(`${port.name}: ${text}`);
  }

  /** For the board to define: connects the ports to an RP2040, at power-up and after each reset. */
  connectPorts() {
    throw new Error('a board connects its ports');
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

  /** Notes what stops the run; the first reason counts. */
  fault(reason) {
    this.halted ??= reason;
  }

  askReset(reason) {
    this.resetAsked ??= reason;
    if (this.options.onReset === 'stop') this.fault(`reset by ${reason}`);
  }

  /**
   * Resets the RP2040 as the watchdog does: flash, SRAM and the watchdog's scratch registers keep their contents, the
   * chips at the ports are not reset, and the image boots again.
   *
   * @param {string} [reason] for `board.resets`; 'watchdog' shows in the register that the firmware reads
   */
  reboot(reason = 'test') {
    const { flash, sram, core, peripherals } = this.mcu;
    const scratch = peripherals[WATCHDOG].scratchData;
    this.past.cycles += core.cycles;
    this.past.exceptions += core.exceptions;
    this.resets.push({ ns: this.clock.nanos, reason });
    this.readLog();
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

  /** True while the core waits for an event or an interrupt. */
  get sleeps() {
    return this.mcu.core.waiting;
  }

  /** Nanoseconds since power-up. */
  get ns() {
    return this.clock.nanos;
  }

  /** Nanoseconds of a cycle at the present frequency. */
  get nanosPerCycle() {
    return this.clock.nanosPerCycle;
  }

  /** Cycles of the core since power-up, without those it slept. */
  get cycles() {
    return this.past.cycles + this.mcu.core.cycles;
  }

  /** Nanoseconds the core slept since power-up. */
  get idle() {
    return this.idleNanos;
  }

  /** Exceptions taken since power-up. */
  get exceptions() {
    return this.past.exceptions + this.mcu.core.exceptions;
  }

  /** All log lines so far. */
  get log() {
    return this.output.text;
  }

  /** Bytes of the RTT channel so far, not decoded. */
  get rtt() {
    return this.output.rtt;
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

  /** Calls `action` at the simulated time of `us` microseconds from now. */
  after(us, action) {
    this.clock.after(us * 1e3, action);
  }

  /**
   * Lets simulated time pass.
   *
   * @param {{us: number, until?: () => boolean}} span at most `us` microseconds; ends when `until` is true, which is
   *   asked after each event and at least every 100 us of work
   * @returns {boolean} without `until` true; with it, whether it became true
   * @throws {FirmwareStopped} on a panic, a bus fault, anything not modelled; on a reset unless `onReset` is 'reboot'
   */
  run({ us, until }) {
    const end = this.clock.nanos + us * 1e3;
    let done = until ? until() : false;
    while (!done && this.clock.nanos < end) {
      this.clock.setLimit(Math.min(end, this.clock.nanos + SLICE_NANOS));
      if (this.mcu.core.waiting) this.sleep(end);
      else this.work();
      if (this.halted || this.resetAsked) this.settle();
      done = until ? until() : false;
    }
    this.readLog();
    return until ? done : true;
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

  sleep(end) {
    const now = this.clock.nanos;
    const next = this.clock.nextAlarm;
    const wake = next ? Math.min(next.nanos, end) : end;
    this.idleNanos += Math.max(0, wake - now);
    this.clock.sleepUntil(wake);
  }

  /** A fault, or a reset, has ended the run of instructions. */
  settle() {
    this.readLog();
    if (!this.halted) {
      this.reboot(this.resetAsked);
      return;
    }
    const pc = this.mcu.core.PC;
    throw new FirmwareStopped(this.halted, { pc, function: this.image.functionAt(pc), log: this.log });
  }

  readLog() {
    const bytes = this.rttReader.take({ start: SRAM, bytes: this.mcu.sram });
    if (bytes) this.output.addRtt(bytes);
  }

  /** RAM and flash by section of the ELF file, in bytes. */
  get sections() {
    return this.image.sections.map((section) => ({ ...section, inRam: section.address >= SRAM }));
  }

  /** Closes the files it writes. */
  close() {
    this.ports.forEach((port) => port.close());
  }
}
