/** Where the instructions go: counts them by address while it runs, and sums them by function of the ELF file. */
import { visitBlock } from './cpu/instructions.mjs';

const UNKNOWN = '[no symbol]';
const EXCEPTIONS = '[exception entry and return]';

export class Profiler {
  /** @param {import('./board.mjs').Stm32Board} board */
  constructor(board) {
    this.board = board;
    this.running = false;
  }

  /** Starts to count from zero. */
  start() {
    this.stop();
    /** Blocks that ran, by address and size. */
    this.blocks = new Map();
    this.exceptionCycles = 0;
    this.exceptionCount = 0;
    this.running = true;
    this.attach();
  }

  /** Counts the instructions of the current core. The board calls it again after a reboot. */
  attach() {
    if (!this.running) return;
    const { core } = this.board.machine;
    this.core = core;
    this.before = { cycles: core.exceptionCycles, count: core.exceptions };
    core.onBlock = (address, size) => {
      const key = address * 0x1000 + size;
      this.blocks.set(key, (this.blocks.get(key) ?? 0) + 1);
    };
  }

  /** Stops counting. `report` still works. */
  stop() {
    if (!this.running) return;
    this.detach();
    this.running = false;
  }

  /** Takes over what the current core has counted. The board calls it before a reboot. */
  detach() {
    if (!this.running) return;
    this.core.onBlock = null;
    this.exceptionCycles += this.core.exceptionCycles - this.before.cycles;
    this.exceptionCount += this.core.exceptions - this.before.count;
  }

  /** @returns {[number, number][]} addresses of instructions, with how often they ran */
  get cyclesByAddress() {
    const counts = new Map();
    for (const [key, times] of this.blocks) {
      const block = { address: Math.floor(key / 0x1000), size: key % 0x1000 };
      visitBlock(this.board.memory, block, (at) => counts.set(at, (counts.get(at) ?? 0) + times));
    }
    return [...counts].sort(([one], [other]) => one - other);
  }

  /**
   * @returns {{cycles: number, functions: {name: string, cycles: number}[], exceptions: number}} most costly first;
   *   `cycles` is the sum of all
   */
  report() {
    const sums = new Map();
    const add = (name, cycles) => sums.set(name, (sums.get(name) ?? 0) + cycles);
    for (const [address, cycles] of this.cyclesByAddress) add(this.board.image.functionAt(address) ?? UNKNOWN, cycles);
    if (this.exceptionCycles > 0) add(EXCEPTIONS, this.exceptionCycles);
    const functions = [...sums].map(([name, cycles]) => ({ name, cycles })).sort((a, b) => b.cycles - a.cycles);
    const cycles = functions.reduce((sum, each) => sum + each.cycles, 0);
    return { cycles, functions, exceptions: this.exceptionCount };
  }
}
