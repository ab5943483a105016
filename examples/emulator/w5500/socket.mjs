/** Socket 0 of the W5500 in MACRAW mode: its registers, its two rings, its commands. */
import * as r from './registers.mjs';

const REGISTERS = 48;
const KIB = 1024;
const MEMORY = 16 * KIB;
const HEADER = 2;
const SHORTEST_FRAME = 60;
const SHORTEST_SEND = 14;
const LONGEST_SEND = 1514;
const READ_ONLY = new Set([r.SN_SR, r.SN_TX_FSR, r.SN_TX_RD, r.SN_RX_RSR, r.SN_RX_WR].flatMap((at) => [at, at + 1]));
// Sn_SR is one byte: the byte after it is Sn_PORT, which may be written.
READ_ONLY.delete(r.SN_SR + 1);

/** Bytes from `from` up to `to` in pointers of 16 bits that wrap. */
const distance = (from, to) => (to - from) & 0xffff;

export class MacrawSocket {
  /**
   * @param {import('./chip.mjs').W5500} chip
   * @param {{reassertReceive?: boolean, latchMasked?: boolean}} options see the chip
   */
  constructor(chip, options) {
    this.chip = chip;
    this.options = options;
    this.registers = new Uint8Array(REGISTERS);
    this.rxMemory = new Uint8Array(MEMORY);
    this.txMemory = new Uint8Array(MEMORY);
    this.sends = [];
    this.sendAlarm = chip.clock.createAlarm(() => this.completeSend());
    this.reset();
  }

  reset() {
    this.registers.fill(0);
    this.registers[r.SN_RXBUF_SIZE] = 2;
    this.registers[r.SN_TXBUF_SIZE] = 2;
    this.registers[r.SN_IMR] = 0xff;
    this.clearPointers();
  }

  clearPointers() {
    this.txRead = this.txSent = this.rxRead = this.rxWrite = 0;
    this.sends = [];
    this.sendAlarm.cancel();
    for (const at of [r.SN_TX_WR, r.SN_RX_RD]) this.registers.fill(0, at, at + 2);
  }

  pointer(at) {
    return (this.registers[at] << 8) | this.registers[at + 1];
  }

  get rxRoom() {
    return this.registers[r.SN_RXBUF_SIZE] * KIB;
  }

  get txRoom() {
    return this.registers[r.SN_TXBUF_SIZE] * KIB;
  }

  /** Bytes received and not yet given back by RECV: Sn_RX_RSR. */
  get rxSize() {
    return distance(this.rxRead, this.rxWrite);
  }

  /** Sn_TX_FSR. */
  get txFree() {
    return this.txRoom - distance(this.txRead, this.txSent);
  }

  get open() {
    return this.registers[r.SN_SR] === r.SOCK_MACRAW;
  }

  /** Bits that ask for an interrupt. */
  get interrupts() {
    return this.registers[r.SN_IR] & this.registers[r.SN_IMR];
  }

  /** Sets bits of Sn_IR; as the datasheet has it, only those that Sn_IMR lets through. */
  raise(bits) {
    const mask = this.options.latchMasked ? 0xff : this.registers[r.SN_IMR];
    this.registers[r.SN_IR] |= bits & mask;
    this.chip.updateInterrupt();
  }

  /** The two halves of a size are read one after the other and may belong to different moments, as on the chip. */
  read(at) {
    const wide = this.computed(at & ~1);
    if (wide !== undefined) return at & 1 ? wide & 0xff : wide >> 8;
    return this.registers[at] ?? 0;
  }

  computed(at) {
    switch (at) {
      case r.SN_TX_FSR:
        return this.txFree;
      case r.SN_TX_RD:
        return this.txRead;
      case r.SN_RX_RSR:
        return this.rxSize;
      case r.SN_RX_WR:
        return this.rxWrite;
      default:
        return undefined;
    }
  }

  write(at, value) {
    if (at === r.SN_CR) {
      this.command(value);
    } else if (at === r.SN_IR) {
      this.registers[at] &= ~value;
    } else if (at < REGISTERS && !READ_ONLY.has(at)) {
      this.registers[at] = value;
    }
    this.chip.updateInterrupt();
  }

  command(code) {
    if (this.chip.fault.deaf) return;
    switch (code) {
      case r.OPEN:
        return this.openMacraw();
      case r.CLOSE:
        this.registers[r.SN_SR] = r.SOCK_CLOSED;
        return this.clearPointers();
      case r.SEND:
        return this.send();
      case r.RECV:
        return this.receiveDone();
      default:
        return this.chip.mistake(`command 0x${code.toString(16)} is not one of MACRAW`);
    }
  }

  openMacraw() {
    if ((this.registers[r.SN_MR] & r.MODE) !== r.MODE_MACRAW) {
      return this.chip.mistake(`OPEN in mode ${this.registers[r.SN_MR] & r.MODE}, only MACRAW is modelled`);
    }
    this.chip.checkBufferSizes();
    this.clearPointers();
    this.registers[r.SN_SR] = r.SOCK_MACRAW;
  }

  /** SEND: the bytes up to Sn_TX_WR become one frame. */
  send() {
    const end = this.pointer(r.SN_TX_WR);
    const length = distance(this.txSent, end);
    if (!this.open) return this.chip.mistake('SEND while the socket is not open');
    if (this.sends.length > 0) this.chip.mistake('SEND before the former SEND is complete');
    if (length < SHORTEST_SEND || length > LONGEST_SEND) this.chip.mistake(`SEND of ${length} bytes`);
    if (length > this.txFree) this.chip.mistake(`SEND of ${length} bytes into ${this.txFree} free ones`);
    this.sends.push({ start: this.txSent, end, length });
    this.txSent = end;
    if (this.sends.length === 1) this.startSend();
  }

  startSend() {
    if (this.chip.holdsSends) return;
    this.sendAlarm.schedule(this.chip.wireNanos(Math.max(SHORTEST_FRAME, this.sends[0].length)));
  }

  /** The link is back, or the fault is gone. */
  resumeSends() {
    if (this.sends.length > 0 && !this.sendAlarm.scheduled) this.startSend();
  }

  /** The frame is taken from the memory when its last byte leaves, so that overwriting it too early shows. */
  completeSend() {
    const { start, end, length } = this.sends.shift();
    const frame = new Uint8Array(Math.max(SHORTEST_FRAME, length));
    for (let i = 0; i < length; i++) frame[i] = this.txMemory[(start + i) & (this.txRoom - 1)];
    this.txRead = end;
    this.chip.sent(frame);
    this.raise(r.IR_SENDOK);
    this.resumeSends();
  }

  /** RECV: what lies before Sn_RX_RD is given back. */
  receiveDone() {
    const read = this.pointer(r.SN_RX_RD);
    const given = distance(this.rxRead, read);
    if (given > this.rxSize) {
      this.chip.mistake(`Sn_RX_RD is ${given - this.rxSize} bytes past Sn_RX_WR`);
      this.rxRead = this.rxWrite;
    } else {
      this.rxRead = read;
    }
    if (this.options.reassertReceive && this.rxSize > 0) this.raise(r.IR_RECV);
  }

  /** Stores a frame behind its two bytes of length. False if it does not fit: then it is lost as a whole. */
  store(frame) {
    const length = frame.length + HEADER;
    if (this.rxSize + length > this.rxRoom) return false;
    const put = (byte) => {
      this.rxMemory[this.rxWrite & (this.rxRoom - 1)] = byte;
      this.rxWrite = (this.rxWrite + 1) & 0xffff;
    };
    put(length >> 8);
    put(length & 0xff);
    for (const byte of frame) put(byte);
    this.raise(r.IR_RECV);
    return true;
  }
}
