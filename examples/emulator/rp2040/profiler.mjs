/** Where the cycles go: counts them by instruction while it runs, and sums them by function of the ELF file. */

const FLASH = 0x10000000;
const SRAM = 0x20000000;
const FLASH_SLOTS = (2 * 1024 * 1024) / 2;
const SRAM_SLOTS = (264 * 1024) / 2;
const UNKNOWN = '[no symbol]';
const EXCEPTIONS = '[exception entry and return]';

export class Profiler {
  /** @param {import('./board.mjs').Rp2040Board} board */
  constructor(board) {
    this.board = board;
    this.running = false;
  }

  /** Starts to count from zero. The run is some 30 % slower meanwhile; cycles and times are the same. */
  start() {
    this.stop();
    this.flash = new Float64Array(FLASH_SLOTS);
    this.sram = new Float64Array(SRAM_SLOTS);
    this.elsewhere = 0;
    this.exceptionCycles = 0;
    this.exceptionCount = 0;
    this.running = true;
    this.attach();
  }

  /** Counts the instructions of the current core. The board calls it again after a reboot. */
  attach() {
    if (!this.running) return;
    const core = this.board.mcu.core;
    const execute = core.executeInstruction;
    this.instrumented = core;
    this.execute = execute;
    core.executeInstruction = () => {
      const pc = core.PC;
      const [cycles, entries, extra] = [core.cycles, core.exceptions, core.exceptionCycles];
      execute.call(core);
      // An instruction at which an exception is taken is the handler's first.
      const at = core.exceptions === entries ? pc : core.enteredAt;
      const inException = core.exceptionCycles - extra;
      this.exceptionCycles += inException;
      this.exceptionCount += core.exceptions - entries;
      this.count(at, core.cycles - cycles - inException);
    };
  }

  count(pc, cycles) {
    const flash = pc - FLASH;
    const sram = pc - SRAM;
    if (flash >= 0 && flash >> 1 < FLASH_SLOTS) this.flash[flash >> 1] += cycles;
    else if (sram >= 0 && sram >> 1 < SRAM_SLOTS) this.sram[sram >> 1] += cycles;
    else this.elsewhere += cycles;
  }

  /** Stops counting. `report` still works. */
  stop() {
    if (this.running) this.instrumented.executeInstruction = this.execute;
    this.running = false;
  }

  /** @returns {[number, number][]} addresses of instructions in flash and SRAM, with their cycles */
  get cyclesByAddress() {
    const counted = (slots, base) => {
      const hits = [];
      slots.forEach((cycles, slot) => cycles > 0 && hits.push([base + 2 * slot, cycles]));
      return hits;
    };
    return [...counted(this.flash, FLASH), ...counted(this.sram, SRAM)];
  }

  /**
   * @returns {{cycles: number, functions: {name: string, cycles: number}[], exceptions: number}} most costly first;
   *   `cycles` is the sum of all
   */
  report() {
    const sums = new Map();
    const add = (name, cycles) => sums.set(name, (sums.get(name) ?? 0) + cycles);
    for (const [address, cycles] of this.cyclesByAddress) {
      add(this.board.image.functionAt(address) ?? UNKNOWN, cycles);
    }
    if (this.elsewhere > 0) add(UNKNOWN, this.elsewhere);
    if (this.exceptionCycles > 0) add(EXCEPTIONS, this.exceptionCycles);
    const functions = [...sums].map(([name, cycles]) => ({ name, cycles })).sort((a, b) => b.cycles - a.cycles);
    const cycles = functions.reduce((sum, each) => sum + each.cycles, 0);
    return { cycles, functions, exceptions: this.exceptionCount };
  }
}
