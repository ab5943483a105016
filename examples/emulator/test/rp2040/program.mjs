/** Runs a few hand-assembled Thumb instructions on a bare, corrected RP2040. */
import { Clock } from '../../simulation/clock.mjs';
import { buildMachine } from '../../rp2040/machine.mjs';
import { SerialFlash } from '../../rp2040/serial-flash.mjs';

export const CODE = 0x20000000;
export const STACK = 0x20010000;

/**
 * @param {number[]} halfwords put at the start of SRAM, where the core starts
 * @param {{xip?: number}} [options]
 */
export function machineWith(halfwords, { xip = 0 } = {}) {
  const faults = [];
  const resets = [];
  const { mcu, cache } = buildMachine({
    clock: new Clock(),
    serialFlash: new SerialFlash(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
    nextBit: () => 1,
    xip,
    fault: (message) => faults.push(message),
    reset: (reason) => resets.push(reason),
  });
  mcu.clock.follow(mcu.core);
  halfwords.forEach((halfword, i) => mcu.sramView.setUint16(i * 2, halfword, true));
  mcu.core.PC = CODE;
  mcu.core.SP = STACK;
  mcu.core.cycles = 0;
  const step = (count = 1) => {
    for (let i = 0; i < count; i++) mcu.core.executeInstruction();
  };
  return { mcu, core: mcu.core, cache, faults, resets, step };
}
