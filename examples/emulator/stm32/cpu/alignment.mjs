/**
 * Instructions that fault at an address that is not a multiple of four (ARMv7-M ARM, A3.2.1): LDM, STM, LDRD, STRD, LDREX,
 * STREX, and loads and stores of the FPU.
 */
import { REGISTER as R } from './unicorn.mjs';

const [SP, LR, PC] = [13, 14, 15];
const INDEXED = (1 << 8) | (1 << 5);

const isMultipleNarrow = (first) => (first & 0xf000) === 0xc000;
const isMultipleOrDual = (first) => (first & 0xfe00) === 0xe800;
const isDualOrExclusive = (first) => (first & 0x40) !== 0;
/** What is neither LDREX nor STREX: table branches, and exclusive accesses to bytes and halfwords. */
const isOther = (first) => !(first & INDEXED) && (first & 0x80) !== 0;
const isFloat = (first, second) => (first & 0xfe00) === 0xec00 && (second & 0x0e00) === 0x0a00;

/** @returns {number | undefined} the number of the register with the address, for an instruction that must be aligned */
function baseOf(first, second) {
  if (isMultipleNarrow(first)) return (first >> 8) & 7;
  if (isMultipleOrDual(first)) return isDualOrExclusive(first) && isOther(first) ? undefined : first & 15;
  return isFloat(first, second) ? first & 15 : undefined;
}

function registerOf(number) {
  if (number === SP) return R.sp;
  return number === LR ? R.lr : R.r0 + number;
}

/** @returns {Map<number, number>} by address, the register that must be aligned. Data is never executed. */
export function alignedIn(address, code) {
  const found = new Map();
  for (let at = 0; at + 3 < code.length; at += 2) {
    const base = baseOf(code.readUInt16LE(at), code.readUInt16LE(at + 2));
    if (base !== undefined && base !== PC) found.set(address + at, registerOf(base));
  }
  return found;
}
