/** An SPI master that drives a W5500 model byte by byte, and what a MACRAW driver does with it. */
import { Clock } from '../simulation/clock.mjs';
import { W5500 } from '../w5500/chip.mjs';
import * as r from '../w5500/registers.mjs';

export const MAC = Uint8Array.of(0x02, 0, 0, 0, 0, 0x10);
const WRITE = 0x04;

export class Master {
  /** @param {import('../w5500/chip.mjs').ChipOptions} [options] */
  constructor(options) {
    this.clock = new Clock();
    this.chip = new W5500(this.clock, options);
    this.mistakes = [];
    this.sent = [];
    /** Level of INTn after each change. */
    this.interrupts = [];
    this.chip.onMistake = (text) => this.mistakes.push(text);
    this.chip.onFrame = (frame) => this.sent.push(frame);
    this.chip.onInterrupt = (level) => this.interrupts.push(level);
  }

  /** Lets `us` microseconds pass. */
  wait(us) {
    this.clock.sleepUntil(this.clock.nanos + us * 1e3);
  }

  /** One SPI frame: three bytes of header, then `bytes`. @returns {number[]} what came back for `bytes` */
  frame(block, address, control, bytes) {
    this.chip.select();
    for (const byte of [address >> 8, address & 0xff, (block << 3) | control]) this.chip.exchange(byte);
    const answer = [...bytes].map((byte) => this.chip.exchange(byte));
    this.chip.deselect();
    return answer;
  }

  read(block, address, count = 1) {
    return this.frame(block, address, 0, new Uint8Array(count));
  }

  write(block, address, ...bytes) {
    this.frame(block, address, WRITE, bytes);
  }

  read16(address) {
    const [high, low] = this.read(r.BLOCK_SOCKET, address, 2);
    return (high << 8) | low;
  }

  write16(address, value) {
    this.write(r.BLOCK_SOCKET, address, (value >> 8) & 0xff, value & 0xff);
  }

  command(code) {
    this.write(r.BLOCK_SOCKET, r.SN_CR, code);
  }

  /** Opens socket 0 in MACRAW with all the memory, as the datasheet's 4.2 has it. */
  open(mode = r.MODE_MACRAW, kib = 16) {
    this.write(r.BLOCK_COMMON, r.SHAR, ...MAC);
    for (let n = 1; n < 8; n++) this.write(n * 4 + r.BLOCK_SOCKET, r.SN_RXBUF_SIZE, 0, 0);
    this.write(r.BLOCK_SOCKET, r.SN_RXBUF_SIZE, kib, kib);
    this.write(r.BLOCK_COMMON, r.SIMR, 1);
    this.write(r.BLOCK_SOCKET, r.SN_MR, mode);
    this.command(r.OPEN);
  }

  /** Fetches one frame, or undefined if there is none. */
  fetch() {
    if (this.read16(r.SN_RX_RSR) === 0) return undefined;
    const start = this.read16(r.SN_RX_RD);
    const [high, low] = this.read(r.BLOCK_RX, start, 2);
    const length = (high << 8) | low;
    const bytes = this.read(r.BLOCK_RX, (start + 2) & 0xffff, length - 2);
    this.write16(r.SN_RX_RD, start + length);
    this.command(r.RECV);
    return Uint8Array.from(bytes);
  }

  /** Stores a frame and sends it, without waiting for it to leave. */
  send(frame) {
    const start = this.read16(r.SN_TX_WR);
    this.write(r.BLOCK_TX, start, ...frame);
    this.write16(r.SN_TX_WR, start + frame.length);
    this.command(r.SEND);
  }

  socketInterrupts() {
    return this.read(r.BLOCK_SOCKET, r.SN_IR)[0];
  }

  clear(bits) {
    this.write(r.BLOCK_SOCKET, r.SN_IR, bits);
  }

  /** RSTn low for `us` microseconds, then the time the chip needs. */
  pulseReset(us = 500) {
    this.chip.setResetPin(false);
    this.wait(us);
    this.chip.setResetPin(true);
    this.wait(1000);
  }
}

/** A frame of `length` bytes to the chip; each byte depends on its position. */
export function frameOf(length, { to = MAC, type = [0x88, 0xb5] } = {}) {
  const frame = Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff);
  frame.set(to);
  frame.set(type, 12);
  return frame;
}
