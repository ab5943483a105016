/**
 * Cycles of exceptions. rp2040js charges none; the Cortex-M0+ manual gives 15 cycles to enter with zero wait states,
 * and the return pops the same eight words, about 13. Both are estimates for a board that runs from flash.
 */
export const ENTRY_CYCLES = 15;
export const RETURN_CYCLES = 13;

/**
 * Adds to the core `exceptions` (count), `exceptionCycles` and `enteredAt` (address of the last handler entered), and
 * follows the stack through an entry.
 */
export function installExceptions(core) {
  const { exceptionEntry, exceptionReturn } = core;
  core.exceptions = 0;
  core.exceptionCycles = 0;
  core.exceptionEntry = function (number) {
    exceptionEntry.call(this, number);
    this.exceptions += 1;
    this.enteredAt = this.PC & ~1;
    this.charge(ENTRY_CYCLES);
    if (this.SPmain < this.lowestStack) this.lowestStack = this.SPmain;
  };
  core.exceptionReturn = function (value) {
    exceptionReturn.call(this, value);
    this.charge(RETURN_CYCLES);
  };
  core.charge = function (cycles) {
    this.cycles += cycles;
    this.exceptionCycles += cycles;
  };
}
