/** The image's copy of memory, with every alignment, called as compiled code calls it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Board } from '../boards/selected.mjs';
import { elf } from './settings.mjs';

const SRAM = 0x20000000;
const FROM = 0x20010000;
const TO = 0x20018000;
/** Written before and after the copy, which must not change it. */
const GUARD = 0xee;
const GUARD_BYTES = 8;
const LENGTHS = [...Array(101).keys(), 1514, 1518];
const MOST_INSTRUCTIONS = 20000;
const KEPT = [4, 5, 6, 7, 8, 9, 10, 11];
/** In two of these functions the caller promises that both places are aligned to a word. */
const ALIGNMENTS = { __aeabi_memcpy: [0, 1, 2, 3], __aeabi_memcpy4: [0], __aeabi_memcpy8: [0] };

/** Calls the function at `address`. @returns {number} the cycles */
function call(board, address, [to, from, length]) {
  board.hang();
  const { core } = board.mcu;
  const [back, before] = [core.PC, core.cycles];
  core.registers.set([to, from, length]);
  KEPT.forEach((number) => (core.registers[number] = 0x1000 + number));
  core.LR = back | 1;
  core.PC = address & ~1;
  for (let count = 0; core.PC !== back; count++) {
    assert.ok(count < MOST_INSTRUCTIONS, 'it does not return');
    core.executeInstruction();
  }
  KEPT.forEach((number) => assert.equal(core.registers[number], 0x1000 + number, `r${number}`));
  return core.cycles - before;
}

function checkCopy(board, address, [to, from, length]) {
  const { sram } = board.mcu;
  const source = sram.subarray(from - SRAM, from - SRAM + length);
  const around = sram.subarray(to - SRAM - GUARD_BYTES, to - SRAM + length + GUARD_BYTES);
  source.forEach((_, i) => (source[i] = (i * 7 + (i >> 8) + 1) & 0xff));
  around.fill(GUARD);
  call(board, address, [to, from, length]);
  const guard = Buffer.alloc(GUARD_BYTES, GUARD);
  const what = `${length} bytes from ${from.toString(16)} to ${to.toString(16)}`;
  assert.deepEqual(Buffer.from(around), Buffer.concat([guard, source, guard]), what);
  assert.equal(board.halted, null, what);
}

if (Board.hasOwnCopy) {
  for (const [name, alignments] of Object.entries(ALIGNMENTS)) {
    test(`${name} copies all bytes and no others, at every length and alignment`, () => {
      const board = Board.boot(elf());
      for (const to of alignments) {
        for (const from of alignments) {
          LENGTHS.forEach((length) => checkCopy(board, board.image.symbol(name), [TO + to, FROM + from, length]));
        }
      }
    });
  }

  test('a copy of a whole frame takes less than a cycle a byte', () => {
    const board = Board.boot(elf());
    const cycles = call(board, board.image.symbol('__aeabi_memcpy'), [TO, FROM, 1514]);
    assert.ok(cycles < 1514, `${cycles} cycles`);
  });
}
