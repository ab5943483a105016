/**
 * One end of a TCP connection, driven step by step by the test: it sends on request, answers data with ACKs, and takes
 * nothing that is out of order. What gets lost on the way is a failure of the test, not something to repair.
 */
import { pattern, tcp } from '../wire/build.mjs';

export class TcpEnd {
  /**
   * @param {{send: (datagram: Buffer) => void}} station
   * @param {{src: string, srcPort: number, dst: string, dstPort: number}} ends as this end sees them
   * @param {number} [seq] the initial sequence number
   */
  constructor(station, ends, seq = 0x1000_0000) {
    this.station = station;
    this.ends = ends;
    this.next = seq >>> 0;
    this.expected = 0;
    this.data = [];
    this.acknowledged = seq >>> 0;
    this.flagsSeen = new Set();
    this.problems = [];
  }

  /** The end that answers `packet`, a SYN as it arrived. */
  static answering(station, { ip, tcp: segment }, seq = 0x7000_0000) {
    const ends = { src: ip.dst, srcPort: segment.dstPort, dst: ip.src, dstPort: segment.srcPort };
    return new TcpEnd(station, ends, seq);
  }

  /** Sends a segment; SYN, FIN and data take their places in the sequence. */
  send(flags, data = Buffer.alloc(0)) {
    const ack = flags.includes('ack') ? this.expected : 0;
    this.station.send(tcp({ ...this.ends, seq: this.next, ack, flags, data }));
    const takes = data.length + Number(flags.includes('syn')) + Number(flags.includes('fin'));
    this.next = (this.next + takes) >>> 0;
  }

  /** Sends so many bytes in segments of at most `mss`. */
  sendData(length, mss = 1460) {
    for (let sent = 0; sent < length; sent += mss) {
      this.send(['ack', 'psh'], pattern(Math.min(mss, length - sent), sent));
    }
  }

  /** Whether the packet is of this connection. */
  matches({ ip, tcp: segment }) {
    const { src, srcPort, dst, dstPort } = this.ends;
    const ports = segment && segment.srcPort === dstPort && segment.dstPort === srcPort;
    return Boolean(ports && ip.src === dst && ip.dst === src);
  }

  /** Takes a segment in. @returns {number} how many places of the sequence it filled: a caller acks if there are any */
  take({ tcp: segment }) {
    segment.flags.forEach((flag) => this.flagsSeen.add(flag));
    if (segment.flags.includes('ack')) this.acknowledged = segment.ack;
    if (segment.flags.includes('syn')) this.expected = segment.seq;
    const takes = segment.data.length + Number(segment.flags.includes('syn')) + Number(segment.flags.includes('fin'));
    if (takes > 0 && segment.seq !== this.expected) {
      this.problems.push(`segment at ${segment.seq}, expected ${this.expected}`);
      return 0;
    }
    this.data.push(segment.data);
    this.expected = (this.expected + takes) >>> 0;
    return takes;
  }

  get received() {
    return Buffer.concat(this.data);
  }

  /** Whether all it has sent is acknowledged. */
  get settled() {
    return this.acknowledged === this.next;
  }
}
