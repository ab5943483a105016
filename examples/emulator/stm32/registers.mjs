/** Blocks of registers. What is not declared stops the run, by its name. */

/** The firmware used something that is not modelled. */
export class NotModelled extends Error {}

class Register {
  constructor(name, { reset = 0, known = 0xffffffff, read, write }) {
    Object.assign(this, { name, resetValue: reset, known, onRead: read, onWrite: write });
    this.value = reset;
  }

  read(size) {
    return this.onRead ? this.onRead(size) : this.value;
  }

  write(value, size) {
    const unknown = (value & ~this.known & ~this.resetValue) >>> 0;
    if (unknown) throw new NotModelled(`bits 0x${unknown.toString(16)} of ${this.name}`);
    const before = this.value;
    this.value = value >>> 0;
    this.onWrite?.(value >>> 0, before, size);
  }

  /** Whether any of the bits is set. */
  has(bits) {
    return (this.value & bits) !== 0;
  }

  field(at, width) {
    return (this.value >>> at) & ((1 << width) - 1);
  }
}

const maskOf = (size) => (size === 4 ? 0xffffffff : (1 << (8 * size)) - 1);

export class Block {
  /** @param {string} name @param {number} base address @param {number} [size] in bytes, a multiple of 1024 */
  constructor(name, base, size = 0x400) {
    Object.assign(this, { name, base, size });
    this.registers = new Map();
    /** Called when the block is reset through RCC. */
    this.onReset = () => {};
  }

  /**
   * Declares a register.
   *
   * @param {string} name
   * @param {number} offset
   * @param {object} [options]
   * @param {number} [options.reset] value after reset
   * @param {number} [options.known] bits that may be set; another one stops the run
   * @param {(size: number) => number} [options.read] what is read, instead of the value
   * @param {(value: number, before: number, size: number) => void} [options.write] called when `value` has been stored
   */
  register(name, offset, options = {}) {
    const register = new Register(`${this.name}.${name}`, options);
    this.registers.set(offset, register);
    return register;
  }

  /** A register whose bits are cleared by writing ones to them. */
  clearedByOnes(name, offset, { changed = () => {}, ...options } = {}) {
    const write = (value, before) => {
      register.value = (before & ~value) >>> 0;
      changed();
    };
    const register = this.register(name, offset, { ...options, write });
    return register;
  }

  at(offset) {
    const register = this.registers.get(offset & ~3);
    if (!register) throw new NotModelled(`register 0x${(offset & ~3).toString(16)} of ${this.name}`);
    return register;
  }

  read(offset, size) {
    const value = this.at(offset).read(size) >>> (8 * (offset & 3));
    return (value & maskOf(size)) >>> 0;
  }

  write(offset, size, value) {
    const register = this.at(offset);
    if (size === 4 || register.narrow) {
      register.write(value, size);
      return;
    }
    const shift = 8 * (offset & 3);
    const mask = maskOf(size) << shift;
    register.write(((register.value & ~mask) | ((value << shift) & mask)) >>> 0, size);
  }

  reset() {
    for (const register of this.registers.values()) register.value = register.resetValue;
    this.onReset();
  }
}
