/** The instructions of an image that can stand anywhere in a random program. */
import { spawnSync } from 'node:child_process';

const LINE = /^\s*[0-9a-f]+:\s((?:[0-9a-f]{2} )+)\s*\t(\S+)\s*(.*)$/;
const ALLOWED_BRANCH_LIKE = /^(bic|bfi|bfc)/;
/** Branches; what needs a stack, several words, or a monitor; what concerns the system; the FPU; data. */
const REFUSED =
  /^(b|cb|tb|push|pop|ldm|stm|ldrex|strex|clrex|mrs|msr|cps|dmb|dsb|isb|svc|udf|trap|wf|sev|v|\.|[0-9a-f]{2}$)/;
const NOT_GENERAL = /\b(sp|lr|pc)\b/;
const MEMORY = /\[(r\d+)(?:, #-?\d+)?\]$/;
const IT = /^it([te]{0,3})$/;
const BUFFER = 1 << 28;

function parse(line) {
  const [, hex, name, rest] = LINE.exec(line) ?? [];
  if (!hex) return undefined;
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const halfwords = Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
  return { name, operands: rest.split('@')[0].trim(), halfwords };
}

/** The register with the address, null for an instruction without memory, undefined for one that cannot be used. */
function baseOf({ name, operands }) {
  if ((REFUSED.test(name) && !ALLOWED_BRANCH_LIKE.test(name)) || NOT_GENERAL.test(operands)) return undefined;
  if (!operands.includes('[')) return null;
  const base = MEMORY.exec(operands)?.[1];
  return base && Number(base.slice(1));
}

/** An instruction, or an IT with those that it makes conditional. */
function unitAt(lines, i) {
  const it = IT.exec(lines[i].name);
  if (!it) {
    const base = baseOf(lines[i]);
    return base === undefined ? undefined : { ...lines[i], base };
  }
  const group = lines.slice(i, i + 2 + it[1].length);
  if (!group.slice(1).every((line) => baseOf(line) === null)) return undefined;
  return {
    name: group.map(({ name }) => name).join(' '),
    halfwords: group.flatMap(({ halfwords }) => halfwords),
    base: null,
  };
}

/** @param {string} elf @returns {Map<string, object[]>} units `{ halfwords, base }` by name */
export function unitsOf(elf) {
  const run = spawnSync('llvm-objdump', ['-d', elf], { encoding: 'utf8', maxBuffer: BUFFER });
  if (run.error) throw run.error;
  const lines = run.stdout.split('\n').map(parse).filter(Boolean);
  const units = new Map();
  for (let i = 0; i < lines.length; i++) {
    const it = IT.exec(lines[i].name);
    const unit = unitAt(lines, i);
    if (it) i += 1 + it[1].length;
    if (unit) units.set(unit.name, [...(units.get(unit.name) ?? []), unit]);
  }
  return units;
}
