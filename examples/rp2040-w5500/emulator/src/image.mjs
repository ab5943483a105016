/** An image as a user flashes it: an ELF file, a UF2 file, or a plain binary that starts with the second stage. */
import fs from 'node:fs';
import { demangle } from './demangle.mjs';
import { elfSections, elfSegments, elfSymbols, isElf } from './elf.mjs';
import { isUf2, uf2Segments } from './uf2.mjs';

const FLASH = 0x10000000;
const FLASH_BYTES = 2 * 1024 * 1024;

export class Image {
  /**
   * @param {string | Uint8Array} source path of the file, or its contents
   * @param {string | Uint8Array} [elf] the ELF file of the same program, for its symbols, if `source` has none
   */
  constructor(source, elf) {
    const bytes = contents(source);
    const described = isElf(bytes) ? source : elf;
    this.segments = segmentsOf(bytes);
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

  /** Puts the image into `flash`, which must be erased. @throws if a part of it lies elsewhere */
  writeTo(flash) {
    for (const { address, data } of this.segments) {
      const offset = address - FLASH;
      if (offset < 0 || offset + data.length > FLASH_BYTES) {
        throw new Error(`image has bytes at 0x${address.toString(16)}, outside the flash of 2 MiB`);
      }
      flash.set(data, offset);
    }
  }
}

const contents = (source) => (typeof source === 'string' ? fs.readFileSync(source) : Buffer.from(source));

function segmentsOf(bytes) {
  if (isElf(bytes)) return elfSegments(bytes);
  if (isUf2(bytes)) return uf2Segments(bytes);
  return [{ address: FLASH, data: bytes }];
}
