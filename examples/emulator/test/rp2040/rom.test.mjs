/** The boot ROM's functions and the flash chip, used as embassy-rp uses them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODE, machineWith } from './program.mjs';

const SSI = 0x18000000;
const [CTRLR0, CTRLR1, SSIENR, SR, DR0] = [0x00, 0x04, 0x08, 0x28, 0x60].map((offset) => SSI + offset);
const EEPROM_READ = 3 << 8;
const RX_NOT_EMPTY = 1 << 3;

/** Calls the code at `address` and returns R0. */
function call({ core, step }, address, ...args) {
  args.forEach((value, i) => (core.registers[i] = value));
  core.LR = CODE | 1;
  core.PC = address & ~1;
  for (let count = 0; core.PC !== CODE; count++) {
    assert.ok(count < 10, 'the function does not return');
    step();
  }
  return core.registers[0];
}

function romFunction(machine, tag) {
  const { mcu } = machine;
  const wanted = tag.charCodeAt(0) | (tag.charCodeAt(1) << 8);
  return call(machine, mcu.readUint16(0x18), mcu.readUint16(0x14), wanted);
}

test('the ROM has its magic number, and looks up functions by their code', () => {
  const machine = machineWith([]);
  assert.deepEqual([0x10, 0x11, 0x12, 0x13].map((at) => machine.mcu.readUint8(at)), [0x4d, 0x75, 0x01, 0x02]);
  assert.notEqual(romFunction(machine, 'RE'), 0);
  assert.deepEqual(machine.faults, []);
});

test('a function that is not there stops the run', () => {
  const machine = machineWith([]);
  assert.equal(romFunction(machine, 'ZZ'), 0);
  assert.match(machine.faults.join(), /no function ZZ/);
});

test('erase sets a sector to ones and program clears bits only', () => {
  const machine = machineWith([]);
  const { mcu } = machine;
  const source = CODE + 0x1000;
  for (let i = 0; i < 256; i++) mcu.sram[0x1000 + i] = 0x0f;
  mcu.flash.fill(0x55, 0x1000, 0x3000);
  call(machine, romFunction(machine, 'RP'), 0x1000, source, 256);
  assert.deepEqual([mcu.flash[0x1000], mcu.flash[0x1100]], [0x05, 0x55]);
  call(machine, romFunction(machine, 'RE'), 0x1000, 0x1000, 0, 0);
  assert.deepEqual([mcu.flash[0x1000], mcu.flash[0x1fff], mcu.flash[0x2000]], [0xff, 0xff, 0x55]);
  assert.deepEqual(machine.faults, []);
});

test('an erase that is not of whole sectors stops the run', () => {
  const machine = machineWith([]);
  call(machine, romFunction(machine, 'RE'), 0x1000, 0x100, 0, 0);
  assert.match(machine.faults.join(), /whole sectors/);
});

test('memcpy44 copies', () => {
  const machine = machineWith([]);
  machine.mcu.sram.set([1, 2, 3, 4], 0x1000);
  call(machine, romFunction(machine, 'C4'), CODE + 0x2000, CODE + 0x1000, 4);
  assert.deepEqual([...machine.mcu.sram.subarray(0x2000, 0x2004)], [1, 2, 3, 4]);
});

test('the second stage reads the status registers as it does on silicon', () => {
  const { mcu } = machineWith([]);
  const status = (command) => {
    mcu.writeUint32(DR0, command);
    mcu.writeUint32(DR0, 0);
    mcu.readUint32(SR);
    mcu.readUint32(DR0);
    return mcu.readUint32(DR0);
  };
  mcu.writeUint32(SSIENR, 1);
  assert.equal(status(0x35), 0x02, 'quad mode is enabled');
  assert.equal(status(0x05), 0x00, 'no write is in progress');
});

test('a new command after SSIENR is not taken for the rest of the former', () => {
  const { mcu } = machineWith([]);
  assert.deepEqual(transfer(mcu, 0x4b, 4, 2), [1, 2]);
  assert.deepEqual(transfer(mcu, 0x9f, 0, 1), [0xef]);
});

/** What embassy-rp's `read_flash_inner` does: the command, then the dummy bytes, then the data. */
function readFlash(machine, command, dummies, count) {
  call(machine, romFunction(machine, 'IF'));
  call(machine, romFunction(machine, 'EX'));
  return transfer(machine.mcu, command, dummies, count);
}

function transfer(mcu, command, dummies, count) {
  mcu.writeUint32(SSIENR, 0);
  mcu.writeUint32(CTRLR0, mcu.readUint32(CTRLR0) | EEPROM_READ);
  mcu.writeUint32(CTRLR1, dummies + count - 1);
  mcu.writeUint32(SSIENR, 1);
  mcu.writeUint8(DR0, command);
  const next = () => {
    assert.ok(mcu.readUint32(SR) & RX_NOT_EMPTY);
    return mcu.readUint8(DR0);
  };
  for (let i = 0; i < dummies; i++) next();
  const data = Array.from({ length: count }, next);
  mcu.writeUint32(SSIENR, 0);
  mcu.writeUint32(CTRLR1, 0);
  return data;
}

test('the flash gives its unique id and its JEDEC id', () => {
  const machine = machineWith([]);
  assert.deepEqual(readFlash(machine, 0x4b, 4, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(readFlash(machine, 0x9f, 0, 3), [0xef, 0x70, 0x15]);
});
