/**
 * The decoder that runs: the package's bodies with our fixes, chosen by a table instead of the chain of conditions.
 *
 * Built from text once, it runs about twice as many instructions a second as the chain.
 */
import { PackageChanged, readBranches } from './branches.mjs';
import { FIXES } from './fixes.mjs';

const signExtend8 = (value) => (value << 24) >> 24;
const signExtend16 = (value) => (value << 16) >> 16;

const isWide = (opcode) => opcode >> 12 === 0b1111 || opcode >> 11 === 0b11101;
const needsSecondHalf = ({ condition }) => /opcode2|wideInstruction/.test(condition) || condition === 'true';

function applyFixes(branches) {
  for (const fix of FIXES) {
    const branch = branches.find(({ condition }) => condition === fix.condition);
    if (!branch) throw new PackageChanged(`no branch for ${fix.name}`);
    branch.body = fix.body(branch.body);
  }
}

/** Number of the branch for each of the 65536 first halfwords; all 32-bit instructions share the one past the last. */
function branchTable(branches) {
  const tests = branches.map(({ condition }, number) => `if (${condition}) return ${number};`).join('\n');
  const pick = new Function('opcode', 'opcode2', 'wideInstruction', `${tests} return ${branches.length + 1};`);
  const table = new Uint8Array(0x10000);
  for (let opcode = 0; opcode < 0x10000; opcode++) {
    table[opcode] = isWide(opcode) ? branches.length : pick(opcode, 0, false);
  }
  return table;
}

function narrowCases(branches, table) {
  const used = new Set(table);
  return branches
    .map(({ body }, number) => (used.has(number) ? `case ${number}: {\n${body}\nbreak; }` : ''))
    .join('\n');
}

function wideCase(branches) {
  return branches
    .filter(needsSecondHalf)
    .map(({ condition, body }) => `if (${condition}) {\n${body}\n}`)
    .join(' else ');
}

function source(branches, unknown, table, withCache) {
  return `return function executeInstruction() {
    if (this.interruptsUpdated && this.checkForInterrupts()) this.waiting = false;
    const opcodePC = this.registers[15] & ~1;
    const offset = opcodePC - 0x10000000;
    const inFlash = offset >= 0 && offset < 0x1000000;
    ${withCache ? 'if (inFlash) cache.fetch(offset >>> 3);' : ''}
    const opcode = inFlash ? flash16[offset >> 1] : this.readUint16(opcodePC);
    this.registers[15] += 2;
    let deltaCycles = 1;
    let opcode2 = 0;
    let wideInstruction = false;
    switch (table[opcode]) {
      ${narrowCases(branches, table)}
      case ${branches.length}: {
        wideInstruction = true;
        opcode2 = this.readUint16(opcodePC + 2);
        ${wideCase(branches)}
        else { ${unknown} }
        break;
      }
      default: { ${unknown} }
    }
    this.cycles += deltaCycles;
    return deltaCycles;
  }`;
}

let prepared;

function prepare(core) {
  const { branches, unknown } = readBranches(Object.getPrototypeOf(core).executeInstruction);
  applyFixes(branches);
  return { branches, unknown, table: branchTable(branches) };
}

/**
 * Gives `mcu.core` the fixed decoder, and the field `lowestStack`: the lowest SP seen since it was last set.
 *
 * @param {object} mcu an RP2040 of the package
 * @param {object} [cache] an XipCache, notified of every fetch from flash
 */
export function installDecoder(mcu, cache) {
  prepared ??= prepare(mcu.core);
  const { branches, unknown, table } = prepared;
  const names = ['cache', 'table', 'flash16', 'signExtend8', 'signExtend16', 'pcRegister', 'spRegister', 'LOG_NAME'];
  const make = new Function(...names, source(branches, unknown, table, Boolean(cache)));
  mcu.core.lowestStack = 0xffffffff;
  mcu.core.executeInstruction = make(cache, table, mcu.flash16, signExtend8, signExtend16, 15, 13, 'CPU');
}
