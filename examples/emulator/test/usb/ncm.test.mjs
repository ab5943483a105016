/** Blocks of CDC-NCM, against NCM 1.0: what is built is accepted, and each fault is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SYSTEMS } from '../../usb/enumeration.mjs';
import { buildBlock, fitting, parseBlock } from '../../usb/ncm.mjs';
import { Malformed } from '../../wire/parse.mjs';

const LIMITS = { longest: 2048 };
const frame = (length, fill = 1) => new Uint8Array(length).fill(fill);

for (const [system, { style }] of Object.entries(SYSTEMS)) {
  test(`blocks as ${system} builds them are sound, and hold their frames`, () => {
    for (const frames of [[frame(60)], [frame(1514)], [frame(61), frame(14, 2), frame(600, 3)]]) {
      const block = buildBlock(frames, { sequence: 9, ...style });
      assert.deepEqual(parseBlock(block, LIMITS), { sequence: 9, frames });
    }
  });

  test(`as many frames as ${system} may put into a block fit, and no more`, () => {
    const frames = Array.from({ length: 100 }, () => frame(60));
    for (const most of [1, 8, 40]) {
      const count = fitting(frames, { longest: 2048, most, ...style });
      const length = (n) => buildBlock(frames.slice(0, n), { sequence: 0, ...style, padAbove: Infinity }).length;
      assert.ok(length(count) <= 2048);
      assert.ok(count === most || length(count + 1) > 2048, `${count} of ${most}`);
    }
  });
}

test('Linux fills long blocks up to the longest', () => {
  const { style } = SYSTEMS.linux;
  assert.equal(buildBlock([frame(1514), frame(320)], { sequence: 0, ...style }).length, 2048);
  assert.equal(buildBlock([frame(1514)], { sequence: 0, ...style }).length, 1542);
});

const FAULTS = {
  'a signature': [0, 0],
  'the length of the header': [4, 16],
  'the length of the block': [8, 100],
  'the place of the table': [10, 14],
  'a table outside': [10, 2044],
  'the signature of the table': [12, 0],
  'the length of the table': [16, 12],
  'a table that ends outside': [16, 4000],
  'a second table': [18, 12],
  'the place of a frame': [20, 2000],
  'a place that is not aligned': [20, 30],
  'a frame over the table': [20, 16],
  'the length of a frame': [22, 1600],
  'a runt': [22, 13],
  'two frames at one place': [24, 32],
  'no empty entry at the end': [28, 32],
};

for (const [fault, [at, value]] of Object.entries(FAULTS)) {
  test(`${fault} is found`, () => {
    const block = buildBlock([frame(60), frame(60)], { sequence: 0 });
    new DataView(block.buffer).setUint16(at, value, true);
    assert.throws(() => parseBlock(block, LIMITS), Malformed);
  });
}

test('a block that is cut or too long is found', () => {
  const block = buildBlock([frame(60)], { sequence: 0 });
  for (let length = 0; length < block.length; length++)
    assert.throws(() => parseBlock(block.subarray(0, length), LIMITS), Malformed);
  assert.throws(() => parseBlock(buildBlock([frame(2020)], { sequence: 0 }), { longest: 2047 }), Malformed);
});
