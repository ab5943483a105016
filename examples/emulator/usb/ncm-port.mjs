/**
 * A host with a network interface over USB, in the place of a port with a wire: it has the members that tests use of
 * `Port`. The cable is that of USB; the board keeps its power when it is pulled.
 */
import { FullSpeedBus } from './bus.mjs';
import { SYSTEMS } from './enumeration.mjs';
import { UsbHost } from './host.mjs';
import { buildBlock, fitting, parseBlock } from './ncm.mjs';
import { PcapWriter } from '../wire/pcap.mjs';

const SHORTEST_FRAME = 60;
const PACKET = 64;
/** Bytes of frames that the host queues. It drops what comes on top. */
const QUEUE_BYTES = 64 * 1024;
const NETWORK_CONNECTION = 0x00;
const CONNECTION_SPEED_CHANGE = 0x2a;

/** Blocks to the device. */
class OutPipe {
  constructor(port) {
    this.port = port;
    this.reset();
  }

  reset() {
    Object.assign(this, { block: undefined, at: 0, pid: 0 });
  }

  next() {
    const { port } = this;
    if (!port.isOpen) return undefined;
    this.block ??= port.nextBlock();
    if (!this.block) return undefined;
    const data = this.block.bytes.slice(this.at, this.at + PACKET);
    return { kind: 'out', address: port.host.address, endpoint: port.endpoints.out.endpoint, data, pid: this.pid };
  }

  done(answer, token) {
    if (answer !== 'ack' || !this.block) return;
    this.pid ^= 1;
    this.at += token.data.length;
    const { bytes, longest, emptyPacket } = this.block;
    const full = token.data.length === PACKET;
    if (this.at < bytes.length || (full && emptyPacket && bytes.length !== longest)) return;
    this.port.blockSent(this.block);
    Object.assign(this, { block: undefined, at: 0 });
  }
}

/** Blocks from the device. */
class InPipe {
  constructor(port) {
    this.port = port;
    this.reset();
  }

  reset() {
    Object.assign(this, { got: [], pid: 0 });
  }

  next() {
    const { port } = this;
    if (!port.isOpen || port.deaf) return undefined;
    return { kind: 'in', address: port.host.address, endpoint: port.endpoints.in.endpoint };
  }

  done(answer, token) {
    if (!(answer instanceof Uint8Array) || token.pid !== this.pid) return;
    this.pid ^= 1;
    this.got.push(...answer);
    if (answer.length === PACKET && this.got.length < this.port.parameters.longestIn) return;
    const block = Uint8Array.from(this.got);
    this.got = [];
    if (block.length > 0) this.port.takeBlock(block);
  }
}

export class NcmPort {
  /**
   * @param {string} name
   * @param {import('../simulation/clock.mjs').Clock} clock
   * @param {{system?: keyof SYSTEMS}} [options] the operating system of the host; 'linux'
   */
  constructor(name, clock, { system = 'linux' } = {}) {
    this.name = name;
    this.clock = clock;
    this.system = SYSTEMS[system];
    /** Frames that the board sent, in order: `{ ns, frame }`. */
    this.received = [];
    this.keep = true;
    this.onFrame = () => {};
    /** Set to true for a host that takes nothing from the device. */
    this.deaf = false;
    this.counts = { received: 0, sent: 0, full: 0, noLink: 0, receivedBlocks: 0, sentBlocks: 0 };
    this.bus = new FullSpeedBus(clock);
    this.host = new UsbHost(clock, this.bus, () => this.enumerate());
    this.host.onGone = () => this.forget();
    this.out = this.bus.add(new OutPipe(this));
    this.in = this.bus.add(new InPipe(this));
    this.forget();
  }

  /** @param {import('../rp2040/usb.mjs').UsbDeviceController} device */
  connect(device) {
    this.host.connect(device);
  }

  forget() {
    Object.assign(this, { isOpen: false, connected: false, notices: [], lies: [] });
    for (const { sent } of this.queue ?? []) sent.outcome = 'noLink';
    Object.assign(this, { queue: [], queued: 0, sequence: 0, expected: 0 });
    this.out?.reset();
    this.in?.reset();
  }

  *enumerate() {
    Object.assign(this, yield* this.system.enumerate());
    this.endpoints = this.configuration.endpoints;
    this.out.reset();
    this.in.reset();
    this.isOpen = true;
    this.host.interrupt.open({ ...this.endpoints.interrupt, take: (notice) => this.takeNotice(notice) });
    this.bus.wake();
  }

  takeNotice(notice) {
    this.notices.push(notice);
    const [type, code, value] = notice;
    if (type !== 0xa1) throw new Error(`USB: a notification of type ${type}`);
    if (code === CONNECTION_SPEED_CHANGE) this.speeds = [8, 12].map((at) => Buffer.from(notice).readUInt32LE(at));
    if (code === NETWORK_CONNECTION) this.connected = value === 1;
  }

  /**
   * Gives the host's interface a frame to send. Several that wait share a block.
   *
   * @returns {import('../wire/port.mjs').Sent} filled in when the last packet of the block is accepted
   */
  send(frame, { pad = true } = {}) {
    const padded = new Uint8Array(pad ? Math.max(SHORTEST_FRAME, frame.length) : frame.length);
    padded.set(frame);
    const sent = { arrivesNs: Infinity, outcome: 'onWire' };
    if (!this.connected || this.host.asleep) {
      this.counts.noLink += 1;
      sent.outcome = 'noLink';
    } else if (this.queued + padded.length > QUEUE_BYTES) {
      this.counts.full += 1;
      sent.outcome = 'full';
    } else {
      this.queued += padded.length;
      this.queue.push({ frame: padded, sent });
      this.bus.wake();
    }
    return sent;
  }

  /** Sends these bytes instead of a block, as a host that lies does. */
  sendBytes(bytes) {
    this.lies.push(Uint8Array.from(bytes));
    this.bus.wake();
  }

  nextBlock() {
    const { longestOut: longest, most } = this.parameters;
    if (this.lies.length > 0) return { bytes: this.lies.shift(), taken: [], longest, emptyPacket: true };
    if (this.queue.length === 0) return undefined;
    const { style, ending } = this.system;
    const frames = this.queue.map(({ frame }) => frame);
    const taken = this.queue.splice(0, fitting(frames, { longest, most, ...style }));
    const block = buildBlock(taken.map(({ frame }) => frame), { sequence: this.sequence++, ...style });
    const full = block.length % PACKET === 0 && block.length < longest;
    const bytes = full ? ended(block, ending) : block;
    return { bytes, taken, longest, emptyPacket: ending === 'empty packet' };
  }

  blockSent({ taken }) {
    const ns = this.clock.nanos;
    this.counts.sentBlocks += 1;
    for (const { frame, sent } of taken) {
      this.pcap?.write(ns, frame);
      this.queued -= frame.length;
      this.counts.sent += 1;
      Object.assign(sent, { arrivesNs: ns, outcome: 'received' });
    }
  }

  takeBlock(block) {
    const { sequence, frames } = parseBlock(block, { longest: this.parameters.longestIn });
    if (sequence !== (this.expected & 0xffff)) throw new Error(`USB: block ${sequence} instead of ${this.expected}`);
    this.expected += 1;
    this.counts.receivedBlocks += 1;
    frames.forEach((frame) => this.take(frame));
  }

  /** There is no shortest frame on USB; whoever looks at the frames expects them as on a wire. */
  take(frame) {
    const ns = this.clock.nanos;
    const padded = new Uint8Array(Math.max(SHORTEST_FRAME, frame.length));
    padded.set(frame);
    this.counts.received += 1;
    this.pcap?.write(ns, padded);
    if (this.keep) this.received.push({ ns, frame: padded });
    this.onFrame(padded, ns);
  }

  drain() {
    return this.received.splice(0);
  }

  link(up) {
    this.host.plug(up);
  }

  get counters() {
    return { ...this.counts, ...this.bus.counters };
  }

  /** Bytes in the device that the firmware has not taken. */
  get unread() {
    return this.bus.device?.unread ?? 0;
  }

  record(path) {
    this.pcap = new PcapWriter(path);
  }

  close() {
    this.pcap?.close();
    this.pcap = undefined;
  }
}

/** A block whose last packet is full, and what the host sends besides. */
function ended(block, ending) {
  if (ending !== 'byte' && ending !== 'longer block') return block;
  const longer = new Uint8Array(block.length + 1);
  longer.set(block);
  if (ending === 'longer block') new DataView(longer.buffer).setUint16(8, longer.length, true);
  return longer;
}
