/** The board as a whole, with programs of a few instructions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Board } from '../../boards/rp2040-w5500.mjs';
import { FirmwareStopped } from '../../simulation/firmware-stopped.mjs';
import { Master, frameOf } from '../master.mjs';
import { CODE, LOOP, SLEEP, STACK, stores, tinyElf, tinyImage } from './tiny-image.mjs';

const [WATCHDOG_CTRL, WATCHDOG_LOAD, WATCHDOG_SCRATCH1] = [0x40058000, 0x40058004, 0x40058010];
const WATCHDOG_REASON = 0x40058008;
const WATCHDOG_ENABLE = 1 << 30;
const [UART0_DATA, UART0_CONTROL] = [0x40034000, 0x40034030];
const AIRCR_RESET = [0xe000ed0c, 0x05fa0004];
const RANDOMBIT = 0x4006001c;
const gpioControl = (pin) => 0x40014004 + pin * 8;
const [SIO_OUT_SET, SIO_OUT_CLEAR, SIO_ENABLE_SET] = [0xd0000014, 0xd0000018, 0xd0000024];
const SIO_FUNCTION = 5;
const SPI_FUNCTION = 1;
const BITE_AFTER_1_MS = [[WATCHDOG_LOAD, 2000], [WATCHDOG_CTRL, WATCHDOG_ENABLE]];

const boot = (halfwords, options) => Board.boot(tinyImage(halfwords), options);

test('an image is entered through its second stage and its vector table', () => {
  const board = boot(LOOP);
  assert.equal(board.mcu.core.PC, CODE);
  assert.equal(board.mcu.core.SP, STACK);
  assert.equal(board.mcu.core.VTOR, 0x10000100);
});

test('an image whose second stage has a wrong CRC does not boot', () => {
  const image = tinyImage();
  image[10] ^= 1;
  assert.throws(() => Board.boot(image), /CRC/);
});

test('a busy program uses cycles at 125 MHz, a sleeping one none', () => {
  const busy = boot(LOOP);
  busy.run({ us: 1000 });
  assert.ok(Math.abs(busy.cycles - 125_000) < 100);
  assert.equal(busy.idle, 0);
  const asleep = boot(SLEEP);
  asleep.run({ us: 1e6 });
  assert.ok(asleep.cycles < 100);
  assert.ok(asleep.idle > 999e6);
});

test('until ends a run of a busy program within 100 us, and of a sleeping one at the event', () => {
  for (const [program, slack] of [[LOOP, 101], [SLEEP, 1]]) {
    const board = boot(program);
    let rung = false;
    board.after(5000, () => (rung = true));
    assert.equal(board.run({ us: 10_000, until: () => rung }), true);
    assert.ok(board.ns / 1e3 >= 5000 && board.ns / 1e3 < 5000 + slack);
    assert.equal(board.run({ us: 10, until: () => false }), false);
  }
});

test('until is asked every 100 us of a busy program without any event', () => {
  const board = boot(LOOP);
  assert.ok(board.run({ us: 10_000, until: () => board.cycles >= 125_000 }));
  assert.ok(board.ns < 1.11e6);
});

test('time follows the clock that the firmware chooses', () => {
  const board = boot(LOOP);
  board.mcu.writeUint32(0x40008030, 2); // clk_ref from the crystal of 12 MHz
  board.mcu.writeUint32(0x4000803c, 0); // clk_sys from clk_ref
  const before = board.cycles;
  board.run({ us: 1000 });
  assert.ok(Math.abs(board.cycles - before - 12_000) < 10);
});

test('a store to flash stops the run and says where', () => {
  const symbols = [{ name: 'main', address: CODE | 1, size: 64, isFunction: true }];
  const board = Board.boot(tinyElf(tinyImage(stores([[0x10000000, 1]])), symbols));
  assert.throws(() => board.run({ us: 100 }), (error) => {
    assert.ok(error instanceof FirmwareStopped);
    assert.match(error.reason, /store to flash 0x10000000/);
    assert.equal(error.function, 'main');
    return true;
  });
});

test('a watchdog that is not fed stops the run, and is fed in time by a load', () => {
  const board = boot(stores(BITE_AFTER_1_MS, SLEEP));
  board.run({ us: 900 });
  board.mcu.writeUint32(WATCHDOG_LOAD, 2000);
  board.run({ us: 900 });
  assert.equal(board.watchdog.feeds, 2);
  assert.ok(Math.abs(board.watchdog.longestGapUs - 900) < 1);
  assert.equal(board.watchdog.timeoutUs, 1000);
  assert.throws(() => board.run({ us: 200 }), /reset by watchdog/);
});

test('a reboot by the watchdog keeps flash, SRAM and scratch, and the firmware can read the reason', () => {
  const board = boot(stores(BITE_AFTER_1_MS, SLEEP), { onReset: 'reboot' });
  board.mcu.writeUint32(WATCHDOG_SCRATCH1, 77);
  board.mcu.sram[0x100] = 0x5a;
  board.mcu.flash[0x1ff000] = 0xa5;
  const start = board.ns;
  board.run({ us: 1500 });
  assert.deepEqual(board.resets.map(({ reason }) => reason), ['watchdog']);
  assert.equal(board.mcu.readUint32(WATCHDOG_SCRATCH1), 77);
  assert.equal(board.mcu.readUint32(WATCHDOG_REASON), 1);
  assert.equal(board.mcu.sram[0x100], 0x5a);
  assert.equal(board.mcu.flash[0x1ff000], 0xa5);
  assert.ok(Math.abs(board.ns - start - 1.5e6) < 20);
  board.run({ us: 1000 });
  assert.equal(board.resets.length, 2);
});

test('SYSRESETREQ reboots, and is not taken for the watchdog', () => {
  const board = boot(stores([AIRCR_RESET]), { onReset: 'reboot' });
  board.run({ us: 1, until: () => board.resets.length > 0 });
  assert.equal(board.resets[0].reason, 'SYSRESETREQ');
  assert.equal(board.mcu.readUint32(WATCHDOG_REASON), 0);
});

test('a watchdog that ran before a reboot does not reset the board after it', () => {
  const board = boot(SLEEP);
  board.mcu.writeUint32(WATCHDOG_LOAD, 2000);
  board.mcu.writeUint32(WATCHDOG_CTRL, WATCHDOG_ENABLE);
  board.reboot();
  board.run({ us: 5000 });
  assert.equal(board.resets.length, 1);
});

test('a chip that asks for an interrupt does so over a reboot', () => {
  const board = boot(SLEEP);
  const levels = () => [21, 15].map((pin) => board.mcu.gpio[pin].rawInputValue);
  assert.deepEqual(levels(), [true, true]);
  Object.assign(Object.create(Master.prototype), { clock: board.clock, chip: board.ports[1].chip }).open();
  board.ports[1].send(frameOf(60));
  board.run({ us: 100 });
  assert.deepEqual(levels(), [true, false]);
  board.reboot();
  assert.deepEqual(levels(), [true, false]);
});

test('cycles go on over a reboot, and the frames on the wires too', () => {
  const board = boot(LOOP);
  board.run({ us: 100 });
  const sent = board.lan.send(new Uint8Array(60));
  board.reboot();
  const { cycles } = board;
  assert.ok(cycles > 12_400);
  board.run({ us: 100 });
  assert.ok(board.cycles > cycles + 12_000);
  assert.equal(sent.outcome, 'closed');
  assert.equal(board.resets[0].reason, 'test');
});

test('the LED is observed', () => {
  const led = 1 << 25;
  const program = [[gpioControl(25), SIO_FUNCTION], [SIO_ENABLE_SET, led], [SIO_OUT_SET, led], [SIO_OUT_CLEAR, led]];
  const board = boot(stores(program, SLEEP));
  board.run({ us: 100 });
  assert.deepEqual(board.led.changes.map(({ level }) => level), [true, false]);
  assert.equal(board.led.level, false);
});

test('the log has what the UART sent', () => {
  const board = boot(stores([[UART0_CONTROL, 0x301], [UART0_DATA, 0x48], [UART0_DATA, 0x69]], SLEEP));
  board.run({ us: 1000 });
  assert.equal(board.log, 'Hi');
});

function randomBits(options) {
  const board = boot(LOOP, options);
  return Array.from({ length: 64 }, () => board.mcu.readUint32(RANDOMBIT)).join('');
}

test('the bits of the ring oscillator follow the seed, or the function that is given', () => {
  assert.equal(randomBits({ seed: 1 }), randomBits({ seed: 1 }));
  assert.notEqual(randomBits({ seed: 1 }), randomBits({ seed: 2 }));
  assert.equal(randomBits({ randomBit: () => 1 }), '1'.repeat(64));
});

test('SRAM at power-up is noise that follows the seed', () => {
  const sram = (seed) => Buffer.from(boot(LOOP, { seed }).mcu.sram.subarray(0, 0x1000));
  assert.ok(sram(1).equals(sram(1)));
  assert.ok(!sram(1).equals(sram(2)));
  assert.ok(new Set(sram(1)).size > 200);
});

test('SPI0 reads the version of the chip, a byte each eight and a half to ten bits', () => {
  const board = boot(SLEEP);
  const { mcu } = board;
  for (const pin of [16, 18, 19]) mcu.writeUint32(gpioControl(pin), SPI_FUNCTION);
  mcu.writeUint32(gpioControl(17), SIO_FUNCTION);
  mcu.writeUint32(SIO_OUT_SET, 1 << 17);
  mcu.writeUint32(SIO_ENABLE_SET, 1 << 17);
  mcu.writeUint32(0x4003c000, 7); // SSPCR0: 8 bits, mode 0
  mcu.writeUint32(0x4003c010, 4); // SSPCPSR: 125 MHz / 4
  mcu.writeUint32(0x4003c004, 2); // SSPCR1: enable
  mcu.writeUint32(SIO_OUT_CLEAR, 1 << 17);
  for (const byte of [0x00, 0x39, 0x00, 0x00]) mcu.writeUint32(0x4003c008, byte);
  const start = board.ns;
  const busy = () => mcu.readUint32(0x4003c00c) & 0x10;
  assert.ok(board.run({ us: 10, until: () => !busy() }));
  assert.ok(Math.abs(board.ns - start - 4 * 9.5 * 32) < 1);
  mcu.writeUint32(SIO_OUT_SET, 1 << 17);
  assert.deepEqual([0, 1, 2, 3].map(() => mcu.readUint32(0x4003c008)), [1, 2, 3, 4]);
  assert.deepEqual(board.mistakes, []);
});

/** Selects the chip on SPI0 with the SPI set up as given, and returns what was wrong. */
function mistakesOf({ muxed = true, control0 = 7, divisor = 4 }) {
  const board = boot(SLEEP);
  const { mcu } = board;
  for (const pin of muxed ? [16, 18, 19] : []) mcu.writeUint32(gpioControl(pin), SPI_FUNCTION);
  mcu.writeUint32(0x4003c000, control0);
  mcu.writeUint32(0x4003c010, divisor);
  mcu.writeUint32(gpioControl(17), SIO_FUNCTION);
  mcu.writeUint32(SIO_ENABLE_SET, 1 << 17);
  return board.mistakes.map(({ text }) => text);
}

test('pins that are not muxed, a fast clock, a wrong mode and a wrong word are mistakes', () => {
  assert.deepEqual(mistakesOf({}), []);
  assert.match(mistakesOf({ muxed: false }).join(), /sck \(GPIO18\).*mosi \(GPIO19\).*miso \(GPIO16\)/);
  assert.match(mistakesOf({ divisor: 2 }).join(), /62.50 MHz/);
  assert.match(mistakesOf({ control0: 0x87 }).join(), /mode is neither 0 nor 3/);
  assert.match(mistakesOf({ control0: 15 }).join(), /16 bits/);
});

test('SCSn raised before the last byte is through is a mistake', () => {
  const board = boot(SLEEP);
  const { mcu } = board;
  for (const pin of [16, 18, 19]) mcu.writeUint32(gpioControl(pin), SPI_FUNCTION);
  mcu.writeUint32(0x4003c000, 7);
  mcu.writeUint32(0x4003c010, 4);
  mcu.writeUint32(0x4003c004, 2);
  mcu.writeUint32(gpioControl(17), SIO_FUNCTION);
  mcu.writeUint32(SIO_ENABLE_SET, 1 << 17);
  mcu.writeUint32(0x4003c008, 0);
  mcu.writeUint32(SIO_OUT_SET, 1 << 17);
  assert.deepEqual(board.mistakes.map(({ text }) => text), ['SCSn raised while a byte is on the wire']);
});

test('with strict a mistake stops the run', () => {
  const board = boot(stores([[gpioControl(17), SIO_FUNCTION], [SIO_ENABLE_SET, 1 << 17]]), { strict: true });
  assert.throws(() => board.run({ us: 100 }), /spi0: sck/);
});

test('lan and wan are the ports that the options name', () => {
  for (const lan of [0, 1]) {
    const board = boot(LOOP, { lan });
    assert.equal(board.lan, board.ports[lan]);
    assert.equal(board.wan, board.ports[1 - lan]);
  }
});

test('the profile names the functions, and its sum is the cycles that were used', () => {
  const symbols = [
    { name: 'start', address: CODE | 1, size: 2, isFunction: true },
    { name: 'forever', address: (CODE + 2) | 1, size: 2, isFunction: true },
  ];
  const board = Board.boot(tinyElf(tinyImage([0xbf00, ...LOOP]), symbols));
  const before = board.cycles;
  board.profile.start();
  board.run({ us: 100 });
  board.profile.stop();
  const used = board.cycles - before;
  const { cycles, functions, exceptions } = board.profile.report();
  assert.equal(cycles, used);
  assert.deepEqual(functions, [{ name: 'forever', cycles: used - 1 }, { name: 'start', cycles: 1 }]);
  assert.equal(exceptions, 0);
  board.run({ us: 100 });
  assert.equal(board.profile.report().cycles, used);
});

test('the profile counts a handler for itself, and what its exception costs apart', () => {
  const [ISER, ISPR, IRQ] = [0xe000e100, 0xe000e200, 26];
  const pairs = [[ISER, 1 << IRQ], [ISPR, 1 << IRQ]];
  const handler = CODE + (pairs.length * 3 + LOOP.length) * 2;
  const code = stores(pairs, [...LOOP, 0x4770]);
  const symbols = [{ name: 'handler', address: handler | 1, size: 2, isFunction: true }];
  const board = Board.boot(tinyElf(tinyImage(code, { [16 + IRQ]: handler }), symbols));
  board.profile.start();
  board.run({ us: 1 });
  const { functions, exceptions } = board.profile.report();
  const cyclesOf = (wanted) => functions.find(({ name }) => name === wanted)?.cycles;
  assert.equal(exceptions, 1);
  assert.equal(cyclesOf('handler'), 2);
  assert.equal(cyclesOf('[exception entry and return]'), 15 + 13);
});

test('the profile goes on over a reboot', () => {
  const board = boot(LOOP);
  board.profile.start();
  board.reboot();
  const { cycles } = board.profile.report();
  board.run({ us: 100 });
  assert.ok(board.profile.report().cycles > cycles + 12_000);
});

test('the deepest stack is that since boot', () => {
  const board = boot([0xb0a0, 0xb020, ...LOOP]); // sub sp, #128; add sp, #128
  board.run({ us: 10 });
  assert.deepEqual(board.stack, { top: STACK, lowest: STACK - 128, deepest: 128 });
});
