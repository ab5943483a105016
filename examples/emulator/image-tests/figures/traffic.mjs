/** Traffic of established UDP sessions in both directions, at a chosen frame size and rate. */
import { udp, ethernet, pattern } from '../../wire/build.mjs';
import { SERVER, udpExchange } from '../exchanges.mjs';

const HEADERS = 14 + 20 + 8;
const ARP = 0x0806;
const US_PER_S = 1e6;

/** @typedef {'out' | 'in'} Way from the LAN to the WAN, or back */

export class Traffic {
  /** @param {import('../world.mjs').World} world a board that routes @param {number} size of the frames, without FCS */
  constructor(world, size) {
    this.world = world;
    this.size = size;
    world.lan.drain();
    const out = udpExchange(world, { srcPort: 5100, dstPort: 5200 });
    const { laptop, wan, lan, outside } = world;
    const data = pattern(size - HEADERS);
    const request = udp({ src: laptop.ip, dst: SERVER, srcPort: 5100, dstPort: 5200, data });
    const answer = udp({ src: SERVER, dst: out.ip.src, srcPort: 5200, dstPort: out.udp.srcPort, data });
    this.ways = {
      out: this.way(lan, outside, ethernet({ dst: lan.routerMac, src: laptop.mac }, request)),
      in: this.way(outside, lan, ethernet({ dst: outside.routerMac, src: wan.mac }, answer)),
    };
  }

  way(from, to, frame) {
    const way = { from, to, frame, sent: [], arrived: [], take: to.port.onFrame };
    to.port.onFrame = (bytes, ns) => {
      if (bytes[12] * 256 + bytes[13] === ARP) to.take(bytes, ns);
      else way.arrived.push(ns);
    };
    return way;
  }

  send(name) {
    const way = this.ways[name];
    way.sent.push(way.from.sendFrame(way.frame));
  }

  forget() {
    Object.values(this.ways).forEach((way) => Object.assign(way, { sent: [], arrived: [] }));
  }

  /** Sends a frame each `gapUs`, in all the `ways` at once, for `ms`. */
  offer(ways, { gapUs, ms }) {
    const { board } = this.world;
    const end = board.ns + ms * 1e6;
    const next = () => {
      ways.forEach((name) => this.send(name));
      if (board.ns + gapUs * 1e3 < end) board.after(gapUs, next);
    };
    next();
    this.world.run(ms);
  }

  /** Leaves the ports as they were. */
  end() {
    for (const { to, take } of Object.values(this.ways)) to.port.onFrame = take;
  }

  /** Frames that arrived in each direction. */
  get counts() {
    return { out: this.ways.out.arrived.length, in: this.ways.in.arrived.length };
  }

  get total() {
    return this.counts.out + this.counts.in;
  }

  /** The median time from a frame's last byte in to its last byte out, in microseconds. */
  latency(name) {
    const { sent, arrived } = this.ways[name];
    const times = arrived.map((ns, i) => ns - sent[i].arrivesNs).sort((a, b) => a - b);
    return times[times.length >> 1] / 1e3;
  }
}

/** Frames a second of `count` in `ms`. */
export const perSecond = (count, ms) => (count * US_PER_S) / (ms * 1e3);
