/**
 * Attributes cycles to crates. The whole program is optimised as one, so functions are inlined across crates and symbols say
 * little: the line tables of the ELF file give for each instruction its source line, and through which
 * calls.
 */
import { spawnSync } from 'node:child_process';

const BUFFER = 1 << 30;
/** The path of a source file gives its crate. */
const REGISTRY = /registry\/src\/[^/]+\/(.+?)-\d[^/]*\//;
/** The standard library, and crates without a task of their own. */
const LIBRARY = /library\/(?:core|alloc|std|portable-simd)\/|\/(?:heapless|zerocopy)-\d/;
const BUILTINS = /compiler[-_]builtins/;
const OURS = /(nat-core|nat-embassy|nat-router|examples\/w5500|examples\/[^/]+)\/src\//;
const NAMES = { 'examples/w5500': 'nat-w5500' };
const FIRMWARE = 'firmware';
const RUNTIME = 'memcpy, division';
/** The functions of the run-time ABI that an image has in assembly have no lines. */
const RUNTIME_FUNCTION = /^__aeabi_/;
const UNKNOWN = 'unknown';

/** @returns {string | undefined} undefined for libraries: their cycles count for the caller's crate */
function crateOf(file) {
  if (BUILTINS.test(file)) return RUNTIME;
  if (LIBRARY.test(file)) return undefined;
  const ours = OURS.exec(file);
  if (ours) return NAMES[ours[1]] ?? (ours[1].startsWith('examples/') ? FIRMWARE : ours[1]);
  return REGISTRY.exec(file)?.[1] ?? UNKNOWN;
}

/** The crate of the innermost frame that is not of a library. */
function crateOfFrames(frames) {
  for (const { FileName, FunctionName } of frames) {
    if (RUNTIME_FUNCTION.test(FunctionName)) return RUNTIME;
    const crate = FileName === '' ? undefined : crateOf(FileName);
    if (crate) return crate;
  }
  return UNKNOWN;
}

/** @param {number[]} addresses @returns {object[][]} for each the frames it was inlined through, innermost first */
function symbolize(elf, addresses) {
  const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
  const options = [`--obj=${elf}`, '--inlines', '--output-style=JSON'];
  const run = spawnSync('llvm-symbolizer', options, { input, encoding: 'utf8', maxBuffer: BUFFER });
  if (run.error) throw new Error(`llvm-symbolizer is needed to attribute cycles to crates: ${run.error.message}`);
  return run.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).Symbol ?? []);
}

/**
 * @param {import('../../rp2040/profiler.mjs').Profiler} profile that has been stopped
 * @param {string} elf
 * @returns {[string, number][]} crates with their cycles, most costly first
 */
export function cyclesByCrate(profile, elf) {
  const hits = profile.cyclesByAddress;
  const frames = symbolize(
    elf,
    hits.map(([address]) => address),
  );
  const sums = new Map([['exception entry and return', profile.exceptionCycles]]);
  hits.forEach(([, cycles], i) => {
    const crate = crateOfFrames(frames[i]);
    sums.set(crate, (sums.get(crate) ?? 0) + cycles);
  });
  return [...sums].sort((a, b) => b[1] - a[1]);
}
