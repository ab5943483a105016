/** Faults by their kinds, lockup, the painted stack, and what stops a run because it is not modelled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXCEPTION } from '../../stm32/cpu/faults.mjs';
import { REGISTER } from '../../stm32/cpu/unicorn.mjs';
import { FirmwareStopped } from '../../simulation/firmware-stopped.mjs';
import { asm, bare, DATA, handlerOf, MAIN, STACK } from './program.mjs';

const RESERVED = 0x23000000;
const FORCED = 1 << 30;
const ENABLE_ALL = 7 << 16;
const { hardFault, memManage, busFault, usageFault } = EXCEPTION;

/** Program, r0, bits of CFSR, its exception, and which of its instructions the frame names. */
const KINDS = {
  'a read where nothing is': { main: [asm.nop, asm.ldr(1, 0)], r0: RESERVED, bits: 0x8200, exception: busFault, at: 1 },
  'a write where nothing is': {
    main: [asm.nop, asm.str(1, 0)],
    r0: RESERVED,
    bits: 0x8200,
    exception: busFault,
    at: 1,
  },
  'a jump to where nothing is': {
    main: [asm.nop, asm.bx(0)],
    r0: RESERVED | 1,
    bits: 0x100,
    exception: busFault,
    pc: RESERVED,
  },
  'a jump to a peripheral': {
    main: [asm.nop, asm.bx(0)],
    r0: 0x40000001,
    bits: 0x1,
    exception: memManage,
    pc: 0x40000000,
  },
  'a jump to ARM code': { main: [asm.nop, asm.bx(0)], r0: MAIN, bits: 0x20000, exception: usageFault, pc: MAIN },
  'an undefined instruction': { main: [asm.nop, asm.udf], r0: 0, bits: 0x10000, exception: usageFault, at: 1 },
};

for (const [kind, { main, r0, bits, exception, at, pc = MAIN + 2 * at }] of Object.entries(KINDS)) {
  test(`${kind} is a HardFault that says so, and its frame tells where`, () => {
    const { core, memory, run } = bare({ main }, { registers: [r0] });
    run();
    assert.equal(core.nvic.active.at(-1), hardFault);
    assert.equal((core.pc & ~1) >>> 0, handlerOf(hardFault));
    assert.equal(core.system.cfsr.value, bits);
    assert.equal(core.system.hfsr.value, FORCED);
    assert.equal(memory.word(core.engine.get(REGISTER.sp) + 24), pc);
    if (bits & 0x8000) assert.equal(core.system.bfar.value, RESERVED);
  });

  test(`${kind} has its own handler if that is enabled`, () => {
    const { core, machine, run } = bare({ main }, { registers: [r0] });
    machine.bus.write(0xe000ed24, 4, ENABLE_ALL);
    run();
    assert.equal(core.nvic.active.at(-1), exception);
  });
}

test('a breakpoint without a debugger is a HardFault', () => {
  const { core, run } = bare({ main: [asm.bkpt] });
  run();
  assert.equal(core.system.hfsr.value >>> 31, 1);
});

test('SVC while interrupts are off is a HardFault', () => {
  const { core, run } = bare({ main: [asm.cpsid, asm.svc] });
  run();
  assert.equal(core.nvic.active.at(-1), hardFault);
});

test('a return that does not fit the state of the core is a UsageFault', () => {
  // From a handler of the program, LR says that there is another handler.
  const { core, run } = bare({ main: [asm.svc], 11: [asm.bx(0)] }, { registers: [0xfffffff1] });
  run();
  assert.equal(core.system.cfsr.value, 0x40000);
});

test('a fault in a HardFault locks the core up, which stops a run without a watchdog', () => {
  const { run, core } = bare({ main: [asm.udf], [hardFault]: [asm.udf] });
  assert.throws(
    () => run(),
    (error) => error instanceof FirmwareStopped && /lockup after UNDEFINSTR/.test(error.reason),
  );
  assert.equal(core.locked, true);
});

/** Instructions for several words, with the address in r0. */
const ALIGNED = {
  LDM: [0xe890, 0x0006],
  'a narrow LDM': [0xc806],
  STM: [0xe880, 0x0006],
  LDRD: [0xe9d0, 0x1200],
  STRD: [0xe9c0, 0x1200],
  LDREX: [0xe850, 0x1f00],
  'a load of the FPU': [0xed90, 0x0a00],
};

for (const [name, main] of Object.entries(ALIGNED)) {
  test(`${name} faults at an unaligned address, if that is checked, and at no other`, () => {
    const cfsr = (address) => {
      const { core, run } = bare({ main: [asm.nop, ...main] }, { registers: [address], checkAlignment: true });
      core.system.cpacr.value = 0xf << 20;
      run();
      const isFault = core.nvic.active.at(-1) === hardFault;
      if (isFault) assert.equal(core.memory.word(core.engine.get(REGISTER.sp) + 24), MAIN + 2);
      return core.system.cfsr.value;
    };
    assert.equal(cfsr(DATA + 2), 1 << 24);
    assert.equal(cfsr(DATA + 4), 0);
  });
}

test('LDR, LDRH, and exclusive bytes are not checked', () => {
  const main = [asm.ldr(1, 0), asm.ldrh(1, 0), 0xe8d0, 0x1f4f];
  const { core, run } = bare({ main }, { registers: [DATA + 1], checkAlignment: true });
  run();
  assert.equal(core.system.cfsr.value, 0);
});

test('a stack that grows below the DTCM locks the core up', () => {
  const { core, run } = bare({ main: [asm.push(0xff), asm.push(0xff)] });
  core.engine.set(REGISTER.sp, 0x20000020);
  assert.throws(() => run(), /lockup/);
});

test('with a watchdog, a lockup ends in a reset', () => {
  const { board, machine, run } = bare({ main: [asm.udf], [hardFault]: [asm.udf] }, { onReset: 'reboot' });
  const iwdg = (offset, value) => machine.bus.write(0x58004800 + offset, 4, value);
  for (const [offset, value] of [
    [0, 0x5555],
    [8, 31],
    [0, 0xcccc],
  ])
    iwdg(offset, value);
  run(3900);
  assert.equal(board.resets.length, 0);
  assert.throws(() => run(200), /lockup/, 'the same program again, without the watchdog');
  assert.deepEqual(
    board.resets.map(({ reason }) => reason),
    ['watchdog'],
  );
});

test('the core reads and writes words and halfwords at any address', () => {
  const { memory, register, run } = bare(
    { main: [asm.str(0, 1), asm.ldr(2, 1), asm.ldrh(3, 1)] },
    { registers: [0x11223344, DATA + 3] },
  );
  run();
  assert.deepEqual([register(2), register(3)], [0x11223344, 0x3344]);
  assert.equal(memory.word(DATA + 4) & 0xffffff, 0x112233);
});

test('the deepest word of the stack that was written is found, also below SP', () => {
  const { board, run, core } = bare({ main: [asm.push(0xff), 0xb008] });
  core.engine.set(REGISTER.sp, STACK - 0x100);
  run();
  assert.equal(core.engine.get(REGISTER.sp), STACK - 0x100);
  assert.deepEqual(board.stack, { top: STACK, lowest: STACK - 0x120, deepest: 0x120 });
});

/** Program, registers, and the reason that stops it. */
const NOT_MODELLED = {
  'a read of the ITCM, such as through a null pointer': [[asm.ldr(1, 0)], [0], /ITCM, at 0x0$/],
  'a read of SRAM4': [[asm.ldr(1, 0)], [0x38000000], /SRAM4/],
  'a read of SRAM1': [[asm.ldr(1, 0)], [0x30000010], /SRAM1 to SRAM3/],
  'a write to flash': [[asm.str(1, 0)], [0x08000000], /write to flash, at 0x8000000/],
  'a peripheral that is not modelled': [[asm.ldr(1, 0)], [0x40004400], /a peripheral at 0x40004400/],
  'a peripheral without its clock': [[asm.ldr(1, 0)], [0x40013000], /SPI1 without its clock/],
  'a register that is not modelled': [[asm.ldr(1, 0)], [0x58024440], /register 0x40 of RCC/],
  'a bit that is not modelled': [[asm.str(1, 0)], [0xe000ed94, 1], /bits 0x1 of SCS.MPU_CTRL/],
  'the process stack': [[0xf380, 0x8814, asm.nop], [2], /the process stack/],
  'unprivileged code': [[0xf380, 0x8814, asm.nop], [1], /unprivileged code/],
  'the FPU while it is off': [[0xee30, 0x0a00], [], /an FPU instruction while the FPU is off/],
};

for (const [what, [main, registers, reason]] of Object.entries(NOT_MODELLED)) {
  test(`${what} stops the run by its name`, () => {
    const { run } = bare({ main }, { registers });
    assert.throws(
      () => run(),
      (error) => error instanceof FirmwareStopped && reason.test(error.reason),
    );
  });
}
