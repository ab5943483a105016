/** CRS, the clock recovery (RM0433, chapter 9): keeps HSI48 in step with the frames of a USB controller. */
const [ON, AUTOMATIC] = [1 << 5, 1 << 6];
const CR_RESET = 0x2000;
const CFGR_RESET = 0x2022bb7f;
/** What SYNCSRC may select: a pin, LSE, and the frames of USB1, which is OTG HS, and USB2, which is OTG FS. */
const OTG_FS = 3;

export class ClockRecovery {
  /** @param {import('../bus.mjs').Bus} bus */
  constructor(bus) {
    const block = bus.add('CRS', 0x40008400);
    this.control = block.register('CR', 0x00, { reset: CR_RESET, known: 0x7f00 | ON | AUTOMATIC });
    this.config = block.register('CFGR', 0x04, { reset: CFGR_RESET });
    block.register('ISR', 0x08, { known: 0 });
    block.register('ICR', 0x0c);
  }

  /** Whether HSI48 follows the frames of OTG FS. */
  get followsOtgFs() {
    return this.control.has(ON) && this.control.has(AUTOMATIC) && this.config.field(28, 2) === OTG_FS;
  }
}
