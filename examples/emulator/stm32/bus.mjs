/** The peripherals by address. An access to one without its clock, or to one that is not modelled, stops the run. */
import { Block, NotModelled } from './registers.mjs';

const PAGE_BITS = 10;

export class Bus {
  constructor() {
    this.pages = new Map();
    this.blocks = new Map();
    /** Tells whether a block has its clock. */
    this.isClocked = () => true;
  }

  /** @returns {Block} a new block of registers at this address */
  add(name, base, size) {
    const block = new Block(name, base, size);
    for (let page = base >>> PAGE_BITS; page < (base + block.size) >>> PAGE_BITS; page++) this.pages.set(page, block);
    this.blocks.set(name, block);
    return block;
  }

  blockAt(address) {
    const block = this.pages.get(address >>> PAGE_BITS);
    if (!block) throw new NotModelled(`a peripheral at 0x${address.toString(16)}`);
    if (!this.isClocked(block.name)) throw new NotModelled(`${block.name} without its clock`);
    return block;
  }

  read(address, size) {
    const block = this.blockAt(address);
    return block.read(address - block.base, size);
  }

  write(address, size, value) {
    const block = this.blockAt(address);
    block.write(address - block.base, size, value);
  }
}
