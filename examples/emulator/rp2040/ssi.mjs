/**
 * The SSI, the controller between the RP2040 and its flash, in place of the package's, which answers every read of the
 * data register with one constant. Two transfer modes matter: "transmit and receive", in which boot2 asks for the
 * flash's status, and "EEPROM read", in which embassy-rp reads the unique id: command bytes first, then
 * CTRLR1 + 1 bytes that only come in. Transfers take no time.
 */
const CTRLR0 = 0x00;
const SSIENR = 0x08;
const SR = 0x28;
const IDR = 0x58;
const VERSION_ID = 0x5c;
const DR0 = 0x60;
const REGISTERS_END = 0x100;

const TX_NOT_FULL = 1 << 1;
const TX_EMPTY = 1 << 2;
const RX_NOT_EMPTY = 1 << 3;
const MODE_SHIFT = 8;
const EEPROM_READ = 3;

export class Ssi {
  /** @param {import('./serial-flash.mjs').SerialFlash} flash */
  constructor(flash) {
    this.flash = flash;
    this.registers = new Uint32Array(REGISTERS_END / 4);
    this.received = [];
  }

  get eepromRead() {
    return ((this.registers[CTRLR0 >> 2] >> MODE_SHIFT) & 3) === EEPROM_READ;
  }

  readUint32(offset) {
    switch (offset & 0xfff) {
      case SR:
        return this.readStatus();
      case DR0:
        return this.eepromRead ? this.flash.exchange(0) : (this.received.shift() ?? 0);
      case IDR:
        return 0x51535049;
      case VERSION_ID:
        return 0x3430312a;
      default:
        return this.registers[(offset & 0xff) >> 2];
    }
  }

  /** All is sent by the time the firmware looks; outside an EEPROM read an empty FIFO has released the chip select. */
  readStatus() {
    if (!this.eepromRead) this.flash.deselect();
    const available = this.eepromRead || this.received.length > 0;
    return TX_NOT_FULL | TX_EMPTY | (available ? RX_NOT_EMPTY : 0);
  }

  writeUint32(offset, value) {
    if (offset === DR0) {
      const answer = this.flash.exchange(value & 0xff);
      if (!this.eepromRead) this.received.push(answer);
      return;
    }
    if (offset === SSIENR) {
      this.flash.deselect();
      this.received = [];
    }
    this.registers[(offset & 0xff) >> 2] = value;
  }

  writeUint32Atomic(offset, value) {
    this.writeUint32(offset, value);
  }

  /** What the boot ROM's "connect internal flash" and "exit XIP" leave: 8-bit frames, transmit and receive. */
  setCommandMode() {
    this.registers[CTRLR0 >> 2] = 7 << 16;
    this.flash.deselect();
    this.received = [];
  }
}
