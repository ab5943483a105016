/** What holds for every packet that the board sends, in every test. */
import { BROADCAST_MAC, sameNetwork } from '../wire/address.mjs';
import { Malformed, parseDatagram } from '../wire/parse.mjs';
import { CLIENT_PORT } from '../wire/dhcp.mjs';

const INSIDE = { network: '192.168.77.0', bits: 24, broadcast: '192.168.77.255' };
const ALL = '255.255.255.255';
const NONE = '0.0.0.0';
const IPV4 = 0x0800;

export const isInside = (address) => sameNetwork(address, INSIDE.network, INSIDE.bits);

function forbid(happens, problem) {
  if (happens) throw new Malformed(problem);
}

export class Invariants {
  /** @param {import('./world.mjs').World} world */
  constructor(world) {
    this.world = world;
    this.violations = [];
    this.macs = {};
  }

  /** @param {'LAN' | 'WAN'} side where the board sent the packet @throws {Malformed} if it breaks an invariant */
  check(side, packet) {
    const { eth, ip } = packet;
    this.macs[side] ??= eth.src;
    forbid(eth.src !== this.macs[side], `sender ${eth.src}, the board is ${this.macs[side]}`);
    forbid(parseInt(eth.dst.slice(0, 2), 16) & 1 && eth.dst !== BROADCAST_MAC, `a frame for the group ${eth.dst}`);
    if (!ip) return;
    forbid(eth.dst === BROADCAST_MAC && ip.dst !== ALL, `a broadcast frame for ${ip.dst}`);
    if (side === 'LAN') this.checkInside(ip);
    else this.checkOutside(packet);
  }

  checkInside({ src, dst }) {
    forbid(!isInside(dst) && dst !== ALL, `a packet for ${dst} inside`);
    forbid(dst === INSIDE.broadcast, 'a packet for all hosts inside');
    forbid(src === NONE, 'a packet from 0.0.0.0 inside');
  }

  checkOutside({ ip, udp, icmp }) {
    const isDhcp = ip.src === NONE && udp?.srcPort === CLIENT_PORT;
    forbid(isInside(ip.src) || isInside(ip.dst), `an inside address outside: ${ip.src} > ${ip.dst}`);
    const { leased } = this.world.wan.dhcp;
    forbid(!isDhcp && ip.src !== leased, `${ip.src} outside, the lease is ${leased}`);
    const quoted = icmp?.quoted;
    forbid(quoted && (isInside(quoted.src) || isInside(quoted.dst)), 'an inside address in a quoted packet outside');
  }

  /** Records a violation; the test fails at its end and shows the first ones. */
  note(side, ns, error, frame) {
    if (!(error instanceof Malformed)) throw error;
    this.violations.push(`${(ns / 1e6).toFixed(3)} ms, ${side}: ${error.message}; ${routeOf(frame)}`);
  }
}

function routeOf(frame) {
  const bytes = Buffer.from(frame);
  try {
    const { ip } = bytes.readUInt16BE(12) === IPV4 ? parseDatagram(bytes.subarray(14)) : {};
    return ip ? `protocol ${ip.protocol}, ${ip.src} > ${ip.dst}, ${bytes.length} bytes` : `${bytes.length} bytes`;
  } catch {
    return bytes.subarray(0, 64).toString('hex');
  }
}
