/** The DMA of the Ethernet MAC: its two rings of descriptors in memory (RM0433, sections 58.4.2 and 58.10). */
import { NotModelled } from '../registers.mjs';

const DESCRIPTOR_BYTES = 16;
const OWN = 0x80000000;
const [FIRST, LAST] = [0x20000000, 0x10000000];
const BUFFER1_VALID = 1 << 24;
const LENGTH = 0x7fff;
/** TDES2, and RDES3 as the firmware writes it. */
const [TX_INTERRUPT, RX_INTERRUPT] = [0x80000000, 0x40000000];
const TX_BUFFER1 = 0x3fff;
/** What TDES3 may have besides its length: no insertion of checksums, addresses, tags or time stamps. */
const TDES3_KNOWN = OWN | FIRST | LAST | LENGTH;
const TDES2_KNOWN = TX_INTERRUPT | TX_BUFFER1;
/** Bits of the channel's status. */
const [TI, TBU, RI, RBU, FBE, AIS, NIS] = [1 << 0, 1 << 2, 1 << 6, 1 << 7, 1 << 12, 1 << 14, 1 << 15];
const NORMAL = TI | TBU | RI;
const ETH_LINE = 61;
const START = 1;

class Ring {
  constructor(block, { names, offsets, machine }) {
    this.machine = machine;
    this.list = block.register(names.list, offsets.list, { write: (value) => this.restart(value) });
    this.tail = block.register(names.tail, offsets.tail);
    this.length = block.register(names.length, offsets.length, { known: 0x3ff });
    this.current = 0;
  }

  restart(address) {
    if (address % 4 !== 0) throw new NotModelled(`descriptors at 0x${address.toString(16)}`);
    this.current = address;
  }

  /** The descriptor that is next, or one after it. */
  descriptor(ahead = 0) {
    const start = this.list.value;
    const count = this.length.value + 1;
    const index = ((this.current - start) / DESCRIPTOR_BYTES + ahead) % count;
    const bytes = this.bytes(start + index * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES);
    return new DataView(bytes.buffer, bytes.byteOffset, DESCRIPTOR_BYTES);
  }

  bytes(address, size) {
    const { system, memory } = this.machine;
    if (system.hasDataCache)
      throw new NotModelled('Ethernet DMA while the D-cache is on: memory and the core may differ');
    return memory.forDma(address, size, 'the Ethernet DMA');
  }

  /** Whether the next descriptor belongs to the DMA. */
  get ready() {
    return this.current !== this.tail.value && (this.descriptor().getUint32(12, true) & OWN) !== 0;
  }

  advance() {
    const last = this.list.value + this.length.value * DESCRIPTOR_BYTES;
    this.current = this.current >= last ? this.list.value : this.current + DESCRIPTOR_BYTES;
  }
}

export class Rings {
  /** @param {import('../registers.mjs').Block} block @param {{nvic: object, memory: object, system: object}} machine */
  constructor(block, machine) {
    this.nvic = machine.nvic;
    this.failed = false;
    /** Called when there may be something to send, and when there may be a place for a frame. */
    this.onTransmit = () => {};
    this.onReceive = () => {};
    const resetting = (value) => (this.mode.value = value & ~1);
    this.mode = block.register('DMAMR', 0x1000, { known: 1, write: resetting });
    block.register('DMASBMR', 0x1004, { known: 0x1001 });
    this.tx = new Ring(block, {
      names: { list: 'DMACTXDLAR', tail: 'DMACTXDTPR', length: 'DMACTXRLR' },
      offsets: { list: 0x1114, tail: 0x1120, length: 0x112c },
      machine,
    });
    this.rx = new Ring(block, {
      names: { list: 'DMACRXDLAR', tail: 'DMACRXDTPR', length: 'DMACRXRLR' },
      offsets: { list: 0x111c, tail: 0x1128, length: 0x1130 },
      machine,
    });
    this.tx.tail.onWrite = () => this.onTransmit();
    this.rx.tail.onWrite = () => this.onReceive();
    this.declareChannel(block);
  }

  declareChannel(block) {
    block.register('DMACCR', 0x1100, { known: 0 });
    const burst = 0x3f << 16;
    this.txControl = block.register('DMACTXCR', 0x1104, { known: START | burst, write: () => this.onTransmit() });
    this.rxControl = block.register('DMACRXCR', 0x1108, {
      known: START | burst | (0x3fff << 1),
      write: () => this.onReceive(),
    });
    this.interrupts = block.register('DMACIER', 0x1134, { known: 0xffff, write: () => this.drive() });
    this.status = block.clearedByOnes('DMACSR', 0x1160, { changed: () => this.drive() });
  }

  /** A bus error, which stops the channel until it is reset. */
  failBus() {
    this.failed = true;
    this.raise(FBE);
  }

  raise(flag) {
    const summary = flag & NORMAL ? NIS : AIS;
    this.status.value |= flag | summary;
    this.drive();
  }

  drive() {
    const due = this.status.value & this.interrupts.value;
    const normal = due & NORMAL && this.interrupts.has(NIS);
    const abnormal = due & ~NORMAL & ~(NIS | AIS) && this.interrupts.has(AIS);
    this.nvic.setLine(ETH_LINE, Boolean(normal || abnormal));
  }

  // Sending.

  /** @returns {Uint8Array | undefined} the next frame; undefined if there is none */
  nextFrame() {
    if (this.failed || !this.txControl.has(START)) return undefined;
    if (!this.tx.ready) {
      if (this.tx.list.value !== 0) this.raise(TBU);
      return undefined;
    }
    const descriptor = this.tx.descriptor();
    const [buffer, sizes, control] = [0, 8, 12].map((at) => descriptor.getUint32(at, true));
    if (sizes & ~TDES2_KNOWN || control & ~TDES3_KNOWN)
      throw new NotModelled('a descriptor that asks the MAC for more than to send');
    if ((control & (FIRST | LAST)) !== (FIRST | LAST) >>> 0) throw new NotModelled('a frame in several descriptors');
    return this.tx.bytes(buffer, sizes & TX_BUFFER1).slice();
  }

  /** The frame has left: its descriptor goes back to the firmware. */
  frameSent() {
    const descriptor = this.tx.descriptor();
    descriptor.setUint32(12, (FIRST | LAST) >>> 0, true);
    this.tx.advance();
    if (descriptor.getUint32(8, true) & TX_INTERRUPT) this.raise(TI);
  }

  // Receiving.

  /**
   * Puts as much of a frame into buffers as there are.
   *
   * @param {{bytes: Uint8Array, status: number, stored: number}} frame `stored`: how much of it is stored; is updated
   * @returns {boolean} whether all of it is
   */
  store(frame) {
    while (frame.stored < frame.bytes.length) {
      if (this.failed || !this.rxControl.has(START)) return false;
      if (!this.rx.ready) {
        this.raise(RBU);
        return false;
      }
      this.storePart(frame);
    }
    return true;
  }

  storePart(frame) {
    const descriptor = this.rx.descriptor();
    const control = descriptor.getUint32(12, true);
    if (!(control & BUFFER1_VALID)) throw new NotModelled('a descriptor without a buffer');
    const room = this.rxControl.field(1, 14);
    const part = frame.bytes.subarray(frame.stored, frame.stored + room);
    this.rx.bytes(descriptor.getUint32(0, true), room).set(part);
    const first = frame.stored === 0 ? FIRST : 0;
    frame.stored += part.length;
    const isLast = frame.stored === frame.bytes.length;
    // The addresses of the buffers are overwritten by tags and status.
    [0, 4, 8].forEach((at) => descriptor.setUint32(at, 0, true));
    descriptor.setUint32(12, (first | (isLast ? LAST | frame.status | frame.bytes.length : 0)) >>> 0, true);
    this.rx.advance();
    if (isLast && control & RX_INTERRUPT) this.raise(RI);
  }

  /** Bytes of received frames whose descriptors the firmware has not given back. */
  get unread() {
    if (!this.rxControl.has(START)) return 0;
    let bytes = 0;
    for (let ahead = 0; ahead <= this.rx.length.value; ahead++) {
      const status = this.rx.descriptor(ahead).getUint32(12, true);
      if (!(status & OWN)) bytes += status & LENGTH;
    }
    return bytes;
  }
}
