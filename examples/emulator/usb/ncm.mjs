/**
 * Blocks of CDC-NCM (NTBs in their 16-bit form), built and taken apart after the specification (NCM 1.0, section 3),
 * without a look at the firmware.
 */
import { Malformed } from '../wire/parse.mjs';

const HEADER = 12;
const POINTER_HEAD = 8;
const ENTRY = 4;
const LONGEST_FRAME = 1514;
const SHORTEST_FRAME = 14;

const align = (at, to = 4) => Math.ceil(at / to) * to;

/** How long a block with these frames is, and where they and the table of pointers lie. */
function layOut(frames, tableLast) {
  const tableLength = POINTER_HEAD + ENTRY * (frames.length + 1);
  let at = tableLast ? HEADER : align(HEADER + tableLength);
  const places = frames.map(({ length }) => {
    const place = { at: align(at), length };
    at = place.at + length;
    return place;
  });
  const table = tableLast ? align(at) : HEADER;
  return { places, table, tableLength, end: tableLast ? table + tableLength : at };
}

/** The number of the first frames of `frames` that fit into a block. At least 1. */
export function fitting(frames, { longest, most, tableLast = false }) {
  let count = 1;
  while (count < Math.min(frames.length, most) && layOut(frames.slice(0, count + 1), tableLast).end <= longest) count += 1;
  return count;
}

/**
 * @param {Uint8Array[]} frames
 * @param {{sequence: number, tableLast?: boolean, padTo?: number, padAbove?: number}} style the table of pointers after
 *   the frames; blocks longer than `padAbove` are filled up to `padTo`
 */
export function buildBlock(frames, { sequence, tableLast = false, padTo = 0, padAbove = Infinity }) {
  const { places, table, tableLength, end } = layOut(frames, tableLast);
  const length = end > padAbove ? Math.max(end, padTo) : end;
  const block = new Uint8Array(length);
  const view = new DataView(block.buffer);
  const word = (at, value) => view.setUint16(at, value, true);
  block.set(Buffer.from('NCMH'));
  word(4, HEADER);
  word(6, sequence & 0xffff);
  word(8, Math.min(length, 0xffff));
  word(10, table);
  block.set(Buffer.from('NCM0'), table);
  word(table + 4, tableLength);
  places.forEach(({ at, length: size }, i) => {
    word(table + POINTER_HEAD + ENTRY * i, at);
    word(table + POINTER_HEAD + ENTRY * i + 2, size);
    block.set(frames[i], at);
  });
  return block;
}

function demand(holds, problem) {
  if (!holds) throw new Malformed(`NCM: ${problem}`);
}

/**
 * @param {Uint8Array} block as the device sent it
 * @param {{longest: number}} limits
 * @returns {{sequence: number, frames: Uint8Array[]}}
 * @throws {Malformed} if it breaks the specification anywhere
 */
export function parseBlock(block, { longest }) {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const word = (at) => view.getUint16(at, true);
  const text = (at) => Buffer.from(block.subarray(at, at + 4)).toString('latin1');
  demand(block.length >= HEADER && block.length <= longest, `a block of ${block.length} bytes`);
  demand(text(0) === 'NCMH', 'no block signature');
  demand(word(4) === HEADER, `a header of ${word(4)} bytes`);
  demand(word(8) === block.length, `a block of ${block.length} bytes says it has ${word(8)}`);
  const table = word(10);
  demand(table >= HEADER && table % 4 === 0 && table + POINTER_HEAD <= block.length, `a table at ${table}`);
  demand(text(table) === 'NCM0', 'no table signature');
  const tableLength = word(table + 4);
  demand(tableLength >= 16 && tableLength % 4 === 0, `a table of ${tableLength} bytes`);
  demand(table + tableLength <= block.length, 'a table that ends outside');
  demand(word(table + 6) === 0, 'a second table');
  const count = (tableLength - POINTER_HEAD) / ENTRY - 1;
  const used = [
    [0, HEADER],
    [table, table + tableLength],
  ];
  const frames = Array.from({ length: count }, (_, i) => {
    const at = word(table + POINTER_HEAD + ENTRY * i);
    const length = word(table + POINTER_HEAD + ENTRY * i + 2);
    demand(at % 4 === 0 && at + length <= block.length, `a frame of ${length} bytes at ${at}`);
    demand(length >= SHORTEST_FRAME && length <= LONGEST_FRAME, `a frame of ${length} bytes`);
    demand(used.every(([from, to]) => at >= to || at + length <= from), `a frame at ${at} over something else`);
    used.push([at, at + length]);
    return block.slice(at, at + length);
  });
  demand(count >= 1, 'a block without frames');
  const last = table + tableLength - ENTRY;
  demand(word(last) === 0 && word(last + 2) === 0, 'no empty entry at the end of the table');
  return { sequence: word(6), frames };
}
