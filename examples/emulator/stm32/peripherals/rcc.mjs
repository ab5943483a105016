/**
 * RCC (RM0433, chapter 8): oscillators, PLL1, the frequencies that follow from them, the clocks and resets of the
 * peripherals, and the reason of the last reset. Whatever is switched on is ready at once.
 */
import { NotModelled } from '../registers.mjs';

const MEGA = 1e6;
export const HSI = 64 * MEGA;
const HSI48 = 48 * MEGA;
/** Bits that switch an oscillator on, and that tell that it runs. HSE is absent: no board here has a crystal. */
const READY = [
  { on: 1 << 0, ready: 1 << 2 },
  { on: 1 << 7, ready: 1 << 8 },
  { on: 1 << 12, ready: 1 << 13 },
  { on: 1 << 24, ready: 1 << 25 },
];
const ALWAYS_READY = (1 << 5) | (1 << 14) | (1 << 15);
const CR_RESET = 0x83;
const CR_KNOWN = READY.reduce((bits, { on, ready }) => bits | on | ready, 0) | ALWAYS_READY | (3 << 3);
const HSI48_ON = 1 << 12;
const PLL1_ON = 1 << 24;
/** Of PLLCKSELR. */
const [PLL_SOURCE, PLL1_DIVIDER] = [3, 0x3f << 4];
const FROM_PLL1 = 3;
const REMOVE_FLAGS = 1 << 16;
/** RCC_RSR after each reset (RM0433, table 55). */
const RESET_FLAGS = { power: 0x00fa0000, watchdog: 0x04420000, SYSRESETREQ: 0x01420000 };
const PIN_RESET = 0x00420000;
/** Divisors by the upper half of the codes of HPRE, and by those of PPRE. */
const AHB_DIVISORS = [2, 4, 8, 16, 64, 128, 256, 512];
const APB_DIVISORS = [2, 4, 8, 16];

/** Clock enable and reset registers, with the peripherals that are modelled. */
const BUSES = {
  AHB3: { enable: 0x0d4, reset: 0x07c, blocks: {} },
  AHB1: {
    enable: 0x0d8,
    reset: 0x080,
    blocks: { DMA1: 1 << 0, ETH: (1 << 15) | (1 << 16) | (1 << 17), DMAMUX1: 1 << 0, OTG_FS: 1 << 27 },
  },
  AHB2: { enable: 0x0dc, reset: 0x084, blocks: { RNG: 1 << 6 } },
  AHB4: {
    enable: 0x0e0,
    reset: 0x088,
    blocks: Object.fromEntries([...'ABCDEFGHIJK'].map((letter, bit) => [`GPIO${letter}`, 1 << bit])),
  },
  APB3: { enable: 0x0e4, reset: 0x08c, blocks: {} },
  APB1L: { enable: 0x0e8, reset: 0x090, blocks: { TIM12: 1 << 6 } },
  APB1H: { enable: 0x0ec, reset: 0x094, blocks: { CRS: 1 << 1 } },
  APB2: { enable: 0x0f0, reset: 0x098, blocks: { SPI1: 1 << 12 } },
  APB4: { enable: 0x0f4, reset: 0x09c, blocks: { SYSCFG: 1 << 1 } },
};
/** Of the Ethernet MAC, the clock of the registers alone serves MDIO. */
const ETH_MAC_CLOCK = 1 << 15;
/** AHB1LPENR: OTG FS while the core sleeps, and its interface to another PHY, which then has to be off. */
const [USB_IN_SLEEP, ULPI_IN_SLEEP] = [1 << 27, 1 << 28];
const AHB1LPENR_RESET = 0x1e03c023;
/** USBSEL. */
const FROM_HSI48 = 3;

export class Rcc {
  /**
   * @param {import('../bus.mjs').Bus} bus
   * @param {object} options
   * @param {string} options.reason of the reset
   * @param {number} options.flags left in RSR by earlier resets
   * @param {() => void} options.changed called when the core's frequency has changed
   */
  constructor(bus, { reason, flags, changed }) {
    this.bus = bus;
    this.changed = changed;
    this.block = bus.add('RCC', 0x58024400);
    this.clocked = new Map();
    this.declareOscillators();
    this.declareDividers();
    this.declareSelections();
    Object.entries(BUSES).forEach(([name, each]) => this.declareBus(name, each));
    this.declareReason(flags | (RESET_FLAGS[reason] ?? PIN_RESET));
    bus.isClocked = (name) => this.isClocked(name);
  }

  declareOscillators() {
    const { block } = this;
    const withReady = (bits) =>
      READY.reduce((value, { on, ready }) => (value & on ? value | ready : value & ~ready), bits);
    this.cr = block.register('CR', 0x00, {
      reset: CR_RESET,
      known: CR_KNOWN,
      read: () => withReady(this.cr.value | ALWAYS_READY) >>> 0,
      write: () => this.changed(),
    });
    block.register('HSICFGR', 0x04, { reset: 0x40000000 });
    this.pllSource = block.register('PLLCKSELR', 0x28, {
      reset: 0x02020200,
      write: (value, before) => (this.pllSource.value = this.protect(value, before)),
    });
    this.pllConfig = block.register('PLLCFGR', 0x2c, { reset: 0x01ff0000 });
    this.pllDividers = block.register('PLL1DIVR', 0x30, { reset: 0x01010280 });
    const csr = block.register('CSR', 0x74, { known: 3, read: () => (csr.value & 1 ? 3 : 0) });
    // The clock of the RTC, and the reset of its domain.
    block.register('BDCR', 0x70, { known: 0x18000 | 0x300 });
  }

  /** The chip does not take another source or divider of a PLL that runs. */
  protect(value, before) {
    const kept = this.cr.has(PLL1_ON) ? PLL_SOURCE | PLL1_DIVIDER : 0;
    return ((value & ~kept) | (before & kept)) >>> 0;
  }

  declareDividers() {
    const { block } = this;
    const write = () => this.changed();
    this.cfgr = block.register('CFGR', 0x10, { known: 0x3f, read: () => this.cfgr.field(0, 3) * 9, write });
    this.d1cfgr = block.register('D1CFGR', 0x18, { known: 0xf7f, write });
    this.d2cfgr = block.register('D2CFGR', 0x1c, { known: 0x770, write });
    block.register('D3CFGR', 0x20, { known: 0x70 });
  }

  /** Which clock a peripheral's kernel uses; only the defaults are modelled, but for what the images do not use. */
  declareSelections() {
    const { block } = this;
    block.register('D1CCIPR', 0x4c);
    block.register('D2CCIP1R', 0x50, { known: 0 });
    this.d2ccip2r = block.register('D2CCIP2R', 0x54, { known: ~(3 << 8) >>> 0 });
    this.inSleep = block.register('AHB1LPENR', 0x100, { reset: AHB1LPENR_RESET });
    block.register('D3CCIPR', 0x58);
  }

  declareBus(name, { enable, reset, blocks }) {
    const { block } = this;
    const enabled = block.register(`${name}ENR`, enable, {});
    block.register(`${name}RSTR`, reset, { write: (value) => this.resetBlocks(name, value) });
    Object.entries(blocks).forEach(([each, bits]) => this.clocked.set(each, { enabled, bits }));
  }

  resetBlocks(name, bits) {
    let left = bits;
    for (const [each, bit] of Object.entries(BUSES[name].blocks)) {
      if (bits & bit) this.bus.blocks.get(each)?.reset();
      left &= ~bit;
    }
    if (left)
      throw new NotModelled(`the reset of a peripheral by bits 0x${(left >>> 0).toString(16)} of RCC.${name}RSTR`);
  }

  isClocked(name) {
    const clock = this.clocked.get(name);
    if (!clock) return true;
    return name === 'ETH' ? clock.enabled.has(ETH_MAC_CLOCK) : clock.enabled.has(clock.bits);
  }

  /** Whether all clocks of a peripheral are on. */
  isFullyClocked(name) {
    const { enabled, bits } = this.clocked.get(name);
    return (enabled.value & bits) === bits;
  }

  declareReason(flags) {
    const rsr = this.block.register('RSR', 0xd0, {
      reset: flags >>> 0,
      write: (value, before) => (rsr.value = value & REMOVE_FLAGS ? 0 : before),
    });
    this.reason = rsr;
  }

  // Frequencies, in hertz.

  get hsi() {
    return HSI >> this.cr.field(3, 2);
  }

  get hasHsi48() {
    return this.cr.has(HSI48_ON);
  }

  /** Of PLL1, before its output dividers. */
  get vco() {
    if (!this.cr.has(PLL1_ON)) throw new NotModelled('the use of PLL1 while it is off');
    if (this.pllSource.field(0, 2) !== 0) throw new NotModelled('another source of PLL1 than HSI');
    if (this.pllConfig.has(1)) throw new NotModelled('a fractional multiplier of PLL1');
    return (this.hsi / this.pllSource.field(4, 6)) * (this.pllDividers.field(0, 9) + 1);
  }

  get system() {
    const selected = this.cfgr.field(0, 3);
    if (selected === 0) return this.hsi;
    if (selected !== FROM_PLL1) throw new NotModelled(`source ${selected} of the system clock`);
    return this.vco / (this.pllDividers.field(9, 7) + 1);
  }

  /** Of the core. */
  get core() {
    return this.system / ahbDivisor(this.d1cfgr.field(8, 4));
  }

  /** Of the AXI and AHB buses, the flash, DMA and the Ethernet MAC. */
  get ahb() {
    return this.core / ahbDivisor(this.d1cfgr.field(0, 4));
  }

  /** Of the timers on APB1. */
  get timer1() {
    const divisor = apbDivisor(this.d2cfgr.field(4, 3));
    return divisor === 1 ? this.ahb : (2 * this.ahb) / divisor;
  }

  /** Of OTG FS; 0 if it is off. */
  get usbHertz() {
    const source = this.d2ccip2r.field(20, 2);
    if (source !== 0 && source !== FROM_HSI48) throw new NotModelled(`source ${source} of the clock of USB`);
    return source === FROM_HSI48 && this.hasHsi48 ? HSI48 : 0;
  }

  /** Whether OTG FS goes on while the core sleeps. */
  get runsUsbInSleep() {
    return this.inSleep.has(USB_IN_SLEEP) && !this.inSleep.has(ULPI_IN_SLEEP);
  }

  /** Of the kernel of SPI1, which is output Q of PLL1. */
  get spi1() {
    return this.vco / (this.pllDividers.field(16, 7) + 1);
  }
}

const ahbDivisor = (code) => (code < 8 ? 1 : AHB_DIVISORS[code - 8]);
const apbDivisor = (code) => (code < 4 ? 1 : APB_DIVISORS[code - 4]);
