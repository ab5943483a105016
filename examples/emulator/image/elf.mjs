/** Reads what we need of a 32-bit little-endian ELF file: segments, sections, symbols. */
const MAGIC = 0x7f454c46;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHF_ALLOC = 2;
const STT_FUNC = 2;
const SYMBOL_BYTES = 16;

export const isElf = (bytes) => bytes.length > 52 && bytes.readUInt32BE(0) === MAGIC;

const stringAt = (bytes, at) => bytes.toString('utf8', at, bytes.indexOf(0, at));

function sectionHeaders(bytes) {
  const [table, size, count] = [bytes.readUInt32LE(32), bytes.readUInt16LE(46), bytes.readUInt16LE(48)];
  return Array.from({ length: count }, (_, i) => {
    const at = table + i * size;
    const word = (offset) => bytes.readUInt32LE(at + offset);
    return {
      nameAt: word(0),
      type: word(4),
      flags: word(8),
      address: word(12),
      offset: word(16),
      size: word(20),
      link: word(24),
    };
  });
}

/** @returns {{address: number, data: Buffer}[]} what the file puts where, by load address */
export function elfSegments(bytes) {
  if (bytes[4] !== 1 || bytes[5] !== 1) throw new Error('not a 32-bit little-endian ELF file');
  const [table, size, count] = [bytes.readUInt32LE(28), bytes.readUInt16LE(42), bytes.readUInt16LE(44)];
  const segments = [];
  for (let at = table; at < table + count * size; at += size) {
    const [type, offset, length] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 16)];
    if (type !== PT_LOAD || length === 0) continue;
    segments.push({ address: bytes.readUInt32LE(at + 12), data: bytes.subarray(offset, offset + length) });
  }
  return segments;
}

/** @returns {{name: string, address: number, size: number, stored: boolean}[]} the sections that occupy memory */
export function elfSections(bytes) {
  const headers = sectionHeaders(bytes);
  const names = headers[bytes.readUInt16LE(50)].offset;
  return headers
    .filter(({ flags, size }) => flags & SHF_ALLOC && size > 0)
    .map(({ nameAt, address, size, type }) => ({
      name: stringAt(bytes, names + nameAt),
      address,
      size,
      stored: type !== SHT_NOBITS,
    }));
}

/** @returns {{name: string, address: number, size: number, isFunction: boolean}[]} all named symbols */
export function elfSymbols(bytes) {
  const headers = sectionHeaders(bytes);
  const table = headers.find(({ type }) => type === SHT_SYMTAB);
  if (!table) return [];
  const names = headers[table.link].offset;
  const symbols = [];
  for (let at = table.offset; at < table.offset + table.size; at += SYMBOL_BYTES) {
    const name = stringAt(bytes, names + bytes.readUInt32LE(at));
    const isFunction = (bytes[at + 12] & 15) === STT_FUNC;
    if (name) symbols.push({ name, address: bytes.readUInt32LE(at + 4), size: bytes.readUInt32LE(at + 8), isFunction });
  }
  return symbols;
}
