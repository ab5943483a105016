/** Why an instruction failed, as the fault status registers tell it (ARMv7-M ARM, B3.2.15). */
import { Memory } from '../memory.mjs';
import { NotModelled } from '../registers.mjs';
import { ACCESS } from './unicorn.mjs';

export const EXCEPTION = { hardFault: 3, memManage: 4, busFault: 5, usageFault: 6, svcall: 11, pendSv: 14 };
const { memManage, busFault, usageFault } = EXCEPTION;
/** Bits of CFSR. `address`: BFAR or MMFAR has the address. */
export const FAULT = {
  noExecute: { name: 'IACCVIOL', exception: memManage, bits: 1 << 0 },
  noFetch: { name: 'IBUSERR', exception: busFault, bits: 1 << 8 },
  noMemory: { name: 'PRECISERR', exception: busFault, bits: (1 << 9) | (1 << 15), address: true },
  stacking: { name: 'STKERR', exception: busFault, bits: 1 << 12 },
  unstacking: { name: 'UNSTKERR', exception: busFault, bits: 1 << 11 },
  undefined: { name: 'UNDEFINSTR', exception: usageFault, bits: 1 << 16 },
  notThumb: { name: 'INVSTATE', exception: usageFault, bits: 1 << 17 },
  badReturn: { name: 'INVPC', exception: usageFault, bits: 1 << 18 },
  noFpu: { name: 'NOCP', exception: usageFault, bits: 1 << 19 },
  unaligned: { name: 'UNALIGNED', exception: usageFault, bits: 1 << 24 },
};

const THUMB = 1 << 24;
/** Peripherals, devices and the system space cannot hold code. */
const NEVER_CODE = (address) => (address >= 0x40000000 && address < 0x60000000) || address >= 0xa0000000;

/** @param {{kind: number, address: number}} access that the engine refused @throws {NotModelled} */
export function faultOfAccess({ kind, address }) {
  if (kind === ACCESS.writeProtected) throw new NotModelled(`a write to flash, at 0x${address.toString(16)}`);
  if (kind === ACCESS.fetch || kind === ACCESS.fetchProtected) return faultOfFetch(address);
  Memory.refuseUnknown(address);
  return { ...FAULT.noMemory, at: address };
}

export function faultOfFetch(address) {
  if (NEVER_CODE(address)) return FAULT.noExecute;
  Memory.refuseUnknown(address);
  return FAULT.noFetch;
}

/** An instruction that the engine does not know. */
export const faultOfInstruction = (xpsr) => (xpsr & THUMB ? FAULT.undefined : FAULT.notThumb);
