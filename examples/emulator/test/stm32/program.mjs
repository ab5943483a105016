/** Runs a few hand-assembled Thumb instructions on an STM32H743 with nothing connected but the Ethernet MAC's wire. */
import { Stm32Board } from '../../stm32/board.mjs';
import { REGISTER } from '../../stm32/cpu/unicorn.mjs';
import { Mac } from '../../stm32/ethernet/mac.mjs';
import { Port } from '../../wire/port.mjs';

export const FLASH = 0x08000000;
export const MAIN = FLASH + 0x400;
const HANDLERS = FLASH + 0x1000;
const HANDLER_BYTES = 0x40;
const VECTORS = 0x100;
export const STACK = 0x20008000;
/** Memory for results. */
export const DATA = 0x24000000;
const IMAGE_BYTES = 0x8000;

const SELF = 0xe7fe;
/** Encodings; registers are numbers. */
export const asm = {
  nop: 0xbf00,
  wfe: 0xbf20,
  wfi: 0xbf30,
  sev: 0xbf40,
  self: SELF,
  bxLr: 0x4770,
  cpsid: 0xb672,
  svc: 0xdf00,
  bkpt: 0xbe00,
  udf: 0xde00,
  pushLr: 0xb500,
  popPc: 0xbd00,
  movs: (d, value) => 0x2000 | (d << 8) | value,
  adds: (d, value) => 0x3000 | (d << 8) | value,
  ldr: (t, n) => 0x6800 | (n << 3) | t,
  str: (t, n) => 0x6000 | (n << 3) | t,
  ldrh: (t, n) => 0x8800 | (n << 3) | t,
  strh: (t, n) => 0x8000 | (n << 3) | t,
  bx: (m) => 0x4700 | (m << 3),
  push: (registers) => 0xb400 | registers,
};

export const handlerOf = (exception) => HANDLERS + HANDLER_BYTES * exception;

/** @param {Record<string, number[]>} code halfwords: `main`, and handlers by the number of their exception */
function image(code) {
  const bytes = Buffer.alloc(IMAGE_BYTES, 0xff);
  const put = (address, halfwords) =>
    halfwords.forEach((halfword, i) => bytes.writeUInt16LE(halfword, address - FLASH + 2 * i));
  bytes.writeUInt32LE(STACK, 0);
  for (let exception = 1; exception < VECTORS; exception++) {
    bytes.writeUInt32LE(handlerOf(exception) | 1, 4 * exception);
    put(handlerOf(exception), code[exception] ?? [SELF]);
  }
  bytes.writeUInt32LE(MAIN | 1, 4);
  put(MAIN, [...(code.main ?? []), SELF]);
  return bytes;
}

class BareBoard extends Stm32Board {
  makePorts() {
    const mac = new Mac(this.clock, this.options.phy);
    const wan = new Port('eth', this.clock, mac);
    mac.onMistake = (text) => this.addMistake(wan, text);
    return { ports: [wan], wan, mac };
  }
}

/** A board with these bytes in its flash. */
export const boardOf = (bytes, options) => BareBoard.boot(bytes, options);

/**
 * @param {Record<string, number[]>} [code]
 * @param {{registers?: number[]}} [options] r0 and on at the start, and those of the board
 */
export function bare(code = {}, { registers = [], ...options } = {}) {
  const board = boardOf(image(code), options);
  const { machine, memory } = board;
  registers.forEach((value, i) => machine.core.engine.set(REGISTER.r0 + i, value));
  const run = (us = 10) => board.run({ us });
  const register = (i) => machine.core.engine.get(REGISTER.r0 + i);
  return { board, machine, memory, core: machine.core, nvic: machine.nvic, bus: machine.bus, run, register };
}

/** What `bare` returns for a board that stands still, whose bus the test drives. */
export function standing(options) {
  const bareBoard = bare({ main: [asm.cpsid] }, options);
  const { bus } = bareBoard;
  const read = (address) => bus.read(address, 4);
  const write = (address, value) => bus.write(address, 4, value >>> 0);
  return { ...bareBoard, read, write };
}
