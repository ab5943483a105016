/**
 * The network at one port of the board, as the test plays it: stations behind a switch. Each frame from the board is
 * parsed, checked, and handed to the stations. What no station takes goes to the inbox of the test.
 */
import { BROADCAST_MAC } from '../wire/address.mjs';
import { priorityTagged } from '../wire/build.mjs';
import { parseFrame } from '../wire/parse.mjs';

export class Segment {
  /**
   * @param {import('../image-tests/world.mjs').World} world
   * @param {import('../wire/port.mjs').Port} port
   * @param {string} name
   */
  constructor(world, port, name) {
    this.world = world;
    this.port = port;
    this.name = name;
    this.stations = [];
    /** IPv4 packets for the test to look at, in order: `{ ns, eth, ip, .. }`. */
    this.inbox = [];
    /** All ARP that the board has sent. */
    this.arps = [];
    /** Set to true for a network that tags every frame with a priority. */
    this.tagged = false;
    /** Set to false for long runs whose test does not read the inbox. */
    this.keep = true;
    /** Called with each packet that the board sends, before the stations. */
    this.onPacket = () => {};
    /** The hardware address of the board on this port, once it has sent something. */
    this.routerMac = undefined;
    this.frames = 0;
    port.keep = false;
    port.onFrame = (frame, ns) => this.take(frame, ns);
  }

  add(station) {
    this.stations.push(station);
    return station;
  }

  /** Puts a whole frame on the wire. */
  sendFrame(frame) {
    return this.port.send(this.tagged ? priorityTagged(frame) : frame);
  }

  take(frame, ns) {
    this.frames += 1;
    let packet;
    try {
      packet = { ns, ...parseFrame(frame) };
      this.world.invariants.check(this.name, packet);
    } catch (error) {
      this.world.invariants.note(this.name, ns, error, frame);
      return;
    }
    this.routerMac ??= packet.eth.src;
    this.onPacket(packet);
    const { dst } = packet.eth;
    const addressed = this.stations.filter(({ mac }) => dst === mac || dst === BROADCAST_MAC);
    // Every station receives a broadcast.
    const taken = addressed.map((station) => station.receive(packet)).includes(true);
    if (packet.arp) this.arps.push(packet);
    else if (!taken && this.keep) this.inbox.push(packet);
  }

  /**
   * The first packet in the inbox that matches; the board runs until there is one.
   *
   * @param {string} what for the message when none comes
   * @param {(packet: object) => boolean} match
   * @param {number} [ms] how long to wait
   */
  expect(what, match, ms = 100) {
    const found = () => this.inbox.findIndex(match);
    this.world.until(`${what} on the ${this.name}`, () => found() >= 0, ms);
    return this.inbox.splice(found(), 1)[0];
  }

  /** Lets time pass, in which the board sends nothing that a station does not take. */
  expectSilence(ms, match = () => true) {
    this.world.run(ms);
    const heard = this.inbox.filter(match);
    if (heard.length > 0)
      this.world.fail(`the ${this.name} heard ${heard.length} packets, the first: ${describe(heard[0])}`);
  }

  /** Empties the inbox and returns what was in it. */
  drain() {
    return this.inbox.splice(0);
  }
}

/** A line about a packet, for messages. */
export function describe({ eth, arp, ip, udp, tcp, icmp }) {
  if (arp) return `ARP ${arp.operation} of ${arp.senderIp} for ${arp.targetIp}`;
  const ends = udp ?? tcp;
  const ports = ends ? ` ${ends.srcPort} > ${ends.dstPort}` : '';
  const kind = udp
    ? 'UDP'
    : tcp
      ? `TCP ${tcp.flags}`
      : icmp
        ? `ICMP ${icmp.type}/${icmp.code}`
        : `protocol ${ip.protocol}`;
  return `${kind} ${ip.src} > ${ip.dst}${ports}, ${ip.totalLength} bytes in a frame of ${eth.length}`;
}
