/**
 * The Cortex-M7. unicorn executes instructions; exceptions, sleep, faults and the count of cycles are here, because
 * unicorn has none of them for this profile.
 *
 * A cycle is an instruction. It is charged at the start of its block, which is a run of instructions without a branch.
 * Exceptions are taken between blocks.
 */
import { alignedIn } from './alignment.mjs';
import { EXCEPTION, FAULT, faultOfAccess, faultOfFetch, faultOfInstruction } from './faults.mjs';
import { popFrame, pushFrame } from './frames.mjs';
import { blockCost, HINT, hintsIn } from './instructions.mjs';
import { NO_PRIORITY } from './nvic.mjs';
import { NotModelled } from '../registers.mjs';
import { Engine, REGISTER as R } from './unicorn.mjs';

/** What the engine reports as an exception. */
const REPORT = { undefined: 1, svc: 2, fetch: 3, breakpoint: 7, exceptionReturn: 8, notThumb: 18 };
const RETURN_PREFIX = 0xffffffe0;
/** Bits of EXC_RETURN: a frame without the FPU's registers; thread mode; the process stack. */
const [BASIC_FRAME, TO_THREAD, PROCESS_STACK] = [1 << 4, 1 << 3, 1 << 2];
const THUMB = 1 << 24;
/** Of xPSR: the instruction may be conditional. */
const IT_STATE = 0x0600fc00;
/** Flags that an exception entry leaves as they are. */
const KEPT_FLAGS = 0xf80f0000;
const [NOT_PRIVILEGED, PROCESS_SP, FPU_IN_USE] = [1, 2, 4];
/** HFSR: escalated; a breakpoint without a debugger; a vector that cannot be read. */
const [FORCED, DEBUG_EVENT] = [1 << 30, 1 << 31];
export const CYCLES = { entry: 12, exit: 10, tailChain: 6 };

export class Core {
  /**
   * @param {object} parts
   * @param {import('../memory.mjs').Memory} parts.memory
   * @param {import('./nvic.mjs').Nvic} parts.nvic
   * @param {import('./system.mjs').System} parts.system
   * @param {{deadline: number}} parts.clock `work` ends when `cycles` reach the deadline
   */
  constructor({ memory, nvic, system, clock }) {
    Object.assign(this, { memory, nvic, system, clock });
    this.engine = new Engine();
    this.cycles = 0;
    this.exceptions = 0;
    /** Cycles of `cycles` that went into the entry to exceptions and the return from them. */
    this.exceptionCycles = 0;
    /** Cycles of `cycles` in which the program polled, or ran around in a loop of one instruction. */
    this.polledCycles = 0;
    /** 'wfe' or 'wfi' while it sleeps. */
    this.waiting = null;
    this.event = false;
    /** Something other than the program wants to run. */
    this.attention = false;
    /** A fault while a HardFault is handled: the core does nothing more until it is reset. */
    this.locked = false;
    this.lastFault = undefined;
    this.stopped = null;
    this.refused = null;
    this.costs = new Map();
    /** Called with the address and length of each block that runs. */
    this.onBlock = null;
    this.engine.onBlock((address, size) => this.enterBlock(address, size));
    this.engine.onException((number) => this.stopFor({ report: number }));
    this.engine.onInvalidAccess((kind, address) => (this.refused = { kind, address }));
    nvic.onChange = () => (this.attention = true);
  }

  /** Prepares for the code in these bytes. */
  loadCode(address, code) {
    this.engine.onInstructions(hintsIn(address, code), (at) =>
      this.stopFor({ hint: this.memory.halfword(at), next: at + 2 }),
    );
  }

  /** Makes accesses of several words fault at an unaligned address, which the engine does not. Runs get slow. */
  checkAlignment(address, code) {
    const registers = alignedIn(address, code);
    this.engine.onEveryInstruction(address, code.length, (at) => {
      const register = registers.get(at);
      if (register === undefined || (this.engine.get(register) & 3) === 0) return;
      // Whether a conditional instruction is executed is not known here.
      if (!(this.engine.get(R.xpsr) & IT_STATE)) this.stopFor({ unaligned: at });
    });
  }

  /** Starts at the vector table. */
  reset(vectors) {
    this.system.vtor.value = vectors;
    this.initialStack = this.memory.word(vectors);
    this.engine.set(R.sp, this.initialStack);
    this.pc = this.memory.word(vectors + 4);
  }

  stopFor(reason) {
    this.stopped = reason;
    this.engine.stop();
  }

  // Instructions.

  enterBlock(address, size) {
    if (this.attention || this.cycles >= this.clock.deadline) {
      this.stopFor({ due: true });
      return;
    }
    let cost = this.costs.get(address);
    if (cost === undefined || cost.size !== size) {
      cost = blockCost(this.memory, address, size);
      this.costs.set(address, cost);
    }
    this.onBlock?.(address, size);
    if (cost.forever) this.skipToDeadline();
    else this.cycles += cost.instructions;
  }

  /** Nothing but an event can change anything: its time has come. */
  skipToDeadline() {
    const { deadline } = this.clock;
    if (deadline === Infinity || deadline <= this.cycles) return;
    this.polledCycles += Math.ceil(deadline) - this.cycles;
    this.cycles = Math.ceil(deadline);
  }

  /** Runs up to the clock's deadline, or until something is to be done. */
  work() {
    if (this.waiting === 'wfe') this.event = false;
    this.waiting = null;
    this.attention = false;
    this.takeException();
    if (this.locked) return;
    [this.stopped, this.refused] = [null, null];
    const error = this.engine.run(this.pc);
    this.pc = this.engine.get(R.pc) | 1;
    this.checkMode();
    if (error) this.fault(this.reasonOf(error));
    else this.continueAfter(this.stopped);
  }

  checkMode() {
    const control = this.engine.get(R.control);
    if (control & NOT_PRIVILEGED) throw new NotModelled('unprivileged code');
    if (control & PROCESS_SP) throw new NotModelled('the process stack');
    if (control & FPU_IN_USE && !this.system.fpuOn) throw new NotModelled('an FPU instruction while the FPU is off');
  }

  reasonOf(error) {
    if (this.refused) return faultOfAccess(this.refused);
    if (/INSN_INVALID/.test(error)) return faultOfInstruction(this.engine.get(R.xpsr));
    throw new Error(`the engine stopped: ${error}`);
  }

  continueAfter({ due, hint, next, report, unaligned }) {
    if (due) return;
    if (unaligned !== undefined) this.faultAt(unaligned, FAULT.unaligned);
    else if (hint !== undefined) this.obeyHint(hint, next);
    else if (report === REPORT.exceptionReturn) this.returnFromException((this.pc & ~1) >>> 0);
    else if (report === REPORT.svc) this.raise(EXCEPTION.svcall);
    else if (report === REPORT.breakpoint) this.hardFault({ name: 'a breakpoint', bits: DEBUG_EVENT });
    else if (report === REPORT.fetch) this.fault(faultOfFetch((this.pc & ~1) >>> 0));
    else if (report === REPORT.undefined) this.fault(FAULT.undefined);
    else if (report === REPORT.notThumb) this.fault(FAULT.notThumb);
    else throw new Error(`the engine reports exception ${report} at 0x${this.pc.toString(16)}`);
  }

  // Sleep.

  obeyHint(hint, next) {
    this.pc = next | 1;
    if (hint === HINT.sev) this.event = true;
    else if (hint === HINT.wfi) this.waiting = 'wfi';
    else if (this.event) this.event = false;
    else this.waiting = 'wfe';
  }

  /** True while nothing is to be executed. */
  get sleeps() {
    return this.locked || (this.waiting !== null && !this.wakes());
  }

  wakes() {
    if (this.waiting === 'wfi') return this.nvic.preempting(this.maskedPriority) !== undefined;
    return this.event || this.wakesByInterrupt();
  }

  wakesByInterrupt() {
    if (this.system.sendsEventOnPend && this.nvic.next !== undefined) return true;
    return this.nvic.preempting(this.priority) !== undefined;
  }

  // Exceptions.

  /** The priority that an exception must exceed, without PRIMASK. */
  get maskedPriority() {
    const base = this.engine.get(R.basepri) & 0xff;
    const faultMask = this.engine.get(R.faultmask) & 1 ? -1 : NO_PRIORITY;
    return Math.min(this.nvic.activePriority, base === 0 ? NO_PRIORITY : this.nvic.groupOf(base), faultMask);
  }

  get priority() {
    return this.engine.get(R.primask) & 1 ? Math.min(0, this.maskedPriority) : this.maskedPriority;
  }

  takeException() {
    if (this.nvic.pended.size === 0) return;
    const exception = this.nvic.preempting(this.priority);
    if (exception !== undefined) this.enter(exception);
  }

  /** An exception that the program causes: it is taken at once, or becomes a HardFault. */
  raise(exception) {
    const { priorities } = this.nvic;
    if (this.nvic.groupOf(priorities[exception]) < this.priority) this.enter(exception);
    else this.hardFault({ name: `exception ${exception}`, bits: FORCED });
  }

  enter(exception) {
    const { engine } = this;
    const withFpu = (engine.get(R.control) & FPU_IN_USE) !== 0;
    const isNested = this.nvic.active.length > 0;
    const xpsr = engine.get(R.xpsr);
    if (!pushFrame(this, { returnTo: this.pc, withFpu })) {
      this.failToStack(exception);
      return;
    }
    if (withFpu) {
      engine.set(R.control, 0);
      engine.set(R.fpscr, this.system.fpdscr.value);
    }
    const frame = withFpu ? 0 : BASIC_FRAME;
    engine.set(R.lr, (RETURN_PREFIX | 1 | frame | (isNested ? 0 : TO_THREAD)) >>> 0);
    this.startHandler(exception, { cycles: CYCLES.entry, flags: xpsr });
  }

  failToStack(exception) {
    this.lastFault = FAULT.stacking;
    this.system.cfsr.value |= FAULT.stacking.bits;
    // The handler of the HardFault has no stack either.
    this.locked = true;
    this.nvic.begin(exception);
  }

  /** The state is stacked, which has taken these cycles. */
  startHandler(exception, { cycles, flags }) {
    this.charge(cycles);
    const first = this.lateArrival(exception);
    this.engine.set(R.xpsr, (flags & KEPT_FLAGS) | THUMB | first);
    this.nvic.begin(first);
    this.pc = this.memory.word(this.system.vtor.value + 4 * first);
    this.exceptions += 1;
    this.event = true;
  }

  /**
   * A more urgent exception that came while the state was stacked: it goes first, with the same frame, and the other one
   * follows by tail-chaining (ARMv7-M ARM, B1.5.11).
   */
  lateArrival(exception) {
    const late = this.nvic.preempting(this.nvic.groupOf(this.nvic.priorities[exception]));
    if (late === undefined) return exception;
    // Already so unless the program itself has caused it.
    this.nvic.pended.add(exception);
    return late;
  }

  /** Time goes on, and what is due in it happens. */
  charge(cycles) {
    this.cycles += cycles;
    this.exceptionCycles += cycles;
    if (this.cycles >= this.clock.deadline) this.clock.fire();
  }

  returnFromException(excReturn) {
    const value = (excReturn | 1) >>> 0;
    const nested = this.nvic.active.length > 1;
    if (this.nvic.active.length === 0 || value & PROCESS_STACK || Boolean(value & TO_THREAD) === nested) {
      this.fault(FAULT.badReturn);
      return;
    }
    this.engine.set(R.faultmask, 0);
    this.nvic.end();
    if (this.following === undefined) this.charge(CYCLES.exit);
    // What comes while the state is taken back makes the core give that up.
    const next = this.following;
    if (next === undefined) this.unstack((value & BASIC_FRAME) === 0);
    else this.chainTo(next, value);
  }

  /** The exception that follows the one that has ended. */
  get following() {
    return this.nvic.pended.size > 0 ? this.nvic.preempting(this.priority) : undefined;
  }

  /** The frame stays where it is for the next handler. */
  chainTo(exception, excReturn) {
    const { engine } = this;
    engine.set(R.lr, excReturn);
    engine.set(R.control, 0);
    this.startHandler(exception, { cycles: CYCLES.tailChain, flags: engine.get(R.xpsr) });
  }

  unstack(withFpu) {
    const returnTo = popFrame(this, { withFpu });
    if (returnTo === undefined) {
      this.fault(FAULT.unstacking);
      return;
    }
    this.engine.set(R.control, withFpu ? FPU_IN_USE : 0);
    this.pc = returnTo | 1;
    this.event = true;
  }

  // Faults.

  /** @param {{name: string, exception: number, bits: number, at?: number}} reason of `FAULT` */
  fault(reason) {
    const { system } = this;
    system.cfsr.value = (system.cfsr.value | reason.bits) >>> 0;
    if (reason.at !== undefined) system.bfar.value = reason.at;
    const own =
      system.isEnabled(reason.exception) && this.nvic.groupOf(this.nvic.priorities[reason.exception]) < this.priority;
    if (own) {
      this.lastFault = reason;
      this.enter(reason.exception);
    } else {
      this.hardFault({ ...reason, bits: FORCED });
    }
  }

  faultAt(address, reason) {
    this.pc = address | 1;
    this.fault(reason);
  }

  hardFault({ name, bits }) {
    this.lastFault = { name };
    if (this.priority <= -1) {
      this.locked = true;
      return;
    }
    this.system.hfsr.value = (this.system.hfsr.value | bits) >>> 0;
    this.enter(EXCEPTION.hardFault);
  }

  close() {
    this.engine.close();
  }
}
