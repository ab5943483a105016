/** Images of a few hand-assembled instructions that boot as real ones do: second stage with CRC, vectors, code. */
import { crc32mpeg } from '../../rp2040/boot.mjs';

export const FLASH = 0x10000000;
export const VECTORS = 0x10000100;
export const CODE = 0x10000200;
export const STACK = 0x20040000;
const CRC_AT = 252;

/** Sets VTOR, loads SP and PC from the vector table at 0x10000100. */
const SECOND_STAGE = [
  0x4803, // ldr r0, =0x10000100
  0x4904, // ldr r1, =0xe000ed08 (VTOR)
  0x6008, // str r0, [r1]
  0xc803, // ldmia r0!, {r0, r1}
  0xf380, // msr msp, r0
  0x8808,
  0x4708, // bx r1
  0xbf00, // nop, so that the literals are aligned
  0x0100, 0x1000,
  0xed08, 0xe000,
];

/** `b .` */
export const LOOP = [0xe7fe];
/** `wfe; b .-2` */
export const SLEEP = [0xbf20, 0xe7fd];

/**
 * Code that stores each value at its address, then goes on with `then`.
 *
 * @param {[number, number][]} pairs address and value @param {number[]} then halfwords that never return
 */
export function stores(pairs, then = LOOP) {
  const code = [];
  const literals = pairs.flat();
  // Three instructions for each store; the literals follow `then`, on a word.
  const length = pairs.length * 3 + then.length;
  const pool = (length + 1) & ~1;
  const load = (register, literal) => {
    const at = code.length;
    const base = (at + 2) & ~1;
    code.push(0x4800 | (register << 8) | ((pool + literal * 2 - base) / 2));
  };
  pairs.forEach((_, i) => {
    load(0, 2 * i);
    load(1, 2 * i + 1);
    code.push(0x6001); // str r1, [r0]
  });
  code.push(...then);
  while (code.length < pool) code.push(0xbf00);
  return [...code, ...literals.flatMap((word) => [word & 0xffff, word >>> 16])];
}

/**
 * @param {number[]} halfwords of the code
 * @param {Record<number, number>} [vectors] further entries of the vector table, by exception number
 * @returns {Buffer} the flash's contents from its first byte
 */
export function tinyImage(halfwords = LOOP, vectors = {}) {
  const image = Buffer.alloc(CODE - FLASH + halfwords.length * 2);
  SECOND_STAGE.forEach((halfword, i) => image.writeUInt16LE(halfword, i * 2));
  image.writeUInt32LE(crc32mpeg(image.subarray(0, CRC_AT)), CRC_AT);
  image.writeUInt32LE(STACK, VECTORS - FLASH);
  image.writeUInt32LE(CODE | 1, VECTORS - FLASH + 4);
  for (const [number, handler] of Object.entries(vectors)) {
    image.writeUInt32LE(handler | 1, VECTORS - FLASH + number * 4);
  }
  halfwords.forEach((halfword, i) => image.writeUInt16LE(halfword, CODE - FLASH + i * 2));
  return image;
}

const cString = (text) => Buffer.from(`${text}\0`);

function words(...values) {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4));
  return bytes;
}

function symbolTable(symbols) {
  let names = Buffer.from('\0');
  const entries = [Buffer.alloc(16)];
  for (const { name, address, size = 0, isFunction = false } of symbols) {
    const kind = (1 << 4) | (isFunction ? 2 : 1);
    entries.push(words(names.length, address, size, kind | (1 << 16)));
    names = Buffer.concat([names, cString(name)]);
  }
  return { table: Buffer.concat(entries), names };
}

/**
 * An ELF file of the image: one segment, sections `.text` and `.bss`, and the symbols.
 *
 * @param {Buffer} image @param {{name: string, address: number, size?: number, isFunction?: boolean}[]} symbols
 */
export function tinyElf(image, symbols = []) {
  const { table, names } = symbolTable(symbols);
  const sectionNames = Buffer.from('\0.text\0.bss\0.symtab\0.strtab\0.shstrtab\0');
  const nameAt = (name) => sectionNames.indexOf(`${name}\0`);
  const parts = [image, table, names, sectionNames];
  const headerBytes = 52 + 32;
  const offsets = parts.map((_, i) => headerBytes + parts.slice(0, i).reduce((sum, part) => sum + part.length, 0));
  const end = offsets[3] + sectionNames.length;
  const section = (name, type, flags, address, offset, size, link = 0) =>
    words(nameAt(name), type, flags, address, offset, size, link, 0, 4, type === 2 ? 16 : 0);
  const sections = [
    Buffer.alloc(40),
    section('.text', 1, 2 | 4, FLASH, offsets[0], image.length),
    section('.bss', 8, 2 | 1, 0x20000000, offsets[1], 1234),
    section('.symtab', 2, 0, 0, offsets[1], table.length, 4),
    section('.strtab', 3, 0, 0, offsets[2], names.length),
    section('.shstrtab', 3, 0, 0, offsets[3], sectionNames.length),
  ];
  const header = Buffer.alloc(52);
  header.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  header.writeUInt32LE(CODE | 1, 24);
  header.writeUInt32LE(52, 28); // program headers
  header.writeUInt32LE(end, 32); // section headers
  header.writeUInt16LE(32, 42);
  header.writeUInt16LE(1, 44);
  header.writeUInt16LE(40, 46);
  header.writeUInt16LE(sections.length, 48);
  header.writeUInt16LE(5, 50);
  const program = words(1, offsets[0], FLASH, FLASH, image.length, image.length, 5, 4);
  return Buffer.concat([header, program, ...parts, ...sections]);
}
