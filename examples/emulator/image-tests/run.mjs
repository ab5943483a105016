/**
 * Tests an image: `npm run test:image -- ROUTER.elf [ROUTER.uf2] [FILE..]`, on the board that the environment variable
 * BOARD names. A board that boots UF2 files needs one. Without FILEs, all test files run. At the end it prints the
 * deepest stack of all boards that ran, and fails if too little was left.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Board } from '../boards/selected.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const LEAST_STACK_LEFT = 512;
/** Programs that the tests call, and how to install them. */
const TOOLS = {
  [process.env.DEFMT_PRINT ?? 'defmt-print']: 'cargo install --locked defmt-print',
  tshark: 'apt-get install tshark',
  'llvm-symbolizer': 'apt-get install llvm',
};
const USAGE = 'usage: npm run test:image -- ROUTER.elf [ROUTER.uf2] [FILE..]';

function testFiles(named) {
  const all = fs.readdirSync(HERE).filter((name) => name.endsWith('.test.mjs'));
  // The longest first, so that it does not run alone at the end.
  return (named.length > 0 ? named : ['soak.test.mjs', ...all.filter((name) => name !== 'soak.test.mjs')]).map((name) =>
    path.join(HERE, path.basename(name)),
  );
}

/** @returns {boolean} whether enough was left */
function reportStack(results) {
  const file = path.join(results, 'stack.jsonl');
  if (!fs.existsSync(file)) return true;
  const boards = fs
    .readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { test, deepest, room } = boards.reduce((one, other) => (other.deepest > one.deepest ? other : one));
  console.log(`deepest stack of ${boards.length} boards: ${deepest} of ${room} bytes, in ${test}`);
  return room - deepest >= LEAST_STACK_LEFT;
}

const [elf, ...others] = process.argv.slice(2);
const uf2 = others.find((name) => name.endsWith('.uf2'));
const named = others.filter((name) => name !== uf2);
if (!elf || (Board.bootsUf2 && !uf2)) throw new Error(USAGE);
for (const image of [elf, uf2]) {
  if (image && !fs.existsSync(image)) throw new Error(`${image} does not exist`);
}
for (const [tool, how] of Object.entries(TOOLS)) {
  if (spawnSync(tool, ['--version']).error) throw new Error(`${tool} is not installed: ${how}`);
}
const results = path.join(HERE, 'results');
fs.rmSync(results, { recursive: true, force: true });
const env = { ...process.env, ROUTER_ELF: path.resolve(elf), ROUTER_RESULTS: results };
if (uf2) env.ROUTER_UF2 = path.resolve(uf2);
const run = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...testFiles(named)], {
  env,
  stdio: 'inherit',
});
const enough = reportStack(results);
if (!enough) console.error(`less than ${LEAST_STACK_LEFT} bytes of stack were left`);
process.exitCode = run.status === 0 && enough ? 0 : 1;
