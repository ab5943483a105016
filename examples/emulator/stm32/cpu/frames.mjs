/** The stack frames of exceptions (ARMv7-M ARM, B1.5.6 and B1.5.7), also with the registers of the FPU. */
import { REGISTER as R } from './unicorn.mjs';

const STACKED = [R.r0, R.r0 + 1, R.r0 + 2, R.r0 + 3, R.r12, R.lr];
const [PC_AT, XPSR_AT] = [24, 28];
const FLOATS_AT = 32;
/** S0 to S15, as pairs. */
const FLOAT_PAIRS = 8;
const FPSCR_AT = FLOATS_AT + 8 * FLOAT_PAIRS;
const BASIC_BYTES = 32;
const EXTENDED_BYTES = 104;
/** In the stacked xPSR: four bytes were left out to align the frame. */
const ALIGNED = 1 << 9;

/**
 * Stacks the state of the core. The registers of the FPU are written at once: to a program this is the same as lazy
 * stacking, which reserves their place and writes them before the handler's first instruction for the FPU.
 *
 * @param {object} core `engine` and `memory`
 * @param {{returnTo: number, withFpu: boolean}} what
 * @returns {boolean} false if there is no memory for it; SP is set all the same
 */
export function pushFrame({ engine, memory }, { returnTo, withFpu }) {
  const sp = engine.get(R.sp);
  const size = withFpu ? EXTENDED_BYTES : BASIC_BYTES;
  const frame = ((sp - size) & ~7) >>> 0;
  const xpsr = engine.get(R.xpsr);
  engine.set(R.sp, frame);
  const region = memory.region(frame, size);
  if (!region || region.name === 'flash') return false;
  STACKED.forEach((register, i) => memory.setWord(frame + 4 * i, engine.get(register)));
  memory.setWord(frame + PC_AT, returnTo & ~1);
  memory.setWord(frame + XPSR_AT, ((xpsr & ~ALIGNED) | ((sp - size) & 4 ? ALIGNED : 0)) >>> 0);
  if (withFpu) pushFloats(engine, region, frame);
  return true;
}

function pushFloats(engine, { view, start }, frame) {
  const at = frame - start;
  for (let i = 0; i < FLOAT_PAIRS; i++) view.setBigUint64(at + FLOATS_AT + 8 * i, engine.getLong(R.d0 + i), true);
  view.setUint32(at + FPSCR_AT, engine.get(R.fpscr), true);
}

/** @returns {number | undefined} where the program goes on; undefined if SP is not in memory */
export function popFrame({ engine, memory }, { withFpu }) {
  const frame = engine.get(R.sp);
  const size = withFpu ? EXTENDED_BYTES : BASIC_BYTES;
  const region = memory.region(frame, size);
  if (!region) return undefined;
  const xpsr = memory.word(frame + XPSR_AT);
  engine.set(R.xpsr, xpsr & ~ALIGNED);
  STACKED.forEach((register, i) => engine.set(register, memory.word(frame + 4 * i)));
  if (withFpu) popFloats(engine, region, frame);
  engine.set(R.sp, frame + size + (xpsr & ALIGNED ? 4 : 0));
  return memory.word(frame + PC_AT);
}

function popFloats(engine, { view, start }, frame) {
  const at = frame - start;
  for (let i = 0; i < FLOAT_PAIRS; i++) engine.setLong(R.d0 + i, view.getBigUint64(at + FLOATS_AT + 8 * i, true));
  engine.set(R.fpscr, view.getUint32(at + FPSCR_AT, true));
}
