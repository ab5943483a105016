/**
 * SPI1 as the master of one device (RM0433, chapter 50): bytes through its FIFOs, or by DMA. A transfer by DMA takes the
 * time of its bytes, and moves them at its end.
 */
import { NotModelled } from '../registers.mjs';

const FIFO_BYTES = 16;
const REQUEST = { receive: 37, transmit: 38 };
/** CR1. */
const [ENABLE, START, SUSPEND, SSI] = [1 << 0, 1 << 9, 1 << 10, 1 << 12];
/** CFG1. */
const [RECEIVE_DMA, TRANSMIT_DMA] = [1 << 14, 1 << 15];
const CFG1_RESET = 0x00070007;
const CFG1_KNOWN = 0x1f | (7 << 28) | RECEIVE_DMA | TRANSMIT_DMA;
const BYTES = 7;
/** CFG2: where COMM is, its values, and what is modelled. */
const COMM_AT = 17;
const [FULL_DUPLEX, RECEIVER] = [0, 2];
const [MASTER, PHASE, POLARITY, SSM, SSIOP, SSOE, AFCNTR] = [
  1 << 22,
  1 << 24,
  1 << 25,
  1 << 26,
  1 << 28,
  1 << 29,
  1 << 31,
];
const CFG2_KNOWN = MASTER | PHASE | POLARITY | SSM | SSIOP | SSOE | AFCNTR | (3 << COMM_AT);
/** SR. */
const [RXP, TXP, EOT, OVR, TXC] = [1 << 0, 1 << 1, 1 << 3, 1 << 6, 1 << 12];

export class Spi {
  /**
   * @param {import('../bus.mjs').Bus} bus
   * @param {{clock: object, rcc: object, dma: object, skipToNextEvent: () => void}} machine
   */
  constructor(bus, machine) {
    Object.assign(this, machine);
    this.block = bus.add('SPI1', 0x40013000);
    /** Called with each byte; returns the byte that came meanwhile. */
    this.exchange = () => 0xff;
    this.empty();
    this.flags = 0;
    /** What the last read of SR gave, if nothing else has been done since. */
    this.polled = undefined;
    this.moving = false;
    this.byteDone = this.clock.createAlarm(() => this.endByte());
    this.transferDone = this.clock.createAlarm(() => this.endTransfer());
    this.declare();
    this.dma.onStart = () => this.beginTransfer();
    this.block.onReset = () => this.disable();
  }

  declare() {
    const { block } = this;
    this.control = block.register('CR1', 0x00, {
      known: ENABLE | START | SUSPEND | SSI,
      write: (value, before) => this.command(value, before),
    });
    this.size = block.register('CR2', 0x04, { known: 0xffff });
    this.format = block.register('CFG1', 0x08, { reset: CFG1_RESET, known: CFG1_KNOWN });
    this.mode = block.register('CFG2', 0x0c, { known: CFG2_KNOWN });
    block.register('IER', 0x10, { known: 0 });
    block.register('SR', 0x14, { known: 0, read: () => this.status() });
    block.register('IFCR', 0x18, { read: () => 0, write: (value) => (this.flags &= ~value) });
    const data = block.register('TXDR', 0x20, { write: (value, _, size) => this.fill(value, size) });
    data.narrow = true;
    block.register('RXDR', 0x30, { read: (size) => this.fetch(size) });
    block.register('I2SCFGR', 0x50, { known: 0 });
  }

  empty() {
    this.toSend = [];
    this.received = [];
  }

  /** Hertz of SCK. */
  get frequency() {
    return this.rcc.spi1 / (2 << this.format.field(28, 3));
  }

  get polarityAndPhase() {
    return (this.mode.has(POLARITY) ? 2 : 0) | (this.mode.has(PHASE) ? 1 : 0);
  }

  get wordBits() {
    return this.format.field(0, 5) + 1;
  }

  get byteNanos() {
    return 8e9 / this.frequency;
  }

  get started() {
    return this.control.has(ENABLE) && this.control.has(START);
  }

  command(value, before) {
    this.polled = undefined;
    if (!(value & ENABLE)) this.disable();
    else if (!(before & ENABLE)) this.enable();
    if (value & SUSPEND) this.control.value &= ~(START | SUSPEND);
    this.beginTransfer();
    this.beginByte();
  }

  enable() {
    if (!this.mode.has(MASTER)) throw new NotModelled('SPI1 as a slave');
    if (this.wordBits !== BYTES + 1) throw new NotModelled(`SPI words of ${this.wordBits} bits`);
    this.flags = 0;
  }

  disable() {
    this.control.value &= ~(START | SUSPEND);
    this.empty();
    this.moving = false;
    this.byteDone.cancel();
    this.transferDone.cancel();
  }

  status() {
    const seen = this.currentStatus;
    // Who reads the same again polls, and need not do so again and again: time goes on to the next event.
    if (this.moving && seen === this.polled) this.skipToNextEvent();
    this.polled = this.currentStatus;
    return this.polled;
  }

  get currentStatus() {
    const ended = !this.moving && this.toSend.length === 0;
    const received = this.received.length > 0 ? RXP : 0;
    const room = this.toSend.length < FIFO_BYTES ? TXP : 0;
    return this.flags | received | room | (ended ? TXC : 0);
  }

  // Bytes through the FIFOs.

  fill(value, size) {
    this.polled = undefined;
    for (let i = 0; i < size; i++) this.toSend.push((value >>> (8 * i)) & 0xff);
    if (this.toSend.length > FIFO_BYTES) throw new NotModelled('more bytes in the FIFO of SPI1 than it holds');
    this.beginByte();
  }

  fetch(size) {
    this.polled = undefined;
    return this.received.splice(0, size).reduce((value, byte, i) => (value | (byte << (8 * i))) >>> 0, 0);
  }

  beginByte() {
    if (this.moving || !this.started || this.toSend.length === 0) return;
    this.moving = true;
    this.answer = this.exchange(this.toSend.shift());
    this.byteDone.schedule(this.byteNanos);
  }

  endByte() {
    this.moving = false;
    if (this.received.length < FIFO_BYTES) this.received.push(this.answer);
    else this.flags |= OVR;
    this.beginByte();
  }

  // Transfers by DMA.

  beginTransfer() {
    if (this.moving || !this.started) return;
    const onlyReceives = this.mode.field(COMM_AT, 2) === RECEIVER;
    if (!onlyReceives && this.mode.field(COMM_AT, 2) !== FULL_DUPLEX) throw new NotModelled('SPI1 on one line');
    const receive = this.format.has(RECEIVE_DMA) ? this.dma.serving(REQUEST.receive) : undefined;
    const transmit = !onlyReceives && this.format.has(TRANSMIT_DMA) ? this.dma.serving(REQUEST.transmit) : undefined;
    const leader = onlyReceives ? receive : transmit;
    if (!leader) return;
    this.moving = true;
    this.transfer = { receive, transmit, count: leader.count.value };
    this.transferDone.schedule(this.transfer.count * this.byteNanos);
  }

  endTransfer() {
    const { receive, transmit, count } = this.transfer;
    const [source, target] = [transmit?.bytes, receive?.bytes];
    for (let i = 0; i < count; i++) {
      const byte = this.exchange(source ? source[transmit.increments ? i : 0] : 0);
      if (target) target[receive.increments ? i : 0] = byte;
    }
    if (!receive) this.keepLast(count);
    this.moving = false;
    for (const stream of [receive, transmit]) if (stream) this.dma.finish(stream);
    if (this.size.value > 0) {
      this.flags |= EOT;
      this.control.value &= ~START;
    }
  }

  /** What nobody fetched fills the FIFO. */
  keepLast(count) {
    const room = FIFO_BYTES - this.received.length;
    for (let i = 0; i < Math.min(room, count); i++) this.received.push(0);
    if (count > room) this.flags |= OVR;
  }
}
