/** The System Control Space (ARMv7-M ARM, B3.2 to B3.4): SCB, NVIC and FPU. SysTick and an MPU in use are not modelled. */
import { NotModelled } from '../registers.mjs';
import { EXCEPTION } from './faults.mjs';

const CORTEX_M7_R1P1 = 0x411fc271;
const AIRCR_KEY = 0x05fa;
const AIRCR_AT_READ = 0xfa050000;
const SYSRESETREQ = 1 << 2;
const PENDSVSET = 1 << 28;
const PENDSVCLR = 1 << 27;
const SEVONPEND = 1 << 4;
const LINES = 150;
const WORDS = Math.ceil(LINES / 32);
const FIRST_INTERRUPT = 16;
/** Of CCR: instruction cache, data cache, and what is set after reset. */
const [IC, DC] = [1 << 17, 1 << 16];
const CCR_RESET = 0x00040200;
/** Full access to CP10 and CP11. */
const FPU_ON = 0xf << 20;
const [ASPEN, LSPEN] = [1 << 31, 1 << 30];
const MEMFAULTENA = 1 << 16;

const refuse = (what) => () => {
  throw new NotModelled(what);
};

export class System {
  /**
   * @param {import('../bus.mjs').Bus} bus
   * @param {import('./nvic.mjs').Nvic} nvic
   * @param {(reason: string) => void} reset
   */
  constructor(bus, nvic, reset) {
    this.nvic = nvic;
    this.block = bus.add('SCS', 0xe000e000, 0x1000);
    this.declareControl(reset);
    this.declareFaults();
    this.declareCaches();
    this.declareFpu();
    for (let word = 0; word < WORDS; word++) this.declareInterrupts(word);
    for (let word = 0; word < Math.ceil(LINES / 4); word++) this.declarePriorities(word);
    this.block.register('MPU_TYPE', 0xd90, { reset: 0x1000, write: refuse('a write to MPU_TYPE') });
    this.block.register('MPU_CTRL', 0xd94, { known: 0 });
    this.block.register('SYST_CSR', 0x010, { known: 0 });
  }

  declareControl(reset) {
    const { block, nvic } = this;
    block.register('CPUID', 0xd00, { reset: CORTEX_M7_R1P1 });
    const pendSv = (value) => {
      if (value & PENDSVSET) nvic.pend(EXCEPTION.pendSv);
      if (value & PENDSVCLR) nvic.unpend(EXCEPTION.pendSv);
    };
    block.register('ICSR', 0xd04, { known: PENDSVSET | PENDSVCLR, read: () => nvic.active.at(-1) ?? 0, write: pendSv });
    this.vtor = block.register('VTOR', 0xd08);
    block.register('AIRCR', 0xd0c, {
      read: () => AIRCR_AT_READ | (this.priorityGroup << 8),
      write: (value) => this.control(value, reset),
    });
    this.priorityGroup = 0;
    this.scr = block.register('SCR', 0xd10, { known: SEVONPEND | (1 << 2) });
    for (const offset of [0xd18, 0xd1c, 0xd20]) {
      const first = offset - 0xd18 + 4;
      const write = (value) => each(4, (i) => nvic.setPriority(first + i, (value >>> (8 * i)) & 0xff));
      block.register(`SHPR${(offset - 0xd14) / 4}`, offset, { write });
    }
    block.register('STIR', 0xf00, { write: (value) => nvic.pend((value & 0x1ff) + FIRST_INTERRUPT) });
  }

  control(value, reset) {
    if (value >>> 16 !== AIRCR_KEY) return;
    this.priorityGroup = (value >>> 8) & 7;
    // PRIGROUP n: bits above n group.
    this.nvic.groupMask = (0xff << (this.priorityGroup + 1)) & 0xff;
    if (value & SYSRESETREQ) reset('SYSRESETREQ');
  }

  declareFaults() {
    const { block } = this;
    this.shcsr = block.register('SHCSR', 0xd24, { known: 7 << 16 });
    this.cfsr = block.clearedByOnes('CFSR', 0xd28);
    this.hfsr = block.clearedByOnes('HFSR', 0xd2c);
    this.mmfar = block.register('MMFAR', 0xd34);
    this.bfar = block.register('BFAR', 0xd38);
  }

  /** Whether a MemManage, BusFault or UsageFault has its own handler, or becomes a HardFault. */
  isEnabled(exception) {
    return this.shcsr.has(MEMFAULTENA << (exception - EXCEPTION.memManage));
  }

  declareCaches() {
    const { block } = this;
    this.ccr = block.register('CCR', 0xd14, { reset: CCR_RESET, known: IC | DC });
    block.register('CTR', 0xd7c, { reset: 0x8303c003 });
    block.register('CSSELR', 0xd84, { known: 1 });
    block.register('CCSIDR', 0xd80, { read: () => (block.at(0xd84).value & 1 ? 0xf01fe009 : 0xf00fe019) });
    block.register('ICIALLU', 0xf50);
    block.register('DCISW', 0xf60);
  }

  /** Whether the D-cache is on, so that memory and what the core sees may differ. */
  get hasDataCache() {
    return this.ccr.has(DC);
  }

  declareFpu() {
    this.cpacr = this.block.register('CPACR', 0xd88, { known: FPU_ON });
    this.fpccr = this.block.register('FPCCR', 0xf34, { reset: (ASPEN | LSPEN) >>> 0, known: ASPEN | LSPEN });
    this.block.register('FPCAR', 0xf38);
    this.fpdscr = this.block.register('FPDSCR', 0xf3c);
  }

  get fpuOn() {
    return (this.cpacr.value & FPU_ON) === FPU_ON;
  }

  get sendsEventOnPend() {
    return this.scr.has(SEVONPEND);
  }

  declareInterrupts(word) {
    const { block, nvic } = this;
    const first = 32 * word + FIRST_INTERRUPT;
    const declare = (name, offset, set, action) => {
      const read = () => each(32, (i) => i).reduce((bits, i) => bits | (set().has(first + i) ? 1 << i : 0), 0) >>> 0;
      const write = (value) => each(32, (i) => (value >>> i) & 1 && action(first + i));
      block.register(`${name}${word}`, offset + 4 * word, { read, write });
    };
    declare(
      'ISER',
      0x100,
      () => nvic.enabled,
      (exception) => nvic.enable(exception),
    );
    declare(
      'ICER',
      0x180,
      () => nvic.enabled,
      (exception) => nvic.disable(exception),
    );
    declare(
      'ISPR',
      0x200,
      () => nvic.pended,
      (exception) => nvic.pend(exception),
    );
    declare(
      'ICPR',
      0x280,
      () => nvic.pended,
      (exception) => nvic.unpend(exception),
    );
    declare(
      'IABR',
      0x300,
      () => new Set(nvic.active),
      () => {},
    );
  }

  declarePriorities(word) {
    const { block, nvic } = this;
    const first = 4 * word + FIRST_INTERRUPT;
    const write = (value) => each(4, (i) => nvic.setPriority(first + i, (value >>> (8 * i)) & 0xff));
    block.register(`IPR${word}`, 0x400 + 4 * word, { write });
  }
}

const each = (count, action) => Array.from({ length: count }, (_, i) => action(i));
