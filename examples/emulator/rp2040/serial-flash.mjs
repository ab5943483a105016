/**
 * The W25Q16JV flash chip as the firmware talks to it over the SSI when it is not mapped into memory: its unique id
 * (command 4Bh), JEDEC id (9Fh) and status registers. Contents are changed through the boot ROM's functions (rom.mjs).
 */
const JEDEC_ID = [0xef, 0x70, 0x15];
const UNIQUE_ID_DUMMY_BYTES = 4;
const QUAD_ENABLED = 0x02;

export class SerialFlash {
  /** @param {Uint8Array} uniqueId 8 bytes */
  constructor(uniqueId) {
    this.uniqueId = uniqueId;
    this.deselect();
  }

  /** Chip select goes high: the next byte is a command. */
  deselect() {
    this.answer = null;
  }

  /** One byte each way. */
  exchange(byte) {
    if (this.answer === null) {
      this.answer = this.answerTo(byte);
      return 0xff;
    }
    return this.answer.length ? this.answer.shift() : 0xff;
  }

  answerTo(command) {
    switch (command) {
      case 0x4b:
        return [...new Array(UNIQUE_ID_DUMMY_BYTES).fill(0xff), ...this.uniqueId];
      case 0x9f:
        return [...JEDEC_ID];
      case 0x05:
        return [0];
      case 0x35:
        return [QUAD_ENABLED];
      default:
        return [];
    }
  }
}
