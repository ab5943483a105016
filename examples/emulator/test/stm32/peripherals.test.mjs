/** Clocks, power, pins, timer, watchdog, RNG, SPI and DMA, against the reference manual. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DATA, standing, STACK } from './program.mjs';

const RCC = 0x58024400;
const [CR, CFGR, D1CFGR, D2CFGR, PLLCKSELR, PLLCFGR, PLL1DIVR] = [0x00, 0x10, 0x18, 0x1c, 0x28, 0x2c, 0x30].map(
  (at) => RCC + at,
);
const ENABLE = {
  AHB1: RCC + 0xd8,
  AHB2: RCC + 0xdc,
  AHB4: RCC + 0xe0,
  APB1: RCC + 0xe8,
  APB2: RCC + 0xf0,
  APB4: RCC + 0xf4,
};
const RSR = RCC + 0xd0;
const HSI48 = 1 << 12;
const NVIC = { timer: 43, rng: 80, exti10: 40, dma0: 11, dma1: 12 };

/** A board with the clocks of the firmware: 400 MHz from HSI by PLL1, 200 MHz for the buses. */
function fast() {
  const all = standing();
  const { write } = all;
  write(0x58024818, 3 << 14);
  write(0x52002000, 0x22);
  write(PLLCKSELR, 4 << 4);
  write(PLLCFGR, 0x1fb000c);
  write(PLL1DIVR, 49 | (1 << 9) | (12 << 16) | (1 << 24));
  write(CR, 0x01001083 | HSI48);
  write(D1CFGR, 0x48);
  write(D2CFGR, 0x440);
  write(CFGR, 3);
  write(ENABLE.AHB1, 1);
  write(ENABLE.AHB2, 1 << 6);
  write(ENABLE.AHB4, 0x7ff);
  write(ENABLE.APB1, 1 << 6);
  write(ENABLE.APB2, 1 << 12);
  write(ENABLE.APB4, 1 << 1);
  return all;
}

const highLine = ({ nvic }, line) => nvic.high.has(line + 16);

test('after reset the core runs at 64 MHz, and at the frequency of the PLL when that is selected', () => {
  const { machine, board } = standing();
  assert.deepEqual([machine.rcc.core, board.nanosPerCycle], [64e6, 15.625]);
  const faster = fast();
  const { rcc } = faster.machine;
  assert.deepEqual([rcc.core, rcc.ahb, rcc.timer1], [400e6, 200e6, 200e6]);
  assert.equal(Math.round(rcc.spi1 / 1e3), 61_538);
  assert.equal(faster.board.nanosPerCycle, 2.5);
  assert.deepEqual(faster.board.mistakes, []);
});

test('the source and the divider of a PLL that runs cannot be changed', () => {
  const { write, machine } = fast();
  write(PLLCKSELR, 0);
  assert.equal(machine.rcc.core, 400e6);
});

test('too fast for its voltage, and for the wait states of the flash, are mistakes', () => {
  const { write, board } = fast();
  write(CFGR, 0);
  write(0x58024818, 2 << 14);
  write(CFGR, 3);
  write(CFGR, 0);
  write(0x58024818, 3 << 14);
  write(0x52002000, 0x21);
  write(CFGR, 3);
  assert.deepEqual(
    board.mistakes.map(({ text }) => text),
    [
      'the core runs at 400 MHz, its voltage allows 300',
      'the flash is read at 200 MHz, its wait states allow 165',
      'the flash is read at 200 MHz, its wait states allow 140',
    ],
  );
});

test('RSR has the reason of the reset until it is cleared', () => {
  const { board, write } = standing();
  const flags = () => board.machine.bus.read(RSR, 4);
  assert.equal(flags(), 0x00fa0000);
  write(RSR, 1 << 16);
  assert.equal(flags(), 0);
  board.reboot('watchdog');
  assert.equal(flags(), 0x04420000);
  board.reboot('SYSRESETREQ');
  assert.equal(flags(), 0x05420000, 'both, as nobody has cleared the first');
});

test('a peripheral that RCC resets has its registers as after power-up', () => {
  const { read, write } = fast();
  write(0x40001828, 199);
  write(RCC + 0x90, 1 << 6);
  assert.equal(read(0x40001828), 0);
  assert.throws(() => write(RCC + 0x90, 1 << 5), /the reset of a peripheral/);
});

test('a reset keeps RAM', () => {
  const { board, memory } = standing();
  memory.setWord(DATA, 0x12345678);
  board.reboot();
  assert.equal(memory.word(DATA), 0x12345678);
});

// TIM12.

const TIM = 0x40001800;
function timer() {
  const all = fast();
  all.write(TIM + 0x28, 199);
  all.write(TIM + 0x14, 1);
  all.write(TIM + 0x00, 1);
  return all;
}

test('the timer counts microseconds and wraps after 65,536', () => {
  const { read, run } = timer();
  assert.equal(read(TIM + 0x24), 0);
  run(1000);
  assert.ok(Math.abs(read(TIM + 0x24) - 1000) <= 1);
  run(65_000);
  assert.ok(Math.abs(read(TIM + 0x24) - 464) <= 1);
  assert.equal(read(TIM + 0x10) & 1, 1, 'the overflow is flagged');
});

test('a match of the compare register raises the interrupt at its time, and a zero clears it', () => {
  const all = timer();
  const { write, read, run } = all;
  write(TIM + 0x34, 500);
  write(TIM + 0x0c, 2);
  run(499);
  assert.equal(highLine(all, NVIC.timer), false);
  run(2);
  assert.equal(highLine(all, NVIC.timer), true);
  write(TIM + 0x10, ~2);
  assert.equal(highLine(all, NVIC.timer), false);
  assert.equal(read(TIM + 0x10) & 2, 0);
  run(65_536);
  assert.equal(highLine(all, NVIC.timer), true, 'again after a round');
});

test('a match that is not enabled is flagged all the same', () => {
  const all = timer();
  all.write(TIM + 0x38, 100);
  all.run(200);
  assert.equal(all.read(TIM + 0x10) & 4, 4);
  assert.equal(highLine(all, NVIC.timer), false);
});

// IWDG1.

const IWDG = 0x58004800;

test('the watchdog needs its key, counts at 32 kHz, and resets the chip unless it is fed', () => {
  const { board, write, run } = standing({ onReset: 'reboot' });
  write(IWDG + 8, 1);
  assert.match(board.mistakes[0].text, /without the key/);
  for (const [at, value] of [
    [0, 0x5555],
    [4, 3],
    [8, 999],
    [0, 0xcccc],
  ])
    write(IWDG + at, value);
  assert.equal(board.watchdog.timeoutUs, 1e6);
  run(900_000);
  write(IWDG, 0xaaaa);
  run(900_000);
  assert.equal(board.resets.length, 0);
  assert.equal(Math.round(board.watchdog.longestGapUs), 900_000);
  run(200_000);
  assert.deepEqual(
    board.resets.map(({ reason }) => reason),
    ['watchdog'],
  );
});

// RNG.

const RNG = 0x48021800;

test('the RNG gives numbers that the seed decides, and only with its clock', () => {
  const all = fast();
  const { read, write } = all;
  assert.equal(read(RNG + 4) & 1, 0);
  write(RNG, 1 << 2);
  assert.equal(read(RNG + 4) & 1, 1);
  assert.notEqual(read(RNG + 8), read(RNG + 8));
  write(RNG, (1 << 2) | (1 << 3));
  assert.equal(highLine(all, NVIC.rng), true);
  write(CR, 0x01000083);
  assert.throws(() => read(RNG + 8), /the RNG without its clock/);
});

// GPIO and EXTI.

const GPIOD = 0x58020c00;
const [SYSCFG, EXTI] = [0x58000400, 0x58000000];

test('a pin drives what is connected only while it is an output', () => {
  const { machine, write } = fast();
  const levels = [];
  machine.gpio.connect('D14', { idle: 1, onLevel: (level) => levels.push(level) });
  write(GPIOD + 0x18, 1 << 30);
  assert.deepEqual(levels, []);
  write(GPIOD, (0xffffffff & ~(3 << 28)) | (1 << 28));
  write(GPIOD + 0x18, 1 << 14);
  write(GPIOD, 0xffffffff);
  assert.deepEqual(levels, [false, true]);
});

test('an edge of the selected port interrupts, of another port it does not', () => {
  const all = fast();
  const { machine, read, write } = all;
  for (const pin of ['D15', 'E15']) machine.gpio.connect(pin, { idle: 1 });
  write(SYSCFG + 0x14, 3 << 12);
  write(EXTI + 4, 1 << 15);
  write(EXTI + 0x80, 1 << 15);
  machine.gpio.drive('E15', false);
  assert.equal(highLine(all, NVIC.exti10), false);
  machine.gpio.drive('D15', false);
  assert.equal(highLine(all, NVIC.exti10), true);
  assert.equal(read(GPIOD + 0x10) >>> 15, 0);
  write(EXTI + 0x88, 1 << 15);
  assert.equal(highLine(all, NVIC.exti10), false);
  machine.gpio.drive('D15', true);
  assert.equal(highLine(all, NVIC.exti10), false, 'only falling edges');
});

// SPI1 and DMA1.

const SPI = 0x40013000;
const [CR1, CFG1, CFG2, SR, TXDR, RXDR] = [0x00, 0x08, 0x0c, 0x14, 0x20, 0x30].map((at) => SPI + at);
const [RXP, TXP, OVR, TXC] = [1, 2, 1 << 6, 1 << 12];
const BYTE_NANOS = (8e9 * 26) / 800e6;
const DMA = 0x40020000;
const MUX = 0x40020800;

function spi() {
  const all = fast();
  const sent = [];
  all.machine.spi.exchange = (byte) => {
    sent.push(byte);
    return byte ^ 0xff;
  };
  all.write(CFG2, (1 << 22) | (3 << 24));
  all.write(CFG1, 7);
  all.write(CR1, 1);
  return { ...all, sent, writeByte: (byte) => all.bus.write(TXDR, 1, byte), readByte: () => all.bus.read(RXDR, 1) };
}

test('a byte takes eight periods of SCK, and the answer is in the FIFO then', () => {
  const { board, writeByte, readByte, write, read, sent } = spi();
  const start = board.ns;
  writeByte(0x5a);
  assert.deepEqual(sent, [], 'not started');
  write(CR1, 1 | (1 << 9));
  while (!(read(SR) & RXP));
  assert.ok(Math.abs(board.ns - start - BYTE_NANOS) < 10, `${board.ns - start} ns`);
  assert.equal(readByte(), 0xa5);
  assert.equal(read(SR) & (RXP | TXP | TXC), TXP | TXC);
});

test('the receive FIFO overruns after 16 bytes, until SPI is enabled again', () => {
  const { writeByte, write, read } = spi();
  write(CR1, 1 | (1 << 9));
  for (let i = 0; i < 17; i++) {
    writeByte(i);
    while (!(read(SR) & TXC));
    if (i === 15) assert.equal(read(SR) & OVR, 0);
  }
  assert.equal(read(SR) & OVR, OVR);
  write(CR1, 0);
  write(CR1, 1);
  assert.equal(read(SR) & (OVR | RXP), 0);
});

test('words of other lengths, and a slave, stop the run', () => {
  const { write } = spi();
  write(CR1, 0);
  write(CFG1, 15);
  assert.throws(() => write(CR1, 1), /SPI words of 16 bits/);
  write(CR1, 0);
  write(CFG1, 7);
  write(CFG2, 0);
  assert.throws(() => write(CR1, 1), /SPI1 as a slave/);
});

/** Streams 0 and 1 receive and transmit `count` bytes. */
function transfer(all, { from, to, count }) {
  const { write } = all;
  const stream = (number, { request, memory, control }) => {
    write(MUX + 4 * number, request);
    write(DMA + 0x10 + 0x18 * number + 4, count);
    write(DMA + 0x10 + 0x18 * number + 12, memory);
    write(DMA + 0x10 + 0x18 * number, control | (1 << 4) | (1 << 10) | 1);
  };
  write(CR1, 0);
  write(CFG1, 7 | (3 << 14));
  stream(0, { request: 37, memory: to, control: 0 });
  stream(1, { request: 38, memory: from, control: 1 << 6 });
  write(CR1, 1);
  write(CR1, 1 | (1 << 9));
}

test('DMA moves bytes both ways, takes their time, and interrupts', () => {
  const all = spi();
  const { memory, run, read, write, sent } = all;
  [0x03020100, 0x07060504].forEach((word, i) => memory.setWord(DATA + 4 * i, word));
  transfer(all, { from: DATA, to: DATA + 0x100, count: 8 });
  run((7 * BYTE_NANOS) / 1e3);
  assert.equal(highLine(all, NVIC.dma1), false);
  run((2 * BYTE_NANOS) / 1e3);
  assert.deepEqual(sent, [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(memory.word(DATA + 0x100), 0xfcfdfeff);
  assert.deepEqual([highLine(all, NVIC.dma0), highLine(all, NVIC.dma1)], [true, true]);
  assert.equal(read(DMA + 0x10) & 1, 0, 'the stream is off');
  write(DMA + 8, 0x3d | (0x3d << 6));
  assert.deepEqual([highLine(all, NVIC.dma0), highLine(all, NVIC.dma1)], [false, false]);
});

test('DMA to the DTCM, and any with the D-cache on, stop the run', () => {
  const reason = (prepare, to) => {
    const all = spi();
    prepare(all);
    transfer(all, { from: DATA, to, count: 4 });
    try {
      all.run(10);
    } catch (error) {
      return error.reason;
    }
    return 'ran';
  };
  assert.match(
    reason(() => {}, STACK - 0x100),
    /4 bytes at 0x20007f00 in DTCM, which DMA1 does not reach/,
  );
  assert.match(
    reason(({ write }) => write(0xe000ed14, 1 << 16), DATA),
    /DMA while the D-cache is on/,
  );
  assert.equal(
    reason(() => {}, DATA),
    'ran',
  );
});

test('units other than bytes, and circular transfers, stop the run', () => {
  const { write } = fast();
  assert.throws(() => write(DMA + 0x10, 1 << 13), /bits 0x2000 of DMA1.S0CR/);
  assert.throws(() => write(DMA + 0x10, 1 << 8), /bits 0x100 of DMA1.S0CR/);
});
