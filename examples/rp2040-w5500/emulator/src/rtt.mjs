/** Reads the RTT up-channel out of SRAM, as a probe does, so that the firmware's log needs no wire. */
const SRAM = 0x20000000;
const MAGIC = 'SEGGER RTT';
const MAX_UP_AT = 16;
const CHANNEL_AT = 24;
const BUFFER = CHANNEL_AT + 4;
const SIZE = CHANNEL_AT + 8;
const WRITE = CHANNEL_AT + 12;
const READ = CHANNEL_AT + 16;

export class RttReader {
  /** @param {number | undefined} address of the symbol `_SEGGER_RTT`; undefined reads nothing */
  constructor(address) {
    this.base = address === undefined ? undefined : address - SRAM;
  }

  /**
   * Takes what the firmware has written since the last call, and tells it so.
   *
   * @param {object} mcu @returns {Uint8Array | undefined} undefined if there is nothing
   */
  take(mcu) {
    if (this.base === undefined) return undefined;
    const { sram, sramView } = mcu;
    const word = (at) => sramView.getUint32(this.base + at, true);
    const [write, read] = [word(WRITE), word(READ)];
    if (write === read || !this.initialised(sram) || word(MAX_UP_AT) === 0) return undefined;
    const [start, size] = [word(BUFFER) - SRAM, word(SIZE)];
    if (write >= size || read >= size) return undefined;
    sramView.setUint32(this.base + READ, write, true);
    const part = (from, to) => sram.subarray(start + from, start + to);
    return read < write ? part(read, write).slice() : Buffer.concat([part(read, size), part(0, write)]);
  }

  /** SRAM is noise before the firmware has written the header. */
  initialised(sram) {
    for (let i = 0; i < MAGIC.length; i++) {
      if (sram[this.base + i] !== MAGIC.charCodeAt(i)) return false;
    }
    return true;
  }
}
