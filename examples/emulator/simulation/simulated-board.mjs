/** What every emulated board is towards tests, whatever its microcontroller: time, runs, resets, and the log. */
import { Image } from '../image/image.mjs';
import { Log } from '../image/log.mjs';
import { RttReader } from '../image/rtt.mjs';
import { FirmwareStopped } from './firmware-stopped.mjs';
import { randomWords } from './random.mjs';

/** How often a busy firmware is interrupted to read its log and to ask `until`. */
const SLICE_NANOS = 100e3;
const RAM = 0x20000000;

/**
 * A microcontroller's board extends this class. It defines `core` (with `cycles` and `exceptions`), `pc`, `sleeps`,
 * `work`, `reboot` and `rttRegion`.
 */
export class SimulatedBoard {
  /**
   * Powers the board up with the image in its flash, up to the image's first instruction.
   *
   * @param {string | Uint8Array} source path or contents of an ELF or binary file, or of a UF2 file if it boots one
   * @param {object} [options] those of the board
   * @throws if the chip would not boot it
   */
  static boot(source, options = {}) {
    return new this(new Image(source, { flash: this.flash, elf: options.elf }), options);
  }

  /** @param {import('./clock.mjs').Clock} clock at the frequency after power-up */
  constructor(image, options, clock) {
    this.image = image;
    this.options = { seed: 0, onReset: 'stop', strict: false, ...options };
    this.clock = clock;
    this.words = randomWords(this.options.seed);
    /** Each reset so far: `{ ns, reason }`, the reason 'watchdog', 'SYSRESETREQ', or what the test gave. */
    this.resets = [];
    this.output = new Log(image.elfPath);
    this.rttReader = new RttReader(image.symbol('_SEGGER_RTT'));
    /** What the firmware did against a datasheet or a manual: `{ ns, port, text, function }`. */
    this.mistakes = [];
    /** Of the machines before the last reset. */
    this.past = { cycles: 0, exceptions: 0 };
    this.idleNanos = 0;
    /** The ports, and which of them are inside and outside. */
    Object.assign(this, this.makePorts());
  }

  /**
   * For the board to define: makes the ports, once.
   *
   * @returns {{ports: object[], lan: object, wan: object, mac?: object}} `mac`: the Ethernet MAC, if it is used
   */
  makePorts() {
    throw new Error('a board makes its ports');
  }

  /** For the board to define: connects the ports to a machine, at power-up and after each reset. */
  connectPorts() {}

  /** Notes that the firmware used the chip at `port` against its datasheet. */
  addMistake(port, text) {
    const mistake = { ns: this.clock.nanos, port: port.name, text, function: this.function };
    this.mistakes.push(mistake);
    if (this.options.strict) this.fault(`${port.name}: ${text}`);
  }

  /** Notes what stops the run; the first reason counts. */
  fault(reason) {
    this.halted ??= reason;
  }

  askReset(reason) {
    this.resetAsked ??= reason;
    if (this.options.onReset === 'stop') this.fault(`reset by ${reason}`);
  }

  /** Notes a reset, before the machine is replaced. */
  noteReset(reason) {
    this.past.cycles += this.core.cycles;
    this.past.exceptions += this.core.exceptions;
    this.resets.push({ ns: this.clock.nanos, reason });
    this.readLog();
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
    return this.past.cycles + this.core.cycles;
  }

  /** Nanoseconds the core slept since power-up. */
  get idle() {
    return this.idleNanos;
  }

  /** Exceptions taken since power-up. */
  get exceptions() {
    return this.past.exceptions + this.core.exceptions;
  }

  /** The function that the core is in. */
  get function() {
    return this.image.functionAt(this.pc);
  }

  /** All log lines so far. */
  get log() {
    return this.output.text;
  }

  /** Bytes of the RTT channel so far, not decoded. */
  get rtt() {
    return this.output.rtt;
  }

  /** RAM and flash by section of the ELF file, in bytes. */
  get sections() {
    return this.image.sections.map((section) => ({ ...section, inRam: section.address >= RAM }));
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
   * @throws {FirmwareStopped} on a panic, a bus fault, a lockup that no watchdog ends, anything not modelled; on a reset
   *   unless `onReset` is 'reboot'
   */
  run({ us, until }) {
    const end = this.clock.nanos + us * 1e3;
    let done = until ? until() : false;
    while (!done && this.clock.nanos < end) {
      this.clock.setLimit(Math.min(end, this.clock.nanos + SLICE_NANOS));
      this.step(end);
      if (this.halted || this.resetAsked) this.settle();
      done = until ? until() : false;
    }
    this.readLog();
    return until ? done : true;
  }

  step(end) {
    if (this.sleeps) this.sleep(end);
    else this.work();
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
    throw new FirmwareStopped(this.halted, { pc: this.pc, function: this.function, log: this.log });
  }

  readLog() {
    const { address } = this.rttReader;
    const region = address === undefined ? undefined : this.rttRegion(address);
    const bytes = region && this.rttReader.take(region);
    if (bytes) this.output.addRtt(bytes);
  }

  /** Closes the files it writes. */
  close() {
    this.ports.forEach((port) => port.close());
  }
}
