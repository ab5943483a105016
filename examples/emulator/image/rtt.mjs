/** Reads the RTT up-channel out of RAM, as a probe does, so that the firmware's log needs no wire. */
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
    this.address = address;
  }

  /**
   * Takes what the firmware has written since the last call, and moves the read pointer.
   *
   * @param {{start: number, bytes: Uint8Array}} ram that holds the control block and the buffer
   * @returns {Uint8Array | undefined} undefined if there is nothing
   */
  take({ start: ramStart, bytes }) {
    if (this.address === undefined) return undefined;
    const base = this.address - ramStart;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const word = (at) => view.getUint32(base + at, true);
    const [write, read] = [word(WRITE), word(READ)];
    if (write === read || !isInitialised(bytes, base) || word(MAX_UP_AT) === 0) return undefined;
    const [start, size] = [word(BUFFER) - ramStart, word(SIZE)];
    if (write >= size || read >= size) return undefined;
    view.setUint32(base + READ, write, true);
    const part = (from, to) => bytes.subarray(start + from, start + to);
    return read < write ? part(read, write).slice() : Buffer.concat([part(read, size), part(0, write)]);
  }
}

/** RAM is noise before the firmware has written the header. */
function isInitialised(bytes, base) {
  for (let i = 0; i < MAGIC.length; i++) {
    if (bytes[base + i] !== MAGIC.charCodeAt(i)) return false;
  }
  return true;
}
