/**
 * The Ethernet MAC of the STM32H743 (RM0433, chapter 58), with a PHY. Towards the wire it is a chip like the W5500:
 * `receive`, `onFrame`, `setCable`, `wedge`, `wireNanos`, `counters`, `unread`.
 */
import { crc32 } from './crc32.mjs';
import { attachMdio } from './mdio.mjs';
import { Phy } from './phy.mjs';
import { Rings } from './rings.mjs';

const MBPS = 100;
/** Preamble, FCS and the gap between frames, in bytes. */
const WIRE_OVERHEAD = 8 + 4 + 12;
const FCS = 4;
const SHORTEST = 60;
/** With FCS. A longer frame is a giant; a tag may make it four bytes longer. */
const [LONGEST, LONGEST_TAGGED] = [1518, 1522];
const VLAN = 0x8100;
/** From this value on, the field after the addresses is a type, and no length. */
const FIRST_TYPE = 1536;
/** Where the receiver gives up a frame, and what the receive FIFO holds. */
const [CUT_OFF, FIFO_BYTES] = [2048, 2048];
/** MACCR. */
const [RECEIVE, TRANSMIT, FULL_DUPLEX, FAST] = [1 << 0, 1 << 1, 1 << 13, 1 << 14];
const [STRIP_PADDED, STRIP_TYPED] = [1 << 20, 1 << 21];
const MACCR_KNOWN = RECEIVE | TRANSMIT | FULL_DUPLEX | FAST | (1 << 15) | STRIP_PADDED | STRIP_TYPED;
/** MACPFR. */
const [PROMISCUOUS, ALL_MULTICAST, NO_BROADCAST, RECEIVE_ALL] = [1 << 0, 1 << 4, 1 << 5, 1 << 31];
/** RDES3. */
const [GIANT, ERROR] = [1 << 23, 1 << 15];
/** MTL: frames pass as a whole. */
const [TX_WHOLE, TX_FLUSH, RX_WHOLE] = [1 << 1, 1 << 0, 1 << 5];
const RMII = 4 << 21;
/** Of the pins of RMII and MDIO. */
export const ETH_ALTERNATE = 11;

export class Mac {
  /**
   * @param {import('../../simulation/clock.mjs').Clock} clock of the board
   * @param {{linkDelayUs?: number}} [options] of the PHY
   */
  constructor(clock, options = {}) {
    Object.assign(this, { clock, options });
    const lost = { full: 0, filtered: 0, closed: 0, noLink: 0 };
    this.counters = { received: 0, sent: 0, sentWithoutLink: 0, ...lost };
    /** Called with each frame that has left on the wire. */
    this.onFrame = () => {};
    /** Called with a sentence for each thing the firmware does against the manual. */
    this.onMistake = () => {};
    this.cable = true;
    this.isDead = false;
  }

  /** Time a frame of `length` bytes without FCS occupies the wire. */
  wireNanos(length) {
    return ((length + WIRE_OVERHEAD) * 8e3) / MBPS;
  }

  setCable(connected) {
    this.cable = connected;
    this.phy?.setCable(connected);
  }

  /** Makes the PHY fail: 'missing' is that it does not answer; null ends that. 'bus' is a bus error of the DMA. */
  wedge(kind) {
    if (kind === 'bus') {
      this.rings.failBus();
      return;
    }
    if (kind !== null && kind !== 'missing') throw new Error(`the Ethernet MAC has no fault '${kind}'`);
    this.isDead = kind === 'missing';
    this.phy.missing = this.isDead;
    this.phy.setCable(this.cable && !this.isDead);
  }

  /** After a reset. The PHY is reset with the chip. @param {object} machine */
  attach(bus, machine) {
    Object.assign(this, { gpio: machine.gpio, pins: machine.ethernetPins, rcc: machine.rcc });
    const block = bus.add('ETH', 0x40028000, 0x1400);
    this.phy = new Phy(machine.clock, this.options);
    this.phy.setCable(this.cable);
    this.phy.missing = this.isDead;
    attachMdio(block, { ...machine, phy: this.phy, mistake: (text) => this.onMistake(text) });
    this.rings = new Rings(block, machine);
    this.rings.onTransmit = () => this.transmit();
    this.rings.onReceive = () => this.deliver();
    this.waiting = [];
    this.sending = null;
    this.sent = machine.clock.createAlarm(() => this.finishSending());
    this.declare(block);
  }

  declare(block) {
    this.control = block.register('MACCR', 0x000, {
      reset: 0x8000,
      known: MACCR_KNOWN,
      write: (value, before) => this.enable(value, before),
    });
    this.filter = block.register('MACPFR', 0x008, { known: PROMISCUOUS | ALL_MULTICAST | NO_BROADCAST | RECEIVE_ALL });
    block.register('MACQTXFCR', 0x070, { known: 0xffff << 16 });
    this.high = block.register('MACA0HR', 0x300, { reset: 0x8000ffff });
    this.low = block.register('MACA0LR', 0x304, { reset: 0xffffffff });
    block.register('MMCRIMR', 0x70c);
    block.register('MMCTIMR', 0x710);
    const flushed = (value) => (this.txMode.value = value & ~TX_FLUSH);
    this.txMode = block.register('MTLTXQOMR', 0xd00, {
      reset: 0x70008,
      known: TX_WHOLE | TX_FLUSH | 0x7000c,
      write: flushed,
    });
    this.rxMode = block.register('MTLRXQOMR', 0xd30, { reset: 0x700000, known: RX_WHOLE | 0x700000 });
  }

  enable(value, before) {
    if (value & RECEIVE && !(before & RECEIVE)) this.checkWiring();
    this.transmit();
  }

  /** What a scope would show to be wrong. */
  checkWiring() {
    const off = this.pins.filter((name) => this.gpio.alternateOf(name) !== ETH_ALTERNATE);
    if (off.length > 0) this.onMistake(`${off.join(', ')}: not pins of the Ethernet MAC`);
    if (this.gpio.mode.value !== RMII) this.onMistake('SYSCFG does not select RMII');
    if (!this.rcc.isFullyClocked('ETH')) this.onMistake('the Ethernet MAC is enabled without all of its clocks');
    if (!this.control.has(FAST) || !this.control.has(FULL_DUPLEX))
      this.onMistake('the MAC is not set to 100 Mbit/s, full duplex');
    if (!this.txMode.has(TX_WHOLE) || !this.rxMode.has(RX_WHOLE))
      this.onMistake('the MAC is not set to pass whole frames');
  }

  get linkUp() {
    return this.phy.linkUp;
  }

  get unread() {
    return this.waiting.reduce((sum, { bytes, stored }) => sum + bytes.length - stored, 0) + this.rings.unread;
  }

  // Sending.

  transmit() {
    if (this.sending || !this.control.has(TRANSMIT)) return;
    const frame = this.rings.nextFrame();
    if (!frame) return;
    this.sending = new Uint8Array(Math.max(SHORTEST, frame.length));
    this.sending.set(frame);
    this.sent.schedule(this.wireNanos(this.sending.length));
  }

  finishSending() {
    const frame = this.sending;
    this.sending = null;
    this.rings.frameSent();
    if (this.linkUp) {
      this.counters.sent += 1;
      this.onFrame(frame);
    } else {
      this.counters.sentWithoutLink += 1;
    }
    this.transmit();
  }

  // Receiving.

  /**
   * A frame without FCS has arrived as a whole.
   *
   * @returns {'received' | 'noLink' | 'closed' | 'filtered' | 'full'} what became of it
   */
  receive(frame) {
    const outcome = this.take(frame);
    this.counters[outcome] += 1;
    return outcome;
  }

  take(frame) {
    if (!this.linkUp) return 'noLink';
    if (!this.control.has(RECEIVE)) return 'closed';
    if (!this.accepts(frame)) return 'filtered';
    const used = this.waiting.reduce((sum, { bytes, stored }) => sum + bytes.length - stored, 0);
    const arrived = this.asStored(frame);
    if (used + arrived.bytes.length > FIFO_BYTES) return 'full';
    this.waiting.push(arrived);
    this.deliver();
    return 'received';
  }

  /** Errors are not forwarded (FEP, FUP): runts, and what the receiver gives up. */
  accepts(frame) {
    if (frame.length < SHORTEST || frame.length + FCS > CUT_OFF) return false;
    if (this.filter.has(PROMISCUOUS | RECEIVE_ALL)) return true;
    if (frame.subarray(0, 6).every((byte) => byte === 0xff)) return !this.filter.has(NO_BROADCAST);
    if (frame[0] & 1) return this.filter.has(ALL_MULTICAST);
    return this.address.every((byte, i) => byte === frame[i]);
  }

  get address() {
    const bytes = (value, count) => Array.from({ length: count }, (_, i) => (value >>> (8 * i)) & 0xff);
    return [...bytes(this.low.value, 4), ...bytes(this.high.value, 2)];
  }

  /**
   * As it goes to memory: the check sequence stays on frames with a type, unless CST is set, and on frames with a length,
   * unless ACS is set.
   */
  asStored(frame) {
    const type = (frame[12] << 8) | frame[13];
    const isStripped = this.control.has(type >= FIRST_TYPE ? STRIP_TYPED : STRIP_PADDED);
    const longest = type === VLAN ? LONGEST_TAGGED : LONGEST;
    const status = frame.length + FCS > longest ? (GIANT | ERROR) >>> 0 : 0;
    const bytes = new Uint8Array(frame.length + (isStripped ? 0 : FCS));
    bytes.set(frame);
    if (!isStripped) new DataView(bytes.buffer).setUint32(frame.length, crc32(frame), true);
    return { bytes, status, stored: 0 };
  }

  /** Moves what waits in the FIFO into the ring. */
  deliver() {
    while (this.waiting.length > 0 && this.rings.store(this.waiting[0])) this.waiting.shift();
  }
}
