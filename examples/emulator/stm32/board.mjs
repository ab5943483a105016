/**
 * A board with an STM32H743: runs an image, gives it resets, and reads its log. What is connected to the chip is up to
 * the board, which extends this class.
 */
import { Clock, ClockDomain } from '../simulation/clock.mjs';
import { SimulatedBoard } from '../simulation/simulated-board.mjs';
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

/**
 * @typedef {object} BoardOptions
 * @property {string | Uint8Array} [elf] ELF file of the same program, if the image is binary
 * @property {number} [seed] 0; decides RAM at power-up and the numbers of the RNG
 * @property {Uint8Array} [uniqueId] the chip's unique id, up to 12 bytes
 * @property {'stop' | 'reboot'} [onReset] what a watchdog or a reset request does to a run: 'stop' throws
 * @property {boolean} [checkAlignment] false; true: LDM, LDRD and their like fault at unaligned addresses, in slow runs
 * @property {boolean} [strict] true: a mistake in using the chips stops the run
 */

export class Stm32Board extends SimulatedBoard {
  static flash = { start: FLASH.start, length: FLASH.length };
  /** No boot loader takes a UF2 file. */
  static bootsUf2 = false;
  /** Random bits come from the RNG. */
  static hasRingOscillator = false;
  /** What resets the board after a fault of the processor. */
  static faultReset = 'SYSRESETREQ';
  /** What the log says of it. */
  static faultLog = /fault at 0x[0-9a-f]+, called from [^]*restarted after a fault/;
  /** The outside has a DMA, whose bus errors restart the board. */
  static restartsAfterBusErrors = true;
  /** `options.checkAlignment` is there. */
  static checksAlignment = true;
  /** The firmware uses the compiler's copy of memory. */
  static hasOwnCopy = false;
  /** The pin of the status LED. A board with another one defines it. */
  static ledPin = 'B0';
  /** The pins of RMII and MDIO, if the Ethernet MAC is used. */
  static ethernetPins = [];

  constructor(image, options) {
    super(image, options, new Clock(HSI));
    this.watchdog = new Watchdog(this.clock);
    this.led = { level: false, changes: [] };
    this.profile = new Profiler(this);
    this.past.polledCycles = 0;
    this.powerUp();
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

  fault(reason) {
    super.fault(reason);
    this.core.attention = true;
  }

  /**
   * Resets the chip: flash, RAM and the flags of earlier resets keep their contents, the PHY is reset with it, the
   * W5500 is not, and the image boots again.
   *
   * @param {string} [reason] for `board.resets`; 'watchdog' and 'SYSRESETREQ' show in the register that the firmware reads
   */
  reboot(reason = 'test') {
    const { core, rcc } = this.machine;
    this.past.polledCycles += core.polledCycles;
    this.noteReset(reason);
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

  get core() {
    return this.machine.core;
  }

  /** Where the core is; while a peripheral is accessed, the start of its block. */
  get pc() {
    return (this.core.engine.get(REGISTER.pc) & ~1) >>> 0;
  }

  /** True while the core waits for an event or an interrupt, or is locked up. */
  get sleeps() {
    return this.machine.core.sleeps;
  }

  /** Of `cycles`, those in which it polled a device: a board would run around in the loop, here time goes on at once. */
  get polledCycles() {
    return this.past.polledCycles + this.machine.core.polledCycles;
  }

  /** The stack: `top` is SP at the first instruction, `lowest` the lowest word written since power-up, `deepest` between. */
  get stack() {
    return this.painted.measure();
  }

  step(end) {
    try {
      super.step(end);
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

  /** The memory where the log is. */
  rttRegion(address) {
    return this.memory.region(address, 1);
  }

  /** Closes the files it writes, and frees the engine. */
  close() {
    super.close();
    this.core.close();
  }
}
