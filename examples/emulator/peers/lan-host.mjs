/** A host inside: a laptop that is plugged in and asks for an address. */
import { buildDhcp, CLIENT_PORT, parseDhcp, SERVER_PORT } from '../wire/dhcp.mjs';
import { udp } from '../wire/build.mjs';
import { Station } from './station.mjs';

const ANY = '0.0.0.0';
const ALL = '255.255.255.255';
/** How long the router probes an address before it offers it. */
const PROBE_MS = 1000;

export class LanHost extends Station {
  /** @param {number} number makes its hardware address */
  constructor(segment, number, identity = {}) {
    const mac = `02:00:00:00:${hex(number >> 8)}:${hex(number & 0xff)}`;
    super(segment, { mac, ...identity });
    this.number = number;
    this.transactions = 0;
    this.replies = [];
    this.services.push((packet) => this.takeDhcp(packet));
  }

  takeDhcp({ ip, udp: segment }) {
    if (!segment || segment.dstPort !== CLIENT_PORT) return false;
    const message = parseDhcp(segment.data);
    if (message.mac === this.mac) this.replies.push({ ...message, from: ip.src });
    return true;
  }

  sendDhcp(message, { src = ANY, dst = ALL } = {}) {
    const data = buildDhcp({ op: 1, xid: this.xid, mac: this.mac, ...message });
    this.send(udp({ src, dst, srcPort: CLIENT_PORT, dstPort: SERVER_PORT, data }));
  }

  awaitReply(what, ms) {
    this.world.until(`${what} for ${this.mac}`, () => this.replies.length > 0, ms);
    return this.replies.shift();
  }

  get xid() {
    return ((this.number << 16) | this.transactions) >>> 0;
  }

  /** Discover, offer, request, ack. Configures itself. @returns {object} the offer and the ack */
  lease(options) {
    this.discover();
    return this.takeOffer(options);
  }

  discover() {
    this.transactions += 1;
    this.sendDhcp({ type: 'discover', options: { hostname: `host-${this.number}` } });
  }

  /** What follows on `discover`. @returns {object} the offer and the ack */
  takeOffer({ ms = 500 } = {}) {
    const offer = this.awaitReply('a DHCP offer', PROBE_MS + ms);
    this.sendDhcp({ type: 'request', options: { requested: offer.yiaddr, server: offer.server } });
    const ack = this.awaitReply('a DHCP ack', ms);
    this.configure(ack);
    return { offer, ack };
  }

  configure(ack) {
    this.ip = ack.yiaddr;
    this.gateway = ack.router;
    this.dns = ack.dns;
  }

  /** Renews its lease, by unicast. @returns {object} the reply */
  renew({ ms = 500 } = {}) {
    this.startRenewal();
    return this.awaitReply('a renewed lease', ms);
  }

  /** As `renew`, without waiting for the reply. */
  startRenewal() {
    this.transactions += 1;
    this.sendDhcp({ type: 'request', ciaddr: this.ip }, { src: this.ip, dst: this.gateway });
  }
}

const hex = (byte) => byte.toString(16).padStart(2, '0');
