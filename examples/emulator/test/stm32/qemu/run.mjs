#!/usr/bin/env node
/**
 * Runs random programs of an image's instructions here and on QEMU's Cortex-M7 (mps2-an500), and compares registers, flags
 * and memory: `node test/stm32/qemu/run.mjs ROUTER.elf [ROUNDS] [SEED]`. Needs qemu-system-arm and llvm-objdump.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { randomWords } from '../../../simulation/random.mjs';
import { FLASH } from '../../../stm32/memory.mjs';
import { boardOf } from '../program.mjs';
import { difference, isDone, RAM, RAM_BYTES, randomPrograms, withVectors } from './program.mjs';
import { unitsOf } from './units.mjs';

const ROUNDS = 20;
const RUN_US = 100_000;
const QEMU_ATTEMPTS = 5;

function runHere({ code, ram }) {
  const board = boardOf(withVectors(code, FLASH.start));
  const region = board.memory.region(RAM, RAM_BYTES);
  ram.copy(region.bytes);
  board.run({ us: RUN_US });
  const result = Buffer.from(region.bytes.subarray(0, RAM_BYTES));
  board.close();
  return result;
}

function runOnQemu({ code, ram }, folder) {
  const file = (name) => path.join(folder, name);
  fs.writeFileSync(file('code'), withVectors(code, 0));
  fs.writeFileSync(file('ram'), ram);
  const devices = [`loader,file=${file('code')},addr=0`, `loader,file=${file('ram')},addr=${RAM}`].flatMap((device) => [
    '-device',
    device,
  ]);
  const options = ['-M', 'mps2-an500', '-display', 'none', '-serial', 'none', '-monitor', 'stdio', ...devices];
  for (let seconds = 1; seconds <= QEMU_ATTEMPTS; seconds++) {
    const commands = `(sleep ${seconds}; echo 'pmemsave ${RAM} ${RAM_BYTES} "${file('result')}"'; echo quit)`;
    const run = spawnSync('sh', ['-c', `${commands} | qemu-system-arm ${options.join(' ')}`], { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`qemu-system-arm: ${run.stderr}`);
    const result = fs.readFileSync(file('result'));
    if (isDone(result)) return result;
  }
  throw new Error('the programs did not end on QEMU');
}

const [elf, rounds = ROUNDS, firstSeed = 1] = process.argv.slice(2);
if (!elf) throw new Error('usage: run.mjs ROUTER.elf [ROUNDS] [SEED]');
const units = unitsOf(elf);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'qemu-'));
try {
  for (let seed = Number(firstSeed); seed < Number(firstSeed) + Number(rounds); seed++) {
    const programs = randomPrograms(units, randomWords(seed));
    const ours = runHere(programs);
    if (!isDone(ours)) throw new Error(`seed ${seed}: the programs did not end here`);
    const wrong = difference(ours, runOnQemu(programs, folder));
    if (wrong) throw new Error(`seed ${seed}: ${wrong}`);
  }
  console.log(`${rounds} rounds of 60 programs, of ${units.size} kinds of instructions: no difference`);
} finally {
  fs.rmSync(folder, { recursive: true });
}
