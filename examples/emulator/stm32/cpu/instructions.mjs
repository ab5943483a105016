/** What the core must know of instructions: how long they are, and which ones put it to sleep. */

export const HINT = { wfe: 0xbf20, wfi: 0xbf30, sev: 0xbf40 };
const HINTS = new Set(Object.values(HINT));
const BRANCH_TO_ITSELF = 0xe7fe;
/** From here on the first halfword of an instruction has a second one. */
const FIRST_WIDE = 0xe800;

/** Addresses of WFE, WFI and SEV in the code. Data that looks like them is never executed. */
export function hintsIn(address, code) {
  const found = [];
  for (let at = 0; at + 1 < code.length; at += 2) {
    if (HINTS.has(code.readUInt16LE(at))) found.push(address + at);
  }
  return found;
}

/** Calls `visit(address)` for each instruction of a block. */
export function visitBlock(memory, { address, size }, visit) {
  for (let at = address; at < address + size; at += memory.halfword(at) >= FIRST_WIDE ? 4 : 2) visit(at);
}

/** @returns {{size: number, instructions: number, forever: boolean}} */
export function blockCost(memory, address, size) {
  let instructions = 0;
  visitBlock(memory, { address, size }, () => (instructions += 1));
  return { size, instructions, forever: memory.halfword(address) === BRANCH_TO_ITSELF };
}
