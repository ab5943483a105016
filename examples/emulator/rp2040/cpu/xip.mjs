/**
 * The flash cache: 16 KiB, two ways, lines of 8 bytes (RP2040 datasheet, 2.6.3); replacement of the line not used last.
 *
 * What a miss costs depends on the flash chip and its clock. The number is the caller's estimate and was never held
 * against a board; by default a run has no cache and flash answers at once.
 */
const SETS = 1024;

export class XipCache {
  /** @param {object} core @param {number} missCycles cycles of clk_sys to fill a line */
  constructor(core, missCycles) {
    this.core = core;
    this.missCycles = missCycles;
    this.lines = new Int32Array(2 * SETS).fill(-1);
    this.lastWay = new Uint8Array(SETS);
    this.lastFetched = -1;
    this.hits = 0;
    this.misses = 0;
  }

  /** The core fetches an instruction from line `line` (offset in flash / 8). */
  fetch(line) {
    // The second to fourth halfword of a line cannot miss: asking again would only cost host time.
    if (line === this.lastFetched) return;
    this.lastFetched = line;
    this.load(line);
  }

  /** The core loads data from line `line`. */
  load(line) {
    const set = line & (SETS - 1);
    if (this.lines[set] === line) {
      this.lastWay[set] = 0;
      this.hits += 1;
    } else if (this.lines[SETS + set] === line) {
      this.lastWay[set] = 1;
      this.hits += 1;
    } else {
      this.fill(set, line);
    }
  }

  fill(set, line) {
    const way = this.lastWay[set] ^ 1;
    this.lines[way * SETS + set] = line;
    this.lastWay[set] = way;
    this.misses += 1;
    this.core.cycles += this.missCycles;
  }
}
