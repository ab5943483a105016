/** The UF2 file format, of the RP2040's family. */
const MAGIC_START = 0x0a324655;
const MAGIC_SECOND = 0x9e5d5157;
const MAGIC_END = 0x0ab16f30;
const FLAG_FAMILY = 0x2000;
const FLAG_NOT_MAIN_FLASH = 0x0001;
const RP2040_FAMILY = 0xe48bff56;
const BLOCK_BYTES = 512;
const DATA_AT = 32;
const PAYLOAD_BYTES = 256;

export const isUf2 = (bytes) => bytes.length >= BLOCK_BYTES && bytes.readUInt32LE(0) === MAGIC_START;

function block(bytes, at) {
  const word = (offset) => bytes.readUInt32LE(at + offset);
  if (word(0) !== MAGIC_START || word(4) !== MAGIC_SECOND || word(508) !== MAGIC_END) {
    throw new Error(`UF2 block at ${at} is damaged`);
  }
  if (!(word(8) & FLAG_FAMILY) || word(28) !== RP2040_FAMILY) throw new Error('UF2 file is not for the RP2040');
  return { flags: word(8), address: word(12), size: word(16), number: word(20), total: word(24) };
}

/** @returns {{address: number, data: Buffer}[]} one piece for each block, @throws if a block is damaged or missing */
export function uf2Segments(bytes) {
  const segments = [];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const { flags, address, size, number, total } = block(bytes, at);
    if (number !== at / BLOCK_BYTES || total !== bytes.length / BLOCK_BYTES) throw new Error('UF2 blocks are missing');
    if (flags & FLAG_NOT_MAIN_FLASH) continue;
    segments.push({ address, data: bytes.subarray(at + DATA_AT, at + DATA_AT + size) });
  }
  return segments;
}

/** The UF2 file that puts `binary` at `address`. */
export function binaryToUf2(binary, address = 0x10000000) {
  const total = Math.ceil(binary.length / PAYLOAD_BYTES);
  const file = Buffer.alloc(total * BLOCK_BYTES);
  for (let number = 0; number < total; number++) {
    const at = number * BLOCK_BYTES;
    const target = address + number * PAYLOAD_BYTES;
    const words = [MAGIC_START, MAGIC_SECOND, FLAG_FAMILY, target, PAYLOAD_BYTES, number, total, RP2040_FAMILY];
    words.forEach((word, i) => file.writeUInt32LE(word, at + i * 4));
    binary.copy(file, at + DATA_AT, number * PAYLOAD_BYTES, (number + 1) * PAYLOAD_BYTES);
    file.writeUInt32LE(MAGIC_END, at + BLOCK_BYTES - 4);
  }
  return file;
}
