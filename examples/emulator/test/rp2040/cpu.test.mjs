/** The corrections of the core that are not about flags. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RP2040 } from 'rp2040js';
import { readBranches } from '../../rp2040/cpu/branches.mjs';
import { ENTRY_CYCLES, RETURN_CYCLES } from '../../rp2040/cpu/exceptions.mjs';
import { XipCache } from '../../rp2040/cpu/xip.mjs';
import { CODE, STACK, machineWith } from './program.mjs';

const NOP = 0xbf00;
const SEV = 0xbf40;
const WFE = 0xbf20;
const CPSID_I = 0xb672;
const BX_LR = 0x4770;
const STR_R0_R1 = 0x6008;
const STRH_R0_R1 = 0x8008;
const STRB_R0_R1 = 0x7008;
const LDR_R0_R1 = 0x6808;
const LDRH_R0_R1 = 0x8808;
const STMIA_R0_R0_R1 = 0xc003;
const PUSH_LR = 0xb500;
const SUB_SP_128 = 0xb0a0;
const FLASH = 0x10000000;
const VECTORS = CODE + 0x1000;
const HANDLER = CODE + 0x800;

test('SEV wakes the WFE that follows it', () => {
  const { core, step } = machineWith([SEV, WFE, NOP]);
  step(2);
  assert.equal(core.waiting, false);
});

test('the package alone sleeps at that WFE, so the correction is still needed', () => {
  const mcu = new RP2040();
  mcu.logger = { debug() {}, info() {}, warn() {}, error() {} };
  [SEV, WFE].forEach((halfword, i) => mcu.writeUint16(CODE + i * 2, halfword));
  mcu.core.PC = CODE;
  mcu.core.executeInstruction();
  mcu.core.executeInstruction();
  assert.equal(mcu.core.waiting, true);
});

test('WFE without an event sleeps', () => {
  const { core, step } = machineWith([WFE]);
  step();
  assert.equal(core.waiting, true);
});

test('a sleep with interrupts masked is reported, because it is not modelled', () => {
  const { faults, step } = machineWith([CPSID_I, WFE]);
  step(2);
  assert.match(faults.join(), /PRIMASK/);
});

test('STMIA writes the base back although it is in the list', () => {
  const { core, mcu, step } = machineWith([STMIA_R0_R0_R1]);
  core.registers[0] = CODE + 0x100;
  core.registers[1] = 7;
  step();
  assert.equal(core.registers[0], CODE + 0x108);
  assert.deepEqual([mcu.readUint32(CODE + 0x100), mcu.readUint32(CODE + 0x104)], [CODE + 0x100, 7]);
});

for (const [name, opcode, address, message] of [
  ['a store to flash', STR_R0_R1, FLASH + 0x100, /store to flash/],
  ['a byte store to flash', STRB_R0_R1, FLASH + 0x101, /store to flash/],
  ['a store to the boot ROM', STRH_R0_R1, 0x100, /store to the boot ROM/],
  ['an unaligned word store', STR_R0_R1, CODE + 0x102, /unaligned store/],
  ['an unaligned halfword store', STRH_R0_R1, CODE + 0x101, /unaligned store/],
  ['an unaligned word load', LDR_R0_R1, CODE + 0x102, /unaligned load/],
  ['an unaligned halfword load', LDRH_R0_R1, CODE + 0x101, /unaligned load/],
  ['a store below SRAM, where a stack overflows to', STR_R0_R1, CODE - 4, /undefined address/],
  ['a load from nowhere', LDR_R0_R1, 0x30000000, /invalid memory/],
]) {
  test(`${name} stops the run`, () => {
    const { core, faults, step } = machineWith([opcode]);
    core.registers[1] = address;
    step();
    assert.match(faults.join(), message);
  });
}

test('an unknown instruction stops the run', () => {
  const { faults, step } = machineWith([0xb100]);
  step();
  assert.match(faults.join(), /not implemented/);
});

test('an exception costs its entry and its return, and the stack is followed into it', () => {
  const { core, mcu, step } = machineWith([NOP, NOP]);
  core.VTOR = VECTORS;
  mcu.writeUint32(VECTORS + 4 * 16, HANDLER | 1);
  mcu.writeUint16(HANDLER, BX_LR);
  core.enabledInterrupts = 1;
  core.lowestStack = STACK;
  core.setInterrupt(0, true);
  step();
  assert.equal(core.exceptions, 1);
  assert.equal(core.enteredAt, HANDLER);
  assert.equal(core.exceptionCycles, ENTRY_CYCLES + RETURN_CYCLES);
  assert.ok(core.cycles > ENTRY_CYCLES + RETURN_CYCLES);
  assert.equal(core.PC, CODE);
  assert.equal(core.lowestStack, STACK - 32);
});

test('the lowest stack pointer is noted at PUSH and at SUB SP', () => {
  const { core, step } = machineWith([PUSH_LR, SUB_SP_128]);
  core.lowestStack = STACK;
  step();
  assert.equal(core.lowestStack, STACK - 4);
  step();
  assert.equal(core.lowestStack, STACK - 132);
});

test('a DMA abort reads as done', () => {
  const { mcu, faults } = machineWith([]);
  mcu.writeUint32(0x50000444, 1);
  assert.equal(mcu.readUint32(0x50000444), 0);
  assert.deepEqual(faults, []);
});

test('AIRCR.SYSRESETREQ asks for a reset, and only with the key', () => {
  const { mcu, resets } = machineWith([]);
  mcu.writeUint32(0xe000ed0c, 0x4);
  assert.deepEqual(resets, []);
  mcu.writeUint32(0xe000ed0c, 0x05fa0004);
  assert.deepEqual(resets, ['SYSRESETREQ']);
});

test('with the flash cache a first fetch costs a miss and a second is free', () => {
  const { core, mcu, cache, step } = machineWith([], { xip: 60 });
  mcu.flash.fill(0);
  core.PC = FLASH + 0x200;
  step();
  assert.equal(core.cycles, 61);
  core.PC = FLASH + 0x200;
  step();
  assert.equal(core.cycles, 62);
  assert.equal(cache.misses, 1);
});

test('the flash cache holds two lines of a set, and a third takes the place of the one not used last', () => {
  const core = { cycles: 0 };
  const cache = new XipCache(core, 10);
  const [a, b, c] = [5, 5 + 1024, 5 + 2048];
  const missesOf = (...lines) => {
    const before = cache.misses;
    lines.forEach((line) => cache.load(line));
    return cache.misses - before;
  };
  assert.equal(missesOf(a, b), 2);
  assert.equal(missesOf(a, b, a, b), 0);
  assert.equal(missesOf(a, c), 1);
  assert.equal(missesOf(a, c), 0);
  assert.equal(missesOf(b), 1);
  assert.equal(missesOf(c), 0);
  assert.equal(core.cycles, 40);
});

test('a package whose decoder looks different is refused', () => {
  assert.throws(() => readBranches(function executeInstruction() {}), /not the pinned release/);
  assert.ok(readBranches(new RP2040().core.executeInstruction).branches.length > 80);
});
