/** The random programs run to their end, and a difference in any register, flag or byte of memory is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomWords } from '../../simulation/random.mjs';
import { FLASH } from '../../stm32/memory.mjs';
import { boardOf } from './program.mjs';
import { difference, isDone, RAM, RAM_BYTES, randomPrograms, withVectors } from './qemu/program.mjs';

/** movs r5, #7 and str r1, [r2]. */
const UNITS = new Map([
  ['movs', [{ halfwords: [0x2507], base: null }]],
  ['str', [{ halfwords: [0x6011], base: 2 }]],
]);
const OUTPUTS = 0x1000;
const ENTRY_BYTES = 64;

function run(seed) {
  const { code, ram } = randomPrograms(UNITS, randomWords(seed));
  const board = boardOf(withVectors(code, FLASH.start));
  const { bytes } = board.memory.region(RAM, RAM_BYTES);
  ram.copy(bytes);
  board.run({ us: 10_000 });
  const result = Buffer.from(bytes.subarray(0, RAM_BYTES));
  board.close();
  return { ram, result };
}

test('each program starts with its registers, and stores them at its end', () => {
  const { ram, result } = run(1);
  assert.ok(isDone(result));
  for (let program = 0; program < 60; program++) {
    const [from, to] = [ENTRY_BYTES * program, OUTPUTS + ENTRY_BYTES * program];
    assert.equal(result.readUInt32LE(to + 4 * 5), 7);
    assert.equal(result.readUInt32LE(to + 4), ram.readUInt32LE(from + 4));
  }
});

test('the same seed gives the same result, and any change of it is found by its place', () => {
  const [{ result }, again] = [run(1), run(1)];
  assert.equal(difference(result, again.result), undefined);
  const places = { 0x1000: /program 0, r0/, 0x1074: /program 1, flags/, 0x3001: /memory at 0x20003000/ };
  for (const [at, place] of Object.entries(places)) {
    const changed = Buffer.from(result);
    changed[at] ^= 1;
    assert.match(difference(changed, result), place);
  }
});
