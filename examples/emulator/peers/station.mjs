/** A host with a network card: answers ARP for its addresses, learns its neighbours, and knows a gateway. */
import { arp, ethernet } from '../wire/build.mjs';
import { BROADCAST_MAC, sameNetwork } from '../wire/address.mjs';

export class Station {
  /**
   * @param {import('./segment.mjs').Segment} segment
   * @param {{mac: string, ip?: string, bits?: number, gateway?: string}} identity
   */
  constructor(segment, { mac, ip, bits = 24, gateway }) {
    this.segment = segment;
    this.mac = mac;
    this.ip = ip;
    this.bits = bits;
    this.gateway = gateway;
    this.neighbours = new Map();
    this.waiting = new Map();
    this.arpRequestsSeen = 0;
    /** Takes packets before the inbox of the test: returns true for those it has dealt with. */
    this.services = [];
    segment.add(this);
  }

  get world() {
    return this.segment.world;
  }

  /** Whether `address` is one of its own. */
  owns(address) {
    return address === this.ip;
  }

  receive(packet) {
    if (packet.arp) return this.receiveArp(packet.arp);
    return this.services.some((service) => service(packet));
  }

  receiveArp({ operation, senderMac, senderIp, targetIp }) {
    if (!this.owns(targetIp)) return true;
    this.learn(senderIp, senderMac);
    if (operation === 1) {
      this.arpRequestsSeen += 1;
      const reply = { operation: 2, senderMac: this.mac, senderIp: targetIp, targetMac: senderMac, targetIp: senderIp };
      this.segment.sendFrame(arp(reply));
    }
    return true;
  }

  learn(ip, mac) {
    this.neighbours.set(ip, mac);
    const datagrams = this.waiting.get(ip) ?? [];
    this.waiting.delete(ip);
    datagrams.forEach((datagram) => this.sendTo(mac, datagram));
  }

  /** Sends an IPv4 datagram, after the next hop has been resolved. */
  send(datagram) {
    const dst = `${datagram[16]}.${datagram[17]}.${datagram[18]}.${datagram[19]}`;
    if (dst === '255.255.255.255') return this.sendTo(BROADCAST_MAC, datagram);
    const hop = this.ip && sameNetwork(dst, this.ip, this.bits) ? dst : this.gateway;
    const mac = this.neighbours.get(hop);
    if (mac) return this.sendTo(mac, datagram);
    this.ask(hop);
    this.waiting.set(hop, [...(this.waiting.get(hop) ?? []), datagram]);
    return undefined;
  }

  sendTo(mac, datagram) {
    return this.segment.sendFrame(ethernet({ dst: mac, src: this.mac }, datagram));
  }

  /** Asks for a neighbour's hardware address. */
  ask(ip) {
    this.segment.sendFrame(arp({ senderMac: this.mac, senderIp: this.ip ?? '0.0.0.0', targetIp: ip }));
  }

  /** Lets the board answer an ARP request for `ip`. @returns {string} the hardware address */
  resolve(ip, ms = 100) {
    this.neighbours.delete(ip);
    this.ask(ip);
    this.world.until(`an ARP reply of ${ip} to ${this.ip}`, () => this.neighbours.has(ip), ms);
    return this.neighbours.get(ip);
  }
}
