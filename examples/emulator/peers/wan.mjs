/**
 * The outside: a gateway with the whole Internet behind it, and the provider's DHCP server. Every address that is not
 * the router's is reached through it.
 */
import { echo, udp } from '../wire/build.mjs';
import { DhcpServer } from './dhcp-server.mjs';
import { Station } from './station.mjs';

/** A network as a provider might have it. */
export const PROVIDER = {
  ip: '198.51.100.1',
  bits: 24,
  address: '198.51.100.77',
  mask: '255.255.255.0',
  dns: ['198.51.100.53', '203.0.113.53'],
  leaseSeconds: 3600,
};

/** The network of another provider. */
export const OTHER_PROVIDER = {
  ip: '100.64.0.1',
  bits: 10,
  address: '100.64.7.9',
  mask: '255.192.0.0',
  dns: ['100.64.0.53'],
  leaseSeconds: 600,
};

export class Wan extends Station {
  constructor(segment, provider = PROVIDER) {
    super(segment, { mac: '02:5e:00:00:00:01', ip: provider.ip, bits: provider.bits });
    this.dhcp = new DhcpServer(this, provider);
    this.services.push((packet) => this.dhcp.receive(packet));
    this.services.push((packet) => this.respond(packet));
    /** What remote servers do with a packet: the datagrams that they answer, or undefined to leave it to the test. */
    this.servers = () => undefined;
  }

  get provider() {
    return this.dhcp.provider;
  }

  /** The address that the router has outside. */
  get routerIp() {
    return this.provider.address;
  }

  /** Connects the cable to another provider. */
  move(provider) {
    this.ip = provider.ip;
    this.bits = provider.bits;
    this.neighbours.clear();
    this.dhcp.provider = provider;
  }

  respond(packet) {
    if (!packet.ip) return false;
    const answers = this.servers(packet);
    if (answers === undefined) return false;
    answers.forEach((datagram) => this.send(datagram));
    return true;
  }
}

/** Servers that send the data of each UDP datagram and each echo request back, and leave the rest to the test. */
export function echoServers({ ip, udp: segment, icmp }) {
  if (segment) return [answerUdp(ip, segment)];
  if (icmp?.type === 8)
    return [echo({ src: ip.dst, dst: ip.src, type: 0, id: icmp.id, seq: icmp.seq, data: icmp.data })];
  return undefined;
}

export function answerUdp(ip, { srcPort, dstPort, data }) {
  return udp({ src: ip.dst, dst: ip.src, srcPort: dstPort, dstPort: srcPort, data });
}
