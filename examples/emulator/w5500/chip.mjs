/**
 * The WIZnet W5500 as a MACRAW driver sees it: SPI frames of variable length, the common registers, socket 0, INTn,
 * RSTn and the state of the link. It knows no microcontroller; a file such as rp2040/w5500-pins.mjs connects the two.
 *
 * Where the datasheet leaves a choice, the default is the reading that is harder on the driver; ../../README.md lists
 * what is assumed.
 */
import { NO_FAULT, faultNamed } from './faults.mjs';
import { passesFilter } from './filter.mjs';
import * as r from './registers.mjs';
import { MacrawSocket } from './socket.mjs';

const COMMON_REGISTERS = 64;
const SOCKETS = 8;
const SOCKET_REGISTERS = 48;
const MEMORY_KIB = 16;
const READ_ONLY = new Set([r.IR, r.SIR, r.VERSIONR]);
const WRITE = 0x04;
const OPERATION_MODE = 0x03;
/** What MISO carries during the three bytes of address and control. */
const HEADER_ANSWERS = [0x01, 0x02, 0x03];
const RESET_NANOS = 500e3;
const START_NANOS = 1e6;
const PLL_NANOS = 1000 / 150;
/** Preamble, FCS and the gap between frames, in bytes. */
const WIRE_OVERHEAD = 8 + 4 + 12;

/**
 * @typedef {object} ChipOptions
 * @property {number} [mbps] speed of the wire, 100
 * @property {number} [linkDelayUs] time the PHY takes to bring a link up, 0
 * @property {boolean} [reassertReceive] RECV is raised again by a RECV command that leaves bytes; by default the bit
 *   is set by an arrival only, as the field reports have it
 * @property {boolean} [latchMasked] Sn_IR shows bits that Sn_IMR masks; by default it does not, as the datasheet has it
 * @property {boolean} [sendsNeedLink] without link a SEND waits for it; by default it completes and the frame is lost
 */

export class W5500 {
  /** @param {import('../simulation/clock.mjs').Clock} clock @param {ChipOptions} [options] */
  constructor(clock, options = {}) {
    this.clock = clock;
    this.options = { mbps: 100, linkDelayUs: 0, ...options };
    this.common = new Uint8Array(COMMON_REGISTERS);
    this.otherSockets = new Uint8Array(SOCKETS * SOCKET_REGISTERS);
    const lost = { full: 0, filtered: 0, closed: 0, noLink: 0 };
    this.counters = { received: 0, sent: 0, sentWithoutLink: 0, ...lost, spiBytes: 0 };
    /** Called with the level of INTn whenever it changes. */
    this.onInterrupt = () => {};
    /** Called with each frame that has left on the wire. */
    this.onFrame = () => {};
    /** Called with a sentence for each thing the firmware does against the datasheet. */
    this.onMistake = () => {};
    this.fault = NO_FAULT;
    this.cable = true;
    this.linkUp = false;
    this.selected = false;
    this.resetSince = null;
    this.readyAt = 0;
    this.interruptLevel = true;
    this.interruptHighSince = -Infinity;
    this.interruptAlarm = clock.createAlarm(() => this.updateInterrupt());
    this.linkAlarm = clock.createAlarm(() => this.setLink(true));
    this.socket = new MacrawSocket(this, options);
    this.reset();
  }

  mistake(text) {
    this.onMistake(text);
  }

  /** Bytes received that the firmware has not fetched. */
  get unread() {
    return this.socket.rxSize;
  }

  /** Time a frame of `length` bytes without FCS occupies the wire. */
  wireNanos(length) {
    return ((length + WIRE_OVERHEAD) * 8e3) / this.options.mbps;
  }

  /** All registers as after power-up. */
  reset() {
    this.common.fill(0);
    this.common[r.RTR] = 0x07;
    this.common[r.RTR + 1] = 0xd0;
    this.common[r.RCR] = 8;
    this.common[r.PHYCFGR] = 0xb8;
    this.common[r.VERSIONR] = r.VERSION;
    for (let n = 0; n < SOCKETS; n++) {
      this.otherSockets.fill(2, n * SOCKET_REGISTERS + r.SN_RXBUF_SIZE, n * SOCKET_REGISTERS + r.SN_TXBUF_SIZE + 1);
    }
    this.socket.reset();
    this.setLink(false);
    this.negotiate();
    this.updateInterrupt();
  }

  // Pins.

  /** SCSn goes low: the next byte starts an SPI frame. */
  select() {
    this.selected = true;
    this.header = 0;
    if (this.clock.nanos < this.readyAt) this.mistake('SPI within 1 ms after RSTn went high');
    if (this.resetSince !== null) this.mistake('SPI while RSTn is low');
  }

  /** SCSn goes high. */
  deselect() {
    this.selected = false;
  }

  /** @param {boolean} level of RSTn */
  setResetPin(level) {
    if (!level && this.resetSince === null) {
      this.resetSince = this.clock.nanos;
    } else if (level && this.resetSince !== null) {
      this.releaseReset(this.clock.nanos - this.resetSince);
    }
  }

  releaseReset(lowNanos) {
    this.resetSince = null;
    if (lowNanos < RESET_NANOS) {
      const us = (lowNanos / 1e3).toFixed(1);
      this.mistake(`RSTn was low for ${us} us, the datasheet asks for 500: not taken as a reset`);
      return;
    }
    this.readyAt = this.clock.nanos + START_NANOS;
    if (this.fault.clearedBy !== 'nothing') this.fault = NO_FAULT;
    this.reset();
  }

  /** One byte each way on the SPI. */
  exchange(byte) {
    this.counters.spiBytes += 1;
    if (!this.selected) {
      this.mistake('SPI byte while SCSn is high');
      return 0xff;
    }
    if (this.resetSince !== null || this.clock.nanos < this.readyAt) return 0;
    if (this.fault.answers !== undefined) return this.fault.answers;
    if (this.header < 3) return this.takeHeader(byte);
    const address = this.address;
    this.address = (address + 1) & 0xffff;
    if (!this.writing) return this.read(this.block, address);
    this.write(this.block, address, byte);
    return 0;
  }

  takeHeader(byte) {
    if (this.header === 0) {
      this.address = byte << 8;
    } else if (this.header === 1) {
      this.address |= byte;
    } else {
      this.block = byte >> 3;
      this.writing = Boolean(byte & WRITE);
      if (byte & OPERATION_MODE) this.mistake('SPI frame of fixed length, only variable length is modelled');
    }
    return HEADER_ANSWERS[this.header++];
  }

  // Registers.

  read(block, address) {
    switch (block) {
      case r.BLOCK_COMMON:
        return this.readCommon(address);
      case r.BLOCK_SOCKET:
        return this.socket.read(address);
      case r.BLOCK_TX:
        return this.socket.txMemory[address & (this.socket.txRoom - 1)] ?? 0;
      case r.BLOCK_RX:
        return this.socket.rxMemory[address & (this.socket.rxRoom - 1)] ?? 0;
      default:
        return (block & 3) === r.BLOCK_SOCKET ? (this.otherSockets[this.otherAt(block, address)] ?? 0) : 0;
    }
  }

  readCommon(address) {
    if (address === r.SIR) return this.socket.interrupts ? 1 : 0;
    if (address === r.PHYCFGR) {
      const state = this.linkUp ? r.PHY_FULL_DUPLEX | r.PHY_100M | r.PHY_LINK : 0;
      return (this.common[r.PHYCFGR] & 0xf8) | state;
    }
    return this.common[address] ?? 0;
  }

  write(block, address, value) {
    switch (block) {
      case r.BLOCK_COMMON:
        return this.writeCommon(address, value);
      case r.BLOCK_SOCKET:
        return this.socket.write(address, value);
      case r.BLOCK_TX:
        this.socket.txMemory[address & (this.socket.txRoom - 1)] = value;
        return undefined;
      case r.BLOCK_RX:
        return this.mistake('write into the RX memory');
      default:
        return this.writeOther(block, address, value);
    }
  }

  writeCommon(address, value) {
    if (address === r.MR && value & r.MR_RST) {
      if (['MR', 'OPEN'].includes(this.fault.clearedBy)) this.fault = NO_FAULT;
      if (!this.fault.deaf) this.reset();
      return;
    }
    if (address < COMMON_REGISTERS && !READ_ONLY.has(address)) this.common[address] = value;
    if (address === r.PHYCFGR) this.negotiate();
    if (address === r.SIMR) this.updateInterrupt();
  }

  otherAt(block, address) {
    return (block >> 2) * SOCKET_REGISTERS + address;
  }

  writeOther(block, address, value) {
    if ((block & 3) !== r.BLOCK_SOCKET || address >= SOCKET_REGISTERS) return;
    if (address === r.SN_CR) this.mistake(`command to socket ${block >> 2}, only socket 0 is modelled`);
    else this.otherSockets[this.otherAt(block, address)] = value;
  }

  /** The 16 KiB each way are shared by all sockets: more than that is undefined. */
  checkBufferSizes() {
    for (const at of [r.SN_RXBUF_SIZE, r.SN_TXBUF_SIZE]) {
      let sum = this.socket.registers[at];
      for (let n = 1; n < SOCKETS; n++) sum += this.otherSockets[n * SOCKET_REGISTERS + at];
      const way = at === r.SN_RXBUF_SIZE ? 'RX' : 'TX';
      if (sum > MEMORY_KIB) this.mistake(`${way} buffers of all sockets are ${sum} KiB`);
    }
  }

  // INTn.

  updateInterrupt() {
    const asks = this.socket.interrupts && this.common[r.SIMR] & 1;
    const low = asks && !this.fault.deaf && !this.fault.interruptHigh;
    const now = this.clock.nanos;
    if (low && this.interruptLevel && now < this.interruptHighSince + this.assertWaitNanos) {
      this.interruptAlarm.schedule(this.interruptHighSince + this.assertWaitNanos - now);
      return;
    }
    if (!low && !this.interruptLevel) this.interruptHighSince = now;
    if (Boolean(low) !== this.interruptLevel) return;
    this.interruptLevel = !low;
    this.onInterrupt(this.interruptLevel);
  }

  /** INTLEVEL: how long INTn stays high before it may go low again. */
  get assertWaitNanos() {
    const level = (this.common[r.INTLEVEL] << 8) | this.common[r.INTLEVEL + 1];
    return level === 0 ? 0 : (level + 1) * PLL_NANOS * 4;
  }

  // The wire.

  /** Plugs the cable in or pulls it. */
  setCable(connected) {
    this.cable = connected;
    this.negotiate();
  }

  get phyRuns() {
    const phy = this.common[r.PHYCFGR];
    const poweredDown = phy & r.PHY_OPMD && (phy & r.PHY_OPMDC) === r.PHY_POWER_DOWN;
    return Boolean(phy & r.PHY_RST) && !poweredDown;
  }

  negotiate() {
    if (!this.cable || !this.phyRuns) {
      this.linkAlarm.cancel();
      this.setLink(false);
    } else if (!this.linkUp && this.options.linkDelayUs > 0) {
      this.linkAlarm.schedule(this.options.linkDelayUs * 1e3);
    } else {
      this.setLink(true);
    }
  }

  setLink(up) {
    this.linkUp = up;
    if (up) this.socket.resumeSends();
  }

  get holdsSends() {
    return this.fault.deaf || this.fault.holdsSends || (this.options.sendsNeedLink && !this.linkUp);
  }

  /** A frame has left the MAC. */
  sent(frame) {
    if (this.linkUp) {
      this.counters.sent += 1;
      this.onFrame(frame);
    } else {
      this.counters.sentWithoutLink += 1;
    }
  }

  /**
   * A frame without FCS has arrived as a whole. Any length is taken that fits the memory: MACRAW is assumed not to
   * look at it.
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
    if (!this.socket.open || this.fault.deaf || this.resetSince !== null) return 'closed';
    const address = this.common.subarray(r.SHAR, r.SHAR + 6);
    if (!passesFilter(frame, this.socket.registers[r.SN_MR], address)) return 'filtered';
    return this.socket.store(frame) ? 'received' : 'full';
  }

  /** Makes the chip fail. @param {keyof typeof import('./faults.mjs').FAULTS | null} kind null ends the failure */
  wedge(kind) {
    this.fault = faultNamed(kind);
    if (this.fault.closesSocket) {
      this.socket.command(r.CLOSE);
      this.fault = NO_FAULT;
    }
    if (this.holdsSends) this.socket.sendAlarm.cancel();
    else this.socket.resumeSends();
    this.updateInterrupt();
  }
}
