/** How deep the stack has been: the words of it that differ from what RAM held at power-up. */
export class PaintedStack {
  /**
   * @param {import('./memory.mjs').Memory} memory
   * @param {number} top SP at the first instruction
   * @param {number | undefined} bottom of the stack; undefined: of its memory
   */
  constructor(memory, top, bottom) {
    this.top = top;
    const region = memory.region(top - 4, 4);
    if (!region) return;
    const start = bottom === undefined ? region.start : bottom;
    this.start = start;
    this.bytes = region.bytes.subarray(start - region.start, top - region.start);
    this.atPowerUp = Buffer.from(this.bytes);
  }

  /** @returns {{top: number, lowest: number, deepest: number}} `deepest` in bytes */
  measure() {
    const { top } = this;
    let at = 0;
    while (at < this.bytes.length && this.bytes.readUInt32LE(at) === this.atPowerUp.readUInt32LE(at)) at += 4;
    return { top, lowest: this.start + at, deepest: this.bytes.length - at };
  }
}
