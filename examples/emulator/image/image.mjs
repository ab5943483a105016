/** An image as a user flashes it: an ELF file, a UF2 file, or a plain binary that starts with the second stage. */
import fs from 'node:fs';
import { demangle } from './demangle.mjs';
import { elfSections, elfSegments, elfSymbols, isElf } from './elf.mjs';
import { isUf2, uf2Segments } from './uf2.mjs';


export class Image {
  /**
   * @param {string | Uint8Array} source path of the file, or its contents
   * @param {object} options
   * @param {{start: number, length: number}} options.flash where the microcontroller's flash is, in bytes
   * @param {string | Uint8Array} [options.elf] the ELF file of the same program, for its symbols, if `source` has none
   */
  constructor(source, { flash, elf }) {
    this.flash = flash;
    const bytes = contents(source);
    const described = isElf(bytes) ? source : elf;
    this.segments = segmentsOf(bytes, flash);
    /** Path of the ELF file, if it was given by path. */
    this.elfPath = typeof described === 'string' ? described : undefined;
    const elfBytes = described === undefined ? undefined : contents(described);
    this.symbols = elfBytes ? elfSymbols(elfBytes) : [];
    this.sections = elfBytes ? elfSections(elfBytes) : [];
    this.functions = this.symbols
      .filter(({ isFunction }) => isFunction)
      .map(({ name, address, size }) => ({ name: demangle(name), start: address & ~1, size }))
      .sort((a, b) => a.start - b.start);
  }

  /** @returns {number | undefined} address of the symbol */
  symbol(name) {
    return this.symbols.find((symbol) => symbol.name === name)?.address;
  }

  /** @returns {string | undefined} name of the function that holds the instruction at `pc` */
  functionAt(pc) {
    let low = 0;
    let high = this.functions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.functions[middle].start <= pc) low = middle + 1;
      else high = middle;
    }
    const found = this.functions[low - 1];
    return found && pc < found.start + Math.max(found.size, 2) ? found.name : undefined;
  }

  /** Puts the image into the erased flash `bytes`. @throws if a part of it lies elsewhere */
  writeTo(bytes) {
    const { start, length } = this.flash;
    for (const { address, data } of this.segments) {
      const offset = address - start;
      if (offset < 0 || offset + data.length > length) {
        throw new Error(`image has bytes at 0x${address.toString(16)}, outside the flash of ${length} bytes`);
      }
      bytes.set(data, offset);
    }
  }
}

const contents = (source) => (typeof source === 'string' ? fs.readFileSync(source) : Buffer.from(source));

function segmentsOf(bytes, flash) {
  if (isElf(bytes)) return elfSegments(bytes);
  if (isUf2(bytes)) return uf2Segments(bytes);
  return [{ address: flash.start, data: bytes }];
}
