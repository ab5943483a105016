/** Peripherals that rp2040js 1.4.1 lacks, as far as firmware needs them. Atomic set, clear and xor aliases work. */

/** A block of registers that reads back what was written. */
export class RegisterBlock {
  /** @param {Record<number, number>} resetValues by offset */
  constructor(resetValues = {}) {
    this.values = new Map(Object.entries(resetValues).map(([offset, value]) => [Number(offset), value]));
  }

  readUint32(offset) {
    return this.values.get(offset & 0xfff) ?? 0;
  }

  writeUint32Atomic(offset, value, kind) {
    const old = this.readUint32(offset);
    const updated = [value, old ^ value, old | value, old & ~value][kind];
    this.values.set(offset & 0xfff, updated >>> 0);
  }
}

const ROSC_STATUS = 0x18;
const ROSC_RANDOMBIT = 0x1c;
const STABLE = 0x80000000;
const ENABLED = 0x1000;

/** The ring oscillator: always stable, and a random bit that comes from `nextBit`. */
export class RingOscillator extends RegisterBlock {
  /** @param {() => number} nextBit 0 or 1, called once for each read of RANDOMBIT */
  constructor(nextBit) {
    super({ 0x00: 0xfabaa0, 0x1c: 1 });
    this.nextBit = nextBit;
    /** How many bits the firmware has read. */
    this.bitsRead = 0;
  }

  readUint32(offset) {
    if ((offset & 0xfff) === ROSC_STATUS) return (STABLE | ENABLED) >>> 0;
    if ((offset & 0xfff) !== ROSC_RANDOMBIT) return super.readUint32(offset);
    this.bitsRead += 1;
    return this.nextBit() & 1;
  }
}

/** VREG_AND_CHIP_RESET: the regulator at its reset value. */
export const voltageRegulator = () => new RegisterBlock({ 0x00: 0x10b1, 0x04: 0x91 });

const XIP_STAT = 0x08;
const FIFO_EMPTY_AND_FLUSH_READY = 3;

/** XIP_CTRL: no stream is running and a flush is done at once. */
export class XipControl extends RegisterBlock {
  readUint32(offset) {
    return (offset & 0xfff) === XIP_STAT ? FIFO_EMPTY_AND_FLUSH_READY : 0;
  }
}
