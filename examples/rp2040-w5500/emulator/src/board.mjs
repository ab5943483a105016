/**
 * The board: an RP2040 with a W5500 on each of its two SPIs, an LED, and the firmware that runs on it.
 *
 *     const board = Board.boot('nat-router.elf', { seed: 1 });
 *     board.run({ us: 500_000 });
 *     board.lan.send(frame);
 *     board.run({ until: () => board.wan.received.length > 0, us: 10_000 });
 */
import { bootFromFlash } from './boot.mjs';
import { Clock, ClockDomain } from './clock.mjs';
import { PinObserver } from './gpio.mjs';
import { Image } from './image.mjs';
import { Log } from './log.mjs';
import { buildMachine } from './machine.mjs';
import { Port } from './port.mjs';
import { Profiler } from './profiler.mjs';
import { randomWords } from './random.mjs';
import { RttReader } from './rtt.mjs';
import { SerialFlash } from './serial-flash.mjs';
import { W5500 } from './w5500/chip.mjs';
import { wire } from './w5500/wiring.mjs';
import { WatchdogObserver } from './watchdog.mjs';

/** Pins of the W5500-EVB-Pico, and those of the second W5500, by number of the SPI. */
export const PINS = [
  { miso: 16, cs: 17, sck: 18, mosi: 19, reset: 20, interrupt: 21 },
  { miso: 12, cs: 13, sck: 10, mosi: 11, reset: 14, interrupt: 15 },
];
const LED = 25;
const SRAM = 0x20000000;
const DEFAULT_UNIQUE_ID = [0xe6, 0x60, 0x58, 0x38, 0x83, 0x12, 0x34, 0x56];
const WATCHDOG = 0x40058;
const REASON = { watchdog: 1, SYSRESETREQ: 0 };
/** How often a busy firmware is interrupted to read its log and to ask `until`. */
const SLICE_NANOS = 100e3;
const LOG_TAIL = 2000;

/** The firmware did something after which going on makes no sense. */
export class FirmwareStopped extends Error {
  constructor(reason, { pc, function: name, log }) {
    super(`firmware stopped: ${reason}, at 0x${pc.toString(16)} in ${name ?? '?'}\n${log.slice(-LOG_TAIL)}`);
    this.reason = reason;
    this.pc = pc;
    this.function = name;
  }
}

/**
 * @typedef {object} BoardOptions
 * @property {string | Uint8Array} [elf] ELF file of the same program, if the image is a UF2 or binary file
 * @property {number} [seed] 0; decides SRAM at power-up and the bits of the ring oscillator
 * @property {() => number} [randomBit] bits of the ring oscillator, instead of those from the seed
 * @property {Uint8Array} [uniqueId] the flash's unique id, 8 bytes
 * @property {0 | 1} [lan] number of the SPI that is `board.lan`; 1. The other is `board.wan`
 * @property {import('./w5500/chip.mjs').ChipOptions} [w5500] for both chips
 * @property {number} [xip] cycles for each miss of the flash cache; 0, that is none
 * @property {'stop' | 'reboot'} [onReset] what a watchdog or a reset request does to a run: 'stop' throws
 * @property {boolean} [strict] true: a mistake in using a W5500 stops the run; else `board.mistakes` has it
 */

export class Board {
  /**
   * Powers the board up with the image in its flash, up to the image's first instruction.
   *
   * @param {string | Uint8Array} source path or contents of an ELF, UF2 or binary file
   * @param {BoardOptions} [options]
   * @throws if the boot ROM would not boot it
   */
  static boot(source, options = {}) {
    return new Board(new Image(source, options.elf), options);
  }

  constructor(image, options) {
    this.image = image;
    this.options = { seed: 0, lan: 1, xip: 0, onReset: 'stop', strict: false, ...options };
    this.clock = new Clock();
    this.words = randomWords(this.options.seed);
    /** Each reset so far: `{ ns, reason }`, the reason 'watchdog', 'SYSRESETREQ', or what the test gave. */
    this.resets = [];
    /** What the firmware did against the W5500's datasheet: `{ ns, port, text, function }`. */
    this.mistakes = [];
    this.output = new Log(image.elfPath);
    this.rttReader = new RttReader(image.symbol('_SEGGER_RTT'));
    this.watchdog = new WatchdogObserver(this.clock);
    this.led = new PinObserver(LED, this.clock);
    this.pins = [this.led];
    this.profile = new Profiler(this);
    /** Both ports by number of the SPI. */
    this.ports = PINS.map((_, number) => this.makePort(number));
    /** The port inside. */
    this.lan = this.ports[this.options.lan];
    /** The port outside. */
    this.wan = this.ports[1 - this.options.lan];
    this.past = { cycles: 0, exceptions: 0 };
    this.idleNanos = 0;
    this.powerUp();
  }

  makePort(number) {
    const port = new Port(`spi${number}`, this.clock, new W5500(this.clock, this.options.w5500));
    port.chip.onMistake = (text) => this.addMistake(port, text);
    return port;
  }

  addMistake(port, text) {
    const mistake = { ns: this.clock.nanos, port: port.name, text, function: this.image.functionAt(this.mcu.core.PC) };
    this.mistakes.push(mistake);
    if (this.options.strict) this.fault(`${port.name}: ${text}`);
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
    this.ports.forEach((port, number) => wire(mcu, number, PINS[number], port.chip));
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
   * W5500s know nothing of it, and the image boots again.
   *
   * @param {string} [reason] for `board.resets`; 'watchdog' shows in the register that tells the firmware
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

  /** Nanoseconds since power-up. */
  get ns() {
    return this.clock.nanos;
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
    const bytes = this.rttReader.take(this.mcu);
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
