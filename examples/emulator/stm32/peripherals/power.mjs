/**
 * PWR, the flash's wait states, DBGMCU and the unique id (RM0433, chapters 6, 4.9, 60 and 61). A clock that is too fast
 * for the core's voltage, or for the flash's wait states, is a mistake. Voltages change at once.
 */
const MEGA = 1e6;
const READY = 1 << 13;
/** By the codes of VOS: megahertz of the core, and megahertz of the AXI bus for each number of wait states. */
const SCALES = {
  1: { core: 200, flash: [45, 90, 135, 180, 225] },
  2: { core: 300, flash: [55, 110, 165, 220] },
  3: { core: 400, flash: [70, 140, 210, 225] },
};
const VOS_RESET = 1;
const LDO_ON = 1 << 1;
/** CR3: the detector of VDD33USB, and that it is there. */
const [USB_DETECTOR, USB_READY] = [1 << 24, 1 << 26];

export class Power {
  /**
   * @param {import('../bus.mjs').Bus} bus
   * @param {{uniqueId: Uint8Array, mistake: (text: string) => void}} options
   */
  constructor(bus, { uniqueId, mistake }) {
    this.mistake = mistake;
    this.declarePower(bus.add('PWR', 0x58024800));
    const flash = bus.add('FLASH', 0x52002000);
    this.access = flash.register('ACR', 0x00, { reset: 0x37, known: 0x3f });
    const debug = bus.add('DBGMCU', 0x5c001000);
    debug.register('IDC', 0x00, { reset: 0x20036450 });
    debug.register('CR', 0x04);
    debug.register('APB4FZ1', 0x54);
    const id = bus.add('UID', 0x1ff1e800);
    const view = new DataView(uniqueId.buffer, uniqueId.byteOffset);
    [0, 4, 8].forEach((at) => id.register(`word ${at / 4}`, at, { read: () => view.getUint32(at, true) }));
  }

  declarePower(block) {
    const vos = () => this.d3cr.field(14, 2);
    block.register('CR1', 0x00, { reset: 0xf000c000 });
    block.register('CSR1', 0x04, { read: () => READY | (vos() << 14) });
    this.cr3 = block.register('CR3', 0x0c, {
      reset: 0x06,
      known: 0x07 | USB_DETECTOR | USB_READY,
      read: () => this.cr3.value | (this.hasUsb ? USB_READY : 0),
    });
    this.d3cr = block.register('D3CR', 0x18, { reset: VOS_RESET << 14, read: () => this.d3cr.value | READY });
  }

  /** Whether the transceiver of USB has its supply, which the board connects. */
  get hasUsb() {
    return this.cr3.has(USB_DETECTOR);
  }

  /** Checks the clocks, in hertz, against the voltage and the wait states. */
  check({ core, ahb }) {
    const scale = SCALES[this.d3cr.field(14, 2)];
    if (!scale) return;
    if (!this.cr3.has(LDO_ON)) this.mistake('the supply of the core is not the LDO, as this board needs');
    if (core > scale.core * MEGA) this.mistake(`the core runs at ${core / MEGA} MHz, its voltage allows ${scale.core}`);
    const most = scale.flash[Math.min(this.access.field(0, 4), scale.flash.length - 1)];
    if (ahb > most * MEGA) this.mistake(`the flash is read at ${ahb / MEGA} MHz, its wait states allow ${most}`);
  }
}
