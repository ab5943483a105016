/**
 * Random programs: each loads registers and flags from a table, runs instructions, and stores registers and flags.
 * Memory is the same on both machines; the code lies at another address, on which nothing depends.
 */
export const RAM = 0x20000000;
export const RAM_BYTES = 0x8000;
const PROGRAMS = 60;
const INSTRUCTIONS = 150;
const ENTRY_BYTES = 64;
const [INPUTS, OUTPUTS, DONE, DATA] = [0, 0x1000, 0x1ff0, 0x2000];
/** Instructions reach 4095 bytes beyond the address, and 255 before it. */
const [BASE_FROM, BASE_SPAN] = [0x2100, 0x4800];
const FLAGS_AT = 52;
export const CODE_AT = 0x400;
const LR = 14;
const LDM_LR_R0_R12 = [0xe89e, 0x1fff];
const STM_LR_R0_R12 = [0xe88e, 0x1fff];
const LDR_R0_LR_FLAGS = [0xf8de, FLAGS_AT];
const STR_R0_LR_FLAGS = [0xf8ce, FLAGS_AT];
const MSR_FLAGS_R0 = [0xf380, 0x8c00];
const MRS_R0_FLAGS = [0xf3ef, 0x8000];
const STR_LR_LR = [0xf8ce, 0xe000];
const SELF = 0xe7fe;

function moveHalf(opcode, register, half) {
  return [
    opcode | (((half >>> 11) & 1) << 10) | (half >>> 12),
    (((half >>> 8) & 7) << 12) | (register << 8) | (half & 0xff),
  ];
}

const load = (register, value) => [
  ...moveHalf(0xf240, register, value & 0xffff),
  ...moveHalf(0xf2c0, register, value >>> 16),
];

function bodyOf(units, random) {
  const names = [...units.keys()];
  const pick = (list) => list[random() % list.length];
  return Array.from({ length: INSTRUCTIONS }, () => {
    const { halfwords, base } = pick(units.get(pick(names)));
    const address = RAM + BASE_FROM + ((random() % BASE_SPAN) & ~7);
    return base === null ? halfwords : [...load(base, address), ...halfwords];
  }).flat();
}

const entry = (units, random) => (_, i) => [
  ...load(LR, RAM + INPUTS + ENTRY_BYTES * i),
  ...LDR_R0_LR_FLAGS,
  ...MSR_FLAGS_R0,
  ...LDM_LR_R0_R12,
  ...bodyOf(units, random),
  ...load(LR, RAM + OUTPUTS + ENTRY_BYTES * i),
  ...STM_LR_R0_R12,
  ...MRS_R0_FLAGS,
  ...STR_R0_LR_FLAGS,
];

/** @param {Map<string, object[]>} units @param {() => number} random @returns {{code: Buffer, ram: Buffer}} */
export function randomPrograms(units, random) {
  const halfwords = Array.from({ length: PROGRAMS }, entry(units, random)).flat();
  halfwords.push(...load(LR, RAM + DONE), ...STR_LR_LR, SELF);
  const code = Buffer.alloc(CODE_AT + 2 * halfwords.length);
  halfwords.forEach((halfword, i) => code.writeUInt16LE(halfword, CODE_AT + 2 * i));
  const ram = Buffer.alloc(RAM_BYTES);
  for (let at = 0; at < RAM_BYTES; at += 4) if (at < OUTPUTS || at >= DATA) ram.writeUInt32LE(random(), at);
  return { code, ram };
}

/** Sets the vector table for code at this address. */
export function withVectors(code, address) {
  const bytes = Buffer.from(code);
  bytes.writeUInt32LE(RAM + 0x10000, 0);
  bytes.writeUInt32LE((address + CODE_AT) | 1, 4);
  return bytes;
}

export const isDone = (ram) => ram.readUInt32LE(DONE) === RAM + DONE;

/** @returns {string | undefined} where two memories differ first */
export function difference(ours, theirs) {
  for (let at = 0; at < RAM_BYTES; at += 4) {
    const [one, other] = [ours.readUInt32LE(at), theirs.readUInt32LE(at)];
    if (one !== other) return `${placeOf(at)}: 0x${one.toString(16)}, QEMU has 0x${other.toString(16)}`;
  }
  return undefined;
}

function placeOf(at) {
  if (at < OUTPUTS || at >= DATA) return `memory at 0x${(RAM + at).toString(16)}`;
  const within = at % ENTRY_BYTES;
  return `program ${Math.floor((at - OUTPUTS) / ENTRY_BYTES)}, ${within === FLAGS_AT ? 'flags' : `r${within / 4}`}`;
}
