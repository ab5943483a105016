/**
 * Reads the instruction decoder out of the package.
 *
 * rp2040js decodes an instruction by a chain of some eighty `if (condition) { body }`. We take the conditions and the
 * bodies from the text of that very function, so that everything not named in fixes.mjs behaves as the package does.
 * The text must look as in the pinned release: anything else is an error, never a guess.
 */

const FIRST = /^ {8}if \(opcode >> 6 === 0b0100000101\) \{$/;
const BRANCH = /^ {8}(?:else )?if \((.*)\) \{$/;
const COMMENT = /^ {8}\/\//;
const LAST_ELSE = /^ {8}else \{$/;
const END_OF_BODY = '        }';

/** Thrown when the text of the package is not what this emulator was written for. */
export class PackageChanged extends Error {
  constructor(what) {
    super(`rp2040js is not the pinned release: ${what}`);
  }
}

/**
 * @param {Function} executeInstruction the package's decoder
 * @returns {{branches: {condition: string, body: string}[], unknown: string}} the chain in its order, and the body of
 *   its last `else`, for an instruction that is not known
 */
export function readBranches(executeInstruction) {
  const lines = executeInstruction.toString().split('\n');
  let at = lines.findIndex((line) => FIRST.test(line));
  if (at < 0) throw new PackageChanged('the decoder does not begin with ADCS');
  const branches = [];
  for (;;) {
    while (COMMENT.test(lines[at])) at += 1;
    const match = BRANCH.exec(lines[at]);
    if (!match) break;
    const end = lines.indexOf(END_OF_BODY, at);
    branches.push({ condition: match[1], body: lines.slice(at + 1, end).join('\n') });
    at = end + 1;
  }
  if (!LAST_ELSE.test(lines[at])) throw new PackageChanged('the decoder has no last else');
  return { branches, unknown: lines.slice(at + 1, lines.indexOf(END_OF_BODY, at)).join('\n') };
}
