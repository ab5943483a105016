/** Exceptions, priorities, and sleep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CYCLES } from '../../stm32/cpu/core.mjs';
import { REGISTER } from '../../stm32/cpu/unicorn.mjs';
import { asm, bare, DATA, MAIN, STACK } from './program.mjs';

/** Interrupt 0 and 1, as exceptions. */
const [ZERO, ONE] = [16, 17];
const FRAME_BYTES = 32;
const EXTENDED_BYTES = 104;
const XPSR_ALIGNED = 1 << 9;
const THUMB = 1 << 24;
/** adds r4, r4, r5, used to see the order of handlers: r4 = 16 * r4 + number. */
const SHIFT_R4 = 0x0124;
const note = (number) => [SHIFT_R4, asm.adds(4, number)];

function withInterrupts(code, options) {
  const all = bare(code, options);
  [ZERO, ONE].forEach((exception) => all.nvic.enable(exception));
  return all;
}

test('an interrupt runs its handler, and the program goes on with all registers', () => {
  const main = [...Array(20).fill(asm.adds(0, 1))];
  const { nvic, core, run, register } = withInterrupts(
    { main, [ZERO]: [asm.movs(0, 99), asm.movs(3, 98), asm.bxLr] },
    { registers: [0, 1, 2, 3] },
  );
  nvic.pend(ZERO);
  run();
  assert.deepEqual([register(0), register(3)], [20, 3]);
  assert.equal(core.exceptions, 1);
  assert.equal(core.engine.get(REGISTER.sp), STACK);
});

test('the frame has the registers, the address to return to, and xPSR, aligned to eight bytes', () => {
  const { nvic, core, memory, run } = withInterrupts({ main: [asm.push(1)] }, { registers: [10, 11, 12, 13] });
  run();
  nvic.pend(ZERO);
  run();
  const frame = core.engine.get(REGISTER.sp);
  assert.equal(frame, STACK - 4 - FRAME_BYTES - 4, 'four bytes for the alignment');
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => memory.word(frame + 4 * i)),
    [10, 11, 12, 13],
  );
  assert.equal(memory.word(frame + 24), MAIN + 2);
  assert.equal(memory.word(frame + 28) & (XPSR_ALIGNED | THUMB | 0x1ff), XPSR_ALIGNED | THUMB);
});

test('LR tells the kind of return: to the program, to a handler, and with the registers of the FPU', () => {
  const lrIn = (code, prepare) => {
    const all = withInterrupts(code);
    prepare(all);
    return all.core.engine.get(REGISTER.lr);
  };
  const interrupt = ({ nvic, run }) => {
    run();
    nvic.pend(ZERO);
    run();
  };
  assert.equal(lrIn({}, interrupt), 0xfffffff9);
  assert.equal(
    lrIn({ main: [asm.svc] }, (all) => {
      all.nvic.setPriority(11, 0x80);
      interrupt(all);
    }),
    0xfffffff1,
  );
  const usesFpu = [0xee30, 0x0a00];
  assert.equal(
    lrIn({ main: usesFpu }, (all) => {
      all.core.system.cpacr.value = 0xf << 20;
      interrupt(all);
    }),
    0xffffffe9,
  );
});

test('an interrupt of a higher priority preempts a handler, one of the same priority waits', () => {
  const order = (priorityOfOne) => {
    // The handler of the first one pends the second, by a write to ISPR0.
    const pendOne = [asm.str(1, 2), asm.nop, 0xe7ff];
    const { nvic, run, register } = withInterrupts(
      { [ZERO]: [...pendOne, ...note(1), asm.bxLr], [ONE]: [...note(2), asm.bxLr] },
      { registers: [0, 2, 0xe000e200, 0, 0] },
    );
    nvic.setPriority(ZERO, 0x80);
    nvic.setPriority(ONE, priorityOfOne);
    nvic.pend(ZERO);
    run();
    return register(4);
  };
  assert.equal(order(0x40), 0x21, 'preempts');
  assert.equal(order(0x80), 0x12, 'waits');
});

test('bits of a priority below PRIGROUP only order what waits', () => {
  const { nvic, machine, run, register } = withInterrupts(
    { [ZERO]: [asm.str(1, 2), asm.nop, 0xe7ff, ...note(1), asm.bxLr], [ONE]: [...note(2), asm.bxLr] },
    { registers: [0, 2, 0xe000e200, 0, 0] },
  );
  machine.bus.write(0xe000ed0c, 4, 0x05fa0000 | (6 << 8));
  nvic.setPriority(ZERO, 0x50);
  nvic.setPriority(ONE, 0x40);
  nvic.pend(ZERO);
  run();
  assert.equal(register(4), 0x12);
});

test('of two that wait, the higher priority goes first, then the lower number', () => {
  const order = (priorities) => {
    const { nvic, run, register } = withInterrupts(
      { [ZERO]: [...note(1), asm.bxLr], [ONE]: [...note(2), asm.bxLr] },
      { registers: [0, 0, 0, 0, 0] },
    );
    priorities.forEach((priority, i) => nvic.setPriority(ZERO + i, priority));
    nvic.pend(ONE);
    nvic.pend(ZERO);
    run();
    return register(4);
  };
  assert.equal(order([0x40, 0x40]), 0x12);
  assert.equal(order([0x40, 0x30]), 0x21);
});

test('a handler that follows another one keeps its frame, and costs six cycles', () => {
  const { nvic, core, memory, run } = withInterrupts(
    { [ZERO]: [asm.bxLr], [ONE]: [asm.str(1, 2), asm.bxLr] },
    { registers: [0, 77, DATA] },
  );
  run();
  const before = core.exceptionCycles;
  nvic.pend(ZERO);
  nvic.pend(ONE);
  run();
  assert.equal(core.exceptionCycles - before, CYCLES.entry + CYCLES.tailChain + CYCLES.exit);
  assert.equal(memory.word(DATA), 77, 'registers of the program, unchanged');
  assert.equal(core.engine.get(REGISTER.sp), STACK);
});

test('PRIMASK and BASEPRI hold interrupts back', () => {
  const { nvic, core, run } = withInterrupts({ [ZERO]: [asm.bxLr] });
  nvic.setPriority(ZERO, 0x40);
  const taken = (register, value) => {
    const before = core.exceptions;
    core.engine.set(register, value);
    nvic.pend(ZERO);
    run();
    const held = core.exceptions === before;
    core.engine.set(register, 0);
    nvic.onChange();
    run();
    assert.equal(core.exceptions, before + 1);
    return !held;
  };
  assert.equal(taken(REGISTER.primask, 1), false);
  assert.equal(taken(REGISTER.basepri, 0x40), false);
  assert.equal(taken(REGISTER.basepri, 0x50), true);
});

test('a line that stays high interrupts again, and a pulse interrupts once, even while masked', () => {
  const { nvic, core, run } = withInterrupts({ [ZERO]: [asm.bxLr] });
  core.engine.set(REGISTER.primask, 1);
  nvic.setLine(0, true);
  nvic.setLine(0, false);
  run();
  core.engine.set(REGISTER.primask, 0);
  nvic.onChange();
  run();
  assert.equal(core.exceptions, 1);
  nvic.setLine(0, true);
  run(1);
  assert.ok(core.exceptions > 3, `${core.exceptions}`);
});

test('clearing what is pending works, unless the line is still high', () => {
  const { nvic } = withInterrupts();
  nvic.pend(ZERO);
  nvic.unpend(ZERO);
  assert.equal(nvic.next, undefined);
  nvic.setLine(0, true);
  nvic.unpend(ZERO);
  assert.equal(nvic.next, ZERO);
});

test('SVC and PendSV run their handlers', () => {
  const { core, memory, run } = bare({ main: [asm.svc], 11: [asm.str(0, 1), asm.bxLr] }, { registers: [5, DATA] });
  run();
  assert.equal(memory.word(DATA), 5);
  core.nvic.pend(14);
  run();
  assert.equal(core.nvic.active.at(-1), 14);
});

test('a handler that uses the FPU leaves the registers of the program unchanged', () => {
  // The program has 1.0 in s0; the handler moves 0 to s0, and returns.
  const [VMOV_S0_R0, VMOV_R0_S0] = [
    [0xee00, 0x0a10],
    [0xee10, 0x0a10],
  ];
  const { core, nvic, run } = withInterrupts(
    { main: VMOV_S0_R0, [ZERO]: [asm.movs(0, 0), ...VMOV_S0_R0, ...VMOV_R0_S0, asm.bxLr] },
    { registers: [0x3f800000] },
  );
  core.system.cpacr.value = 0xf << 20;
  run();
  core.engine.set(REGISTER.fpscr, 0x10000000);
  nvic.pend(ZERO);
  run();
  assert.equal(core.exceptions, 1);
  assert.equal(core.engine.getLong(REGISTER.d0) & 0xffffffffn, 0x3f800000n);
  assert.equal(core.engine.get(REGISTER.fpscr), 0x10000000);
  assert.equal(core.engine.get(REGISTER.sp), STACK);
});

test('the frame with registers of the FPU takes 104 bytes, and its handler starts without them in use', () => {
  const { core, nvic, run } = withInterrupts({ main: [0xee00, 0x0a10] });
  core.system.cpacr.value = 0xf << 20;
  run();
  nvic.pend(ZERO);
  run();
  assert.equal(core.engine.get(REGISTER.sp), STACK - EXTENDED_BYTES);
  assert.equal(core.engine.get(REGISTER.control) & 4, 0);
});

test('WFE sleeps until an event, which SEV, an exception and its return are', () => {
  const asleep = (main, act = () => {}) => {
    const all = withInterrupts({ main: [...main, asm.movs(7, 1)], [ZERO]: [asm.bxLr] });
    act(all);
    all.run();
    return all.register(7) === 0;
  };
  assert.equal(asleep([asm.wfe]), true);
  assert.equal(asleep([asm.sev, asm.wfe]), false);
  assert.equal(asleep([asm.sev, asm.wfe, asm.wfe]), true);
  assert.equal(
    asleep([asm.wfe], ({ nvic }) => nvic.pend(ZERO)),
    false,
  );
});

test('WFI wakes for an interrupt that PRIMASK holds back, WFE does not', () => {
  const wakes = (hint) => {
    const { nvic, run, register, core } = withInterrupts({ main: [asm.cpsid, hint, asm.movs(7, 1)] });
    run();
    nvic.pend(ZERO);
    run();
    assert.equal(core.exceptions, 0);
    return register(7) === 1;
  };
  assert.equal(wakes(asm.wfi), true);
  assert.equal(wakes(asm.wfe), false);
});

test('a sleeping core takes no cycles, and the time passes', () => {
  const { board, core, run } = bare({ main: [asm.wfe] });
  run();
  const { cycles } = core;
  run(1000);
  assert.equal(core.cycles, cycles);
  assert.ok(board.idle >= 1e6);
});

test('an instruction is a cycle', () => {
  const { core } = bare({ main: [...Array(10).fill(asm.adds(0, 1)), asm.wfe] });
  core.clock.setLimit(1e6);
  core.work();
  assert.equal(core.cycles, 11);
});

/** Nanoseconds of cycles at 64 MHz. */
const cyclesLater = (cycles) => cycles * 15.625;

/** Interrupt 0 is pending, and interrupt 1 comes so many cycles later. @returns what `withInterrupts` does, after both */
function arriving(cycles, { priorities = [0x80, 0x40], code = {} } = {}) {
  const handlers = { [ZERO]: [...note(1), asm.bxLr], [ONE]: [...note(2), asm.bxLr] };
  const all = withInterrupts({ main: [asm.nop, asm.nop], ...handlers, ...code }, { registers: [0, 0, 0, 0, 0, 0] });
  const { nvic, board, run } = all;
  run();
  priorities.forEach((priority, i) => nvic.setPriority(ZERO + i, priority));
  board.clock.after(cyclesLater(cycles), () => nvic.pend(ONE));
  nvic.pend(ZERO);
  run();
  return all;
}

test('a more urgent interrupt that arrives during the entry goes first, with the same frame', () => {
  for (const cycles of [1, CYCLES.entry - 1]) {
    const { core, board, register } = arriving(cycles);
    assert.equal(register(4), 0x21, 'the order of the handlers');
    assert.equal(core.exceptions, 2);
    assert.equal(board.stack.deepest, FRAME_BYTES);
    assert.equal(core.exceptionCycles, CYCLES.entry + CYCLES.tailChain + CYCLES.exit);
  }
});

test('a more urgent interrupt that arrives after the entry has a frame of its own', () => {
  const branchToNext = 0xe7ff;
  const code = { [ZERO]: [branchToNext, ...note(1), asm.bxLr] };
  const { core, board, register } = arriving(CYCLES.entry + 0.5, { code });
  assert.equal(register(4), 0x21);
  assert.equal(board.stack.deepest, 2 * FRAME_BYTES);
  assert.equal(core.exceptionCycles, 2 * (CYCLES.entry + CYCLES.exit));
});

test('an interrupt that is not more urgent, and arrives during the entry, comes afterwards', () => {
  for (const priorities of [
    [0x80, 0x80],
    [0x40, 0x80],
  ]) {
    const { core, board, register } = arriving(3, { priorities });
    assert.equal(register(4), 0x12);
    assert.equal(board.stack.deepest, FRAME_BYTES);
    assert.equal(core.exceptionCycles, CYCLES.entry + CYCLES.tailChain + CYCLES.exit);
  }
});

test('an interrupt that differs in its subpriority only does not go first when it arrives late', () => {
  const code = { [ZERO]: [...note(1), asm.bxLr], [ONE]: [...note(2), asm.bxLr] };
  const all = withInterrupts(code, { registers: [0, 0, 0, 0, 0, 0] });
  const { nvic, board, run, register } = all;
  nvic.groupMask = 0x80;
  nvic.setPriority(ZERO, 0x20);
  nvic.setPriority(ONE, 0x10);
  board.clock.after(cyclesLater(3), () => nvic.pend(ONE));
  nvic.pend(ZERO);
  run();
  assert.equal(register(4), 0x12);
});

test('an SVC gives way to a more urgent interrupt that arrives during its entry, and follows it', () => {
  const SVC = 11;
  const code = { main: [asm.nop, asm.svc], [SVC]: [...note(3), asm.bxLr], [ONE]: [...note(2), asm.bxLr] };
  const { nvic, board, core, run, register } = withInterrupts(code, { registers: [0, 0, 0, 0, 0, 0] });
  nvic.setPriority(SVC, 0x80);
  nvic.setPriority(ONE, 0x40);
  // Two instructions, then the entry.
  board.clock.after(cyclesLater(2 + 4), () => nvic.pend(ONE));
  run();
  assert.equal(register(4), 0x23);
  assert.deepEqual([core.exceptions, board.stack.deepest], [2, FRAME_BYTES]);
});

test('an interrupt that arrives while the state is taken back makes the core keep the frame', () => {
  const handler = [...note(1), asm.bxLr];
  const { core, board, register } = arriving(CYCLES.entry + handler.length + 3);
  assert.equal(register(4), 0x12);
  assert.equal(core.exceptions, 2);
  assert.equal(board.stack.deepest, FRAME_BYTES);
  assert.equal(core.exceptionCycles, CYCLES.entry + CYCLES.exit + CYCLES.tailChain + CYCLES.exit);
});

test('a more urgent interrupt that arrives while another one is chained goes before it', () => {
  const TWO = ONE + 1;
  const code = { [ZERO]: [...note(1), asm.bxLr], [ONE]: [...note(2), asm.bxLr], [TWO]: [...note(3), asm.bxLr] };
  const { nvic, board, core, run, register } = withInterrupts(code, { registers: [0, 0, 0, 0, 0, 0] });
  nvic.enable(TWO);
  [0x40, 0x80, 0x60].forEach((priority, i) => nvic.setPriority(ZERO + i, priority));
  board.clock.after(cyclesLater(CYCLES.entry + code[ZERO].length + 2), () => nvic.pend(TWO));
  nvic.pend(ZERO);
  nvic.pend(ONE);
  run();
  assert.equal(register(4), 0x132);
  assert.deepEqual([core.exceptions, board.stack.deepest], [3, FRAME_BYTES]);
});

test('a board can be closed twice', () => {
  const { board, run } = bare();
  run();
  board.close();
  board.close();
});
