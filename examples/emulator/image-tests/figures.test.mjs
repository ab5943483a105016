/** Speed and size, compared with the committed figures. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { before, test } from 'node:test';
import { Board, boardName } from '../boards/selected.mjs';
import { differences } from './figures/compare.mjs';
import { measure } from './figures/measure.mjs';
import { markdown } from './figures/table.mjs';
import { elf } from './settings.mjs';

const LEAST_RATIO = 0.9;
const COMMITTED = new URL(`figures/${boardName}.json`, import.meta.url);

let figures;

before(() => {
  figures = measure(elf());
  console.log(markdown(figures));
});

test(`a 60-byte packet takes at most ${Board.limits.cyclesSaturated} cycles with the router saturated, in every direction`, () => {
  for (const [way, { cycles }] of Object.entries(figures.frames[60].saturated)) {
    assert.ok(cycles <= Board.limits.cyclesSaturated, `${way}: ${cycles}`);
  }
});

test('1514-byte frames are forwarded at the speed of the slower port, both ways together', () => {
  const { framesPerSecond } = figures.frames[1514].saturated.both;
  assert.ok(framesPerSecond >= Board.limits.longFrames, `${framesPerSecond} a second`);
});

test('both directions get the same share', () => {
  for (const [size, { saturated }] of Object.entries(figures.frames)) {
    const { out, in: inward } = saturated.both;
    assert.ok(Math.min(out, inward) / Math.max(out, inward) >= LEAST_RATIO, `${size} B: ${out} out, ${inward} in`);
  }
});

test('all figures are as committed', () => {
  assert.deepEqual(differences(JSON.parse(fs.readFileSync(COMMITTED, 'utf8')), figures), []);
});
