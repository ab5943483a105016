/** A network port of the board as the test sees it: the wire at the far end of one W5500. */
import { PcapWriter } from './pcap.mjs';

const SHORTEST_FRAME = 60;

/**
 * @typedef {object} Sent what became of a frame that the test sent
 * @property {number} arrivesNs when its last byte reaches the chip
 * @property {'onWire' | 'received' | 'noLink' | 'closed' | 'filtered' | 'full'} outcome what the chip did with it
 */

export class Port {
  /**
   * @param {string} name
   * @param {import('../simulation/clock.mjs').Clock} clock
   * @param {import('../w5500/chip.mjs').W5500} chip
   */
  constructor(name, clock, chip) {
    this.name = name;
    this.clock = clock;
    this.chip = chip;
    /** Frames that the board sent, in order: `{ ns, frame }`, the time when the last byte left, no FCS. */
    this.received = [];
    /** Set to false to keep no frames in `received`, for long runs. */
    this.keep = true;
    /** Called with `(frame, ns)` for each frame that the board sent; it may call `send`. */
    this.onFrame = () => {};
    this.queue = [];
    this.wireFreeAt = 0;
    this.arrival = clock.createAlarm(() => this.arrive());
    chip.onFrame = (frame) => this.take(frame);
  }

  /**
   * Puts a frame on the wire towards the board, behind those sent before: they follow each other at the speed of the
   * wire. Shorter ones are padded to 60 bytes, as every network card does.
   *
   * @param {Uint8Array} frame without FCS, of any length from 14 bytes
   * @param {{pad?: boolean}} [options] `pad: false` sends a runt as it is
   * @returns {Sent} filled in when the frame arrives
   */
  send(frame, { pad = true } = {}) {
    if (frame.length < 14) throw new Error(`${frame.length} bytes are no Ethernet frame`);
    const padded = new Uint8Array(pad ? Math.max(SHORTEST_FRAME, frame.length) : frame.length);
    padded.set(frame);
    this.wireFreeAt = Math.max(this.clock.nanos, this.wireFreeAt) + this.chip.wireNanos(padded.length);
    const sent = { arrivesNs: this.wireFreeAt, outcome: 'onWire' };
    this.queue.push({ frame: padded, sent });
    if (this.queue.length === 1) this.awaitArrival();
    return sent;
  }

  awaitArrival() {
    this.arrival.schedule(this.queue[0].sent.arrivesNs - this.clock.nanos);
  }

  arrive() {
    const { frame, sent } = this.queue.shift();
    this.pcap?.write(this.clock.nanos, frame);
    sent.outcome = this.chip.receive(frame);
    if (this.queue.length > 0) this.awaitArrival();
  }

  take(frame) {
    const ns = this.clock.nanos;
    this.pcap?.write(ns, frame);
    if (this.keep) this.received.push({ ns, frame });
    this.onFrame(frame, ns);
  }

  /** Returns the frames received so far and forgets them. */
  drain() {
    return this.received.splice(0);
  }

  /** Plugs the cable in or pulls it. */
  link(up) {
    this.chip.setCable(up);
  }

  /** Makes the W5500 fail: 'ones', 'zeros', 'deaf', 'sends', 'closed', 'interrupt', 'missing'; null ends the failure. */
  wedge(kind) {
    this.chip.wedge(kind);
  }

  /** What the chip counted: frames received, sent, and lost for each reason, and bytes on the SPI. */
  get counters() {
    return { ...this.chip.counters };
  }

  /** Bytes that lie in the chip and were not fetched by the firmware. */
  get unread() {
    return this.chip.unread;
  }

  /** Writes every frame from now on, both ways, to a pcap file. */
  record(path) {
    this.pcap = new PcapWriter(path);
  }

  close() {
    this.pcap?.close();
    this.pcap = undefined;
  }
}
