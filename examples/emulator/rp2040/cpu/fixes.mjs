/**
 * What rp2040js 1.4.1 decodes wrongly, and the bodies that take the place of its own.
 *
 * A body runs with `this` = the core and `opcode`, and may add to `deltaCycles`, as the package's bodies do.
 * Registers are a Uint32Array. test/flags.test.mjs holds each against the pseudocode of the ARMv6-M manual and shows
 * that the package still needs it.
 */

/** AddWithCarry of the ARMv6-M manual: the carry takes part in C and V, which the package leaves out of V. */
const addWithCarry = (operand) => `
  const Rm = (opcode >> 3) & 7, Rdn = opcode & 7;
  const x = this.registers[Rdn], y = ${operand};
  const unsigned = x + y + (this.C ? 1 : 0);
  const result = unsigned | 0;
  this.registers[Rdn] = result;
  this.N = result < 0;
  this.Z = result === 0;
  this.C = unsigned > 0xffffffff;
  this.V = ((x ^ result) & (y ^ result)) < 0;`;

/** A shift by the low byte of a register: a count of 0 leaves C alone, and counts above 32 are possible. */
const shiftByRegister = (shift) => `
  const count = this.registers[(opcode >> 3) & 7] & 0xff, Rdn = opcode & 7;
  const x = this.registers[Rdn];
  let result = x;
  if (count) {
    ${shift}
    this.registers[Rdn] = result;
  }
  this.N = (result | 0) < 0;
  this.Z = (result | 0) === 0;`;

const storeMultiple = `
  const Rn = (opcode >> 8) & 7, list = opcode & 0xff;
  let address = this.registers[Rn];
  for (let i = 0; i < 8; i++) {
    if (list & (1 << i)) {
      this.writeUint32(address, this.registers[i]);
      address += 4;
      deltaCycles++;
    }
  }
  this.registers[Rn] = address;`;

const noSleepWhileMasked = (body) => `
  if (this.PM) this.logger.error('CPU', 'sleep with PRIMASK set, which is not modelled');
  ${body}`;

/** The stack's deepest point is noted where an instruction can lower SP, so that following it costs hardly anything. */
const noteStack = (body) => `${body}
  if (this.registers[13] < this.lowestStack) this.lowestStack = this.registers[13];`;

/** @type {{name: string, why: string, condition: string, body: (original: string) => string}[]} */
export const FIXES = [
  {
    name: 'ADCS',
    why: 'V is wrong when the carry is set',
    condition: 'opcode >> 6 === 0b0100000101',
    body: () => addWithCarry('this.registers[Rm]'),
  },
  {
    name: 'SBCS',
    why: 'C and V are wrong with a borrow: 0i64 < i64::MAX came out false',
    condition: 'opcode >> 6 === 0b0100000110',
    body: () => addWithCarry('~this.registers[Rm] >>> 0'),
  },
  {
    name: 'LSLS (register)',
    why: 'C is wrong for a count above 32',
    condition: 'opcode >> 6 === 0b0100000010',
    body: () =>
      shiftByRegister(`
        this.C = count > 32 ? false : count === 32 ? !!(x & 1) : !!((x >>> (32 - count)) & 1);
        result = count > 31 ? 0 : x << count;`),
  },
  {
    name: 'LSRS (register)',
    why: 'C is wrong for a count of 0',
    condition: 'opcode >> 6 === 0b0100000011',
    body: () =>
      shiftByRegister(`
        this.C = count > 32 ? false : !!((x >>> (count - 1)) & 1);
        result = count > 31 ? 0 : x >>> count;`),
  },
  {
    name: 'ASRS (register)',
    why: 'C is wrong for a count of 0 and above 32',
    condition: 'opcode >> 6 === 0b0100000100',
    body: () =>
      shiftByRegister(`
        this.C = count > 31 ? (x | 0) < 0 : !!((x >>> (count - 1)) & 1);
        result = (x | 0) >> (count > 31 ? 31 : count);`),
  },
  {
    name: 'RORS',
    why: 'C changes with a count of 0',
    condition: 'opcode >> 6 === 0b0100000111',
    body: () =>
      shiftByRegister(`
        const turn = count & 31;
        result = turn ? (x >>> turn) | (x << (32 - turn)) : x;
        this.C = (result | 0) < 0;`),
  },
  {
    name: 'STMIA',
    why: 'the base is not written back when it is in the list',
    condition: 'opcode >> 11 === 0b11000',
    body: () => storeMultiple,
  },
  {
    name: 'SEV',
    why: 'it only writes a log line: an executor that wakes itself then sleeps until the next interrupt',
    condition: 'opcode === 0b1011111101000000',
    body: () => 'this.eventRegistered = true;',
  },
  {
    name: 'YIELD',
    why: 'it writes a log line for a hint that may be ignored',
    condition: 'opcode === 0b1011111100010000',
    body: () => '',
  },
  {
    name: 'WFE',
    why: 'a masked interrupt is taken when it wakes the core, so a sleep with PRIMASK set stops the run',
    condition: 'opcode === 0b1011111100100000',
    body: noSleepWhileMasked,
  },
  {
    name: 'WFI',
    why: 'as WFE',
    condition: 'opcode === 0b1011111100110000',
    body: noSleepWhileMasked,
  },
  { name: 'PUSH', why: 'follows the stack', condition: 'opcode >> 9 === 0b1011010', body: noteStack },
  { name: 'SUB SP', why: 'follows the stack', condition: 'opcode >> 7 === 0b101100001', body: noteStack },
  { name: 'ADD (high registers)', why: 'follows the stack', condition: 'opcode >> 8 === 0b01000100', body: noteStack },
  { name: 'MOV (high registers)', why: 'follows the stack', condition: 'opcode >> 8 === 0b01000110', body: noteStack },
];
