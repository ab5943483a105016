/**
 * A board with an STM32H743: runs an image, gives it resets, and reads its log. What is connected to the chip is up to
 * the board, which extends this class.
 */
import { Image } from '../image/image.mjs';
import { Log } from '../image/log.mjs';
import { RttReader } from '../image/rtt.mjs';
import { Clock, ClockDomain } from '../simulation/clock.mjs';
import { FirmwareStopped } from '../simulation/firmware-stopped.mjs';
import { randomWords } from '../simulation/random.mjs';
import { REGISTER } from './cpu/unicorn.mjs';
import { FAULT } from './cpu/faults.mjs';
import { Machine } from './machine.mjs';
import { FLASH, Memory } from './memory.mjs';
import { HSI } from './peripherals/rcc.mjs';
import { Watchdog } from './peripherals/watchdog.mjs';
import { Profiler } from './profiler.mjs';
import { NotModelled } from './registers.mjs';
import { PaintedStack } from './stack.mjs';

const DEFAULT_UNIQUE_ID = [0x2e, 0x00, 0x3b, 0x00, 0x0d, 0x51, 0x30, 0x31, 0x39, 0x34, 0x31, 0x36];
const UNIQUE_ID_BYTES = 12;
/** A halfword at the end of the DTCM that no image uses. */
const SPIN = 0x2001fff0;
const BRANCH_TO_ITSELF = 0xe7fe;
/** How often a busy firmware is interrupted to read its log and to ask `until`. */
const SLICE_NANOS = 100e3;

/**
 * @typedef {object} BoardOptions
 * @property {string | Uint8Array} [elf] ELF file of the same program, if the image is binary
 * @property {number} [seed] 0; decides RAM at power-up and the numbers of the RNG
 * @property {Uint8Array} [uniqueId] the chip's unique id, up to 12 bytes
 * @property {'stop' | 'reboot'} [onReset] what a watchdog or a reset request does to a run: 'stop' throws
 * @property {boolean} [checkAlignment] false; true: LDM, LDRD and their like fault at unaligned addresses, in slow runs
 * @property {boolean} [strict] true: a mistake in using the chips stops the run
 */

export class Stm32Board {
  static flash = { start: FLASH.start, length: FLASH.length };
  /** No boot loader takes a UF2 file. */
  static bootsUf2 = false;
  /** Random bits come from the RNG. */
  static hasRingOscillator = false;
  /** What resets the board after a fault of the processor. */
  static faultReset = 'SYSRESETREQ';
  /** What the log says of it. */
  static faultLog = /fault at 0x[0-9a-f]+, called from [^]*restarted after a fault/;
  /** `options.checkAlignment` is there. */
  static checksAlignment = true;
  /** The firmware uses the compiler's copy of memory. */
  static hasOwnCopy = false;
  /** The pin of the status LED. A board with another one defines it. */
  static ledPin = 'B0';
  /** The pins of RMII and MDIO, if the Ethernet MAC is used. */
  static ethernetPins = [];

  /**
   * Powers the board up with the image in its flash, up to the image's first instruction.
   *
   * @param {string | Uint8Array} source path or contents of an ELF or binary file
   * @param {BoardOptions} [options]
   */
  static boot(source, options = {}) {
    return new this(new Image(source, { flash: this.flash, elf: options.elf }), options);
  }

  constructor(image, options) {
    this.image = image;
    this.options = { seed: 0, onReset: 'stop', strict: false, ...options };
    this.clock = new Clock(HSI);
    this.words = randomWords(this.options.seed);
    /** Each reset so far: `{ ns, reason }`, the reason 'watchdog', 'SYSRESETREQ', or what the test gave. */
    this.resets = [];
    this.output = new Log(image.elfPath);
    this.rttReader = new RttReader(image.symbol('_SEGGER_RTT'));
    this.watchdog = new Watchdog(this.clock);
    this.led = { level: false, changes: [] };
    this.profile = new Profiler(this);
    /** What the firmware did against the manuals: `{ ns, port, text, function }`. */
    this.mistakes = [];
    /** The ports, and which of them are inside and outside. */
    Object.assign(this, this.makePorts());
    this.past = { cycles: 0, polledCycles: 0, exceptions: 0 };
    this.idleNanos = 0;
    this.powerUp();
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

  powerUp() {
    this.memory = new Memory(this.words);
    const [flash] = this.memory.regions;
    this.image.writeTo(flash.bytes);
    this.build({ reason: 'power', flags: 0 });
    this.painted = new PaintedStack(this.memory, this.machine.core.initialStack, this.image.symbol('_stack_end'));
  }

  build({ reason, flags }) {
    this.halted = null;
    this.resetAsked = null;
    this.domain = new ClockDomain(this.clock);
    this.machine = new Machine({
      ...{
        clock: this.clock,
        domain: this.domain,
        memory: this.memory,
        words: this.words,
        watchdog: this.watchdog,
        mac: this.mac,
      },
      ...{ uniqueId: this.uniqueId, ethernetPins: this.constructor.ethernetPins, reason, flags },
      reset: (why) => this.askReset(why),
      mistake: (text) => this.addMistake({ name: 'chip' }, text),
    });
    const { core, gpio } = this.machine;
    this.clock.follow(core);
    this.clock.setFrequency(HSI);
    gpio.connect(this.constructor.ledPin, { onLevel: (level) => this.setLed(level) });
    this.setLed(false);
    this.connectPorts(this.machine);
    for (const { address, data } of this.image.segments) this.loadCode(address, data);
    core.reset(FLASH.start);
    this.profile.attach();
  }

  loadCode(address, data) {
    const { core } = this.machine;
    core.loadCode(address, data);
    if (this.options.checkAlignment) core.checkAlignment(address, data);
  }

  get uniqueId() {
    const given = this.options.uniqueId ?? DEFAULT_UNIQUE_ID;
    return Uint8Array.from({ length: UNIQUE_ID_BYTES }, (_, i) => given[i] ?? 0);
  }

  setLed(level) {
    if (level === this.led.level) return;
    this.led.level = level;
    this.led.changes.push({ ns: this.clock.nanos, level });
  }

  /** Notes what stops the run; the first reason counts. */
  fault(reason) {
    this.halted ??= reason;
    this.machine.core.attention = true;
  }

  askReset(reason) {
    this.resetAsked ??= reason;
    if (this.options.onReset === 'stop') this.fault(`reset by ${reason}`);
  }

  /**
   * Resets the chip: flash, RAM and the flags of earlier resets keep their contents, the PHY is reset with it, the
   * W5500 is not, and the image boots again.
   *
   * @param {string} [reason] for `board.resets`; 'watchdog' and 'SYSRESETREQ' show in the register that the firmware reads
   */
  reboot(reason = 'test') {
    const { core, rcc } = this.machine;
    this.past.cycles += core.cycles;
    this.past.polledCycles += core.polledCycles;
    this.past.exceptions += core.exceptions;
    this.resets.push({ ns: this.clock.nanos, reason });
    this.readLog();
    this.profile.detach();
    this.domain.close();
    this.build({ reason, flags: rcc.reason.value });
    core.close();
  }

  /** Puts the core into an endless loop with interrupts off. */
  hang() {
    const { core } = this.machine;
    core.waiting = null;
    core.engine.set(REGISTER.primask, 1);
    this.memory.setWord(SPIN, BRANCH_TO_ITSELF);
    core.pc = SPIN | 1;
  }

  /** Makes the core take a HardFault where it is. */
  hardFault() {
    const { core } = this.machine;
    core.waiting = null;
    core.fault(FAULT.undefined);
  }

  /** True while the core waits for an event or an interrupt, or is locked up. */
  get sleeps() {
    return this.machine.core.sleeps;
  }

  /** Nanoseconds since power-up. */
  get ns() {
    return this.clock.nanos;
  }

  /** Nanoseconds of a cycle at the present frequency. */
  get nanosPerCycle() {
    return this.clock.nanosPerCycle;
  }

  /** Cycles of the core since power-up, without those it slept: its instructions, and those of exceptions. */
  get cycles() {
    return this.past.cycles + this.machine.core.cycles;
  }

  /** Of these, cycles in which it polled a device: a board would run around in the loop, here time goes on at once. */
  get polledCycles() {
    return this.past.polledCycles + this.machine.core.polledCycles;
  }

  /** Nanoseconds the core slept since power-up. */
  get idle() {
    return this.idleNanos;
  }

  /** Exceptions taken since power-up. */
  get exceptions() {
    return this.past.exceptions + this.machine.core.exceptions;
  }

  /** All log lines so far. */
  get log() {
    return this.output.text;
  }

  /** Bytes of the RTT channel so far, not decoded. */
  get rtt() {
    return this.output.rtt;
  }

  /** The stack: `top` is SP at the first instruction, `lowest` the lowest word written since power-up, `deepest` between. */
  get stack() {
    return this.painted.measure();
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
   * @throws {FirmwareStopped} on anything not modelled; on a reset unless `onReset` is 'reboot'; on a lockup that no
   *   watchdog ends
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
    try {
      if (this.sleeps) this.sleep(end);
      else this.work();
    } catch (error) {
      if (!(error instanceof NotModelled)) throw error;
      this.fault(`not modelled: ${error.message}`);
    }
  }

  work() {
    const { core } = this.machine;
    core.work();
    if (core.cycles >= this.clock.deadline) this.clock.fire();
    this.readLog();
    if (core.locked && !this.watchdog.enabled) this.fault(`lockup after ${core.lastFault.name}`);
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

  /** Where the core is; while a peripheral is accessed, the start of its block. */
  get pc() {
    return (this.machine.core.engine.get(REGISTER.pc) & ~1) >>> 0;
  }

  get function() {
    return this.image.functionAt(this.pc);
  }

  readLog() {
    const { address } = this.rttReader;
    const region = address === undefined ? undefined : this.memory.region(address, 1);
    const bytes = region && this.rttReader.take(region);
    if (bytes) this.output.addRtt(bytes);
  }

  /** RAM and flash by section of the ELF file, in bytes. */
  get sections() {
    return this.image.sections.map((section) => ({ ...section, inRam: section.address >= 0x20000000 }));
  }

  /** Closes the files it writes, and frees the engine. */
  close() {
    this.ports.forEach((port) => port.close());
    this.machine.core.close();
  }
}
