/** The endpoints of OTG FS as their registers show them (RM0433, sections 60.14.64 to 60.14.80). */
import { NotModelled } from '../registers.mjs';

const [ACTIVE, PID, NAK, STALL] = [1 << 15, 1 << 16, 1 << 17, 1 << 21];
const [CLEAR_NAK, SET_NAK, DATA0, DATA1, DISABLE, ENABLE] = [1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30, 1 << 31];
/** Without isochronous endpoints and the snoop mode. */
const KNOWN = 0x7ff | ACTIVE | PID | NAK | (3 << 18) | STALL | (0xf << 22) | (0x3f << 26);
const ISOCHRONOUS = 1;
/** Sizes of the packets of endpoint 0 by their codes. */
const PACKETS_0 = [64, 32, 16, 8];
/** Bits of DIEPINT and DOEPINT. */
export const EVENT = { complete: 1 << 0, disabled: 1 << 1, setup: 1 << 3, emptyAsked: 1 << 4, nak: 1 << 6, empty: 1 << 7 };

/** What both directions have in common. */
class Endpoint {
  /**
   * @param {import('../registers.mjs').Block} block
   * @param {{number: number, names: string, base: number, known: number}} place
   * @param {{changed: () => void, mistake: (text: string) => void}} controller
   */
  constructor(block, { number, names, base, known }, controller) {
    this.number = number;
    this.name = `endpoint ${number} ${names === 'DIEP' ? 'to' : 'from'} the host`;
    this.controller = controller;
    this.clear();
    this.control = block.register(`${names}CTL${number}`, base, {
      known,
      read: () => this.readControl(),
      write: (value) => this.writeControl(value >>> 0),
    });
    this.events = block.clearedByOnes(`${names}INT${number}`, base + 0x08, { changed: () => controller.changed() });
    this.size = block.register(`${names}TSIZ${number}`, base + 0x10, { write: () => controller.changed() });
  }

  clear() {
    Object.assign(this, { fields: 0, active: this.number === 0, stalled: false, refuses: false, enabled: false, pid: 0 });
  }

  get longestPacket() {
    return this.number === 0 ? PACKETS_0[this.fields & 3] : this.fields & 0x7ff;
  }

  get bytes() {
    return this.size.field(0, 19);
  }

  get packets() {
    return this.size.field(19, 10);
  }

  /** Counts a packet down. */
  count(length) {
    const bytes = Math.max(0, this.bytes - length);
    const packets = Math.max(0, this.packets - 1);
    this.size.value = ((this.size.value & (7 << 29)) | (packets << 19) | bytes) >>> 0;
  }

  readControl() {
    const flag = (set, bit) => (set ? bit : 0);
    const state = flag(this.active, ACTIVE) | flag(this.pid, PID) | flag(this.refuses, NAK) | flag(this.stalled, STALL);
    return (this.fields | state | flag(this.enabled, ENABLE)) >>> 0;
  }

  writeControl(value) {
    this.fields = value & (0x7ff | (3 << 18) | (0xf << 22));
    if (this.number > 0 && ((value >>> 18) & 3) === ISOCHRONOUS) throw new NotModelled(`${this.name} as isochronous`);
    if (this.number > 0) this.active = Boolean(value & ACTIVE);
    // Of endpoint 0, only a SETUP ends the stall.
    this.stalled = Boolean(value & STALL) || (this.number === 0 && this.stalled);
    if (value & CLEAR_NAK && value & SET_NAK) this.controller.mistake(`${this.name}: NAK is set and cleared at once`);
    if (value & SET_NAK) this.refuse();
    else if (value & CLEAR_NAK) this.accept();
    if (value & DATA0) this.pid = 0;
    if (value & DATA1) this.pid = 1;
    // A 1 is written back by everyone who changes something else.
    if (value & ENABLE && !this.enabled && !(value & DISABLE)) this.enable();
    if (value & DISABLE) this.disable();
    this.controller.changed();
  }

  refuse() {
    this.refuses = true;
  }

  accept() {
    this.refuses = false;
  }

  enable() {
    this.enabled = true;
  }

  raise(event) {
    this.events.value = (this.events.value | event) >>> 0;
    this.controller.changed();
  }

  /** A SETUP has come to endpoint 0: what follows begins with DATA1. */
  beginTransfer() {
    Object.assign(this, { stalled: false, pid: 1 });
    this.refuse();
  }

  /** A reset of the bus: only endpoint 0 is active. A transfer that was begun is not ended. */
  deactivate() {
    this.active = this.number === 0;
  }
}

/** To the host. */
export class InEndpoint extends Endpoint {
  constructor(block, number, controller) {
    super(block, { number, names: 'DIEP', base: 0x900 + 0x20 * number, known: KNOWN }, controller);
    this.events.onRead = () => (this.events.value | (this.words.length === 0 ? EVENT.empty : 0)) >>> 0;
    block.register(`DTXFSTS${number}`, 0x918 + 0x20 * number, { known: 0, read: () => this.room });
    const place = number === 0 ? 0x028 : 0x100 + 4 * number;
    this.place = block.register(number === 0 ? 'DIEPTXF0' : `DIEPTXF${number}`, place, { reset: 0x02000200 });
  }

  clear() {
    super.clear();
    this.flush();
    this.sending = false;
    this.disabling = false;
  }

  flush() {
    this.words = [];
  }

  get fifo() {
    return { name: `transmit FIFO ${this.number}`, start: this.place.field(0, 16), words: this.place.field(16, 16) };
  }

  /** Free words of the FIFO. */
  get room() {
    return Math.max(0, this.fifo.words - this.words.length);
  }

  refuse() {
    super.refuse();
    this.raise(EVENT.nak);
  }

  accept() {
    super.accept();
    this.events.value &= ~EVENT.nak;
  }

  enable() {
    if (this.number > 0 && ((this.fields >>> 22) & 0xf) !== this.number)
      throw new NotModelled(`${this.name} with the FIFO of another`);
    if (this.packets === 0) this.controller.mistake(`${this.name} is enabled without a packet`);
    super.enable();
    this.controller.enabled();
  }

  write(word) {
    if (!this.enabled) this.controller.mistake(`data for ${this.name}, which is not enabled`);
    if (this.room === 0) this.controller.mistake(`the ${this.fifo.name} overflows`);
    else this.words.push(word);
    this.controller.changed();
    if (this.packet) this.controller.ready();
  }

  /** The packet that is next, if all of it is in the FIFO. */
  get packet() {
    const length = Math.min(this.bytes, this.longestPacket);
    const count = Math.ceil(length / 4);
    if (!this.enabled || this.words.length < count) return undefined;
    const bytes = Buffer.alloc(4 * count);
    this.words.slice(0, count).forEach((word, i) => bytes.writeUInt32LE(word >>> 0, 4 * i));
    return Uint8Array.from(bytes.subarray(0, length));
  }

  /** @returns {'stall' | 'nak' | Uint8Array} the answer to a token */
  answer() {
    if (this.stalled) return 'stall';
    if (this.refuses || !this.enabled) return 'nak';
    const { packet } = this;
    if (!packet) {
      this.raise(EVENT.emptyAsked);
      return 'nak';
    }
    this.sending = true;
    return packet;
  }

  /** The host has acknowledged the packet. */
  sent() {
    const length = Math.min(this.bytes, this.longestPacket);
    this.words.splice(0, Math.ceil(length / 4));
    this.sending = false;
    this.pid ^= 1;
    this.count(length);
    if (this.packets > 0) {
      this.controller.changed();
    } else {
      this.enabled = false;
      this.raise(EVENT.complete);
    }
    this.finishDisabling();
  }

  /** A packet that is on its way goes out first. */
  disable() {
    if (!this.enabled) return;
    if (!this.refuses) this.controller.mistake(`${this.name} is disabled without NAK`);
    this.disabling = true;
    if (!this.sending) this.finishDisabling();
  }

  finishDisabling() {
    if (!this.disabling) return;
    Object.assign(this, { disabling: false, enabled: false });
    this.raise(EVENT.disabled);
  }

  /** The bus is idle: nothing is on its way. */
  stop() {
    this.sending = false;
    this.finishDisabling();
  }
}

/** From the host. */
export class OutEndpoint extends Endpoint {
  constructor(block, number, controller) {
    super(block, { number, names: 'DOEP', base: 0xb00 + 0x20 * number, known: KNOWN & ~(0xf << 22) }, controller);
  }

  accept() {
    super.accept();
    this.controller.ready();
  }

  /** Takes effect only while the global NAK for packets from the host does, which is not modelled. Endpoint 0 never is disabled. */
  disable() {}

  /** The last packet of a transfer, as the firmware has asked for it or as the host has ended it. */
  isLast(length) {
    return this.packets <= 1 || length < this.longestPacket;
  }

  /** The firmware has taken note of the end of the transfer. */
  complete() {
    this.enabled = false;
    this.raise(EVENT.complete);
  }

  /** SETUP packets that may follow one another are counted, too. */
  countSetup() {
    const left = Math.max(0, (this.size.value >>> 29) - 1);
    this.size.value = ((this.size.value & 0x1fffffff) | (left << 29)) >>> 0;
  }
}
