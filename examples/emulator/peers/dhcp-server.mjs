/** The provider's DHCP server: one address for one client, and the whims that a test wants. */
import { buildDhcp, CLIENT_PORT, parseDhcp, SERVER_PORT } from '../wire/dhcp.mjs';
import { udp } from '../wire/build.mjs';
import { BROADCAST_MAC } from '../wire/address.mjs';

export class DhcpServer {
  /**
   * @param {import('./station.mjs').Station} station where it runs
   * @param {object} provider `address`, `mask`, `dns`, `leaseSeconds`; the station's address is the gateway, with
   *   `otherRouters` after it; `timers` are the options `renew` and `rebind`
   */
  constructor(station, provider) {
    this.station = station;
    this.provider = provider;
    /** Every message of the client: `{ ns, type, ciaddr, .. }`. */
    this.heard = [];
    /** 'answer', 'silent', or 'refuse': a NAK to each request. */
    this.mode = 'answer';
    /** How many acks it gave. */
    this.acks = 0;
    /** The address of the last ack. */
    this.leased = undefined;
  }

  receive({ ns, eth, ip, udp: segment }) {
    if (!segment || segment.dstPort !== SERVER_PORT) return false;
    const message = parseDhcp(segment.data);
    this.heard.push({ ns, from: ip.src, ...message });
    const reply = this.mode === 'silent' ? undefined : this.reply(message);
    if (reply) this.send(reply, { ...message, eth });
    return true;
  }

  reply(message) {
    if (message.type === 'discover') return 'offer';
    if (message.type !== 'request') return undefined;
    if (message.server && message.server !== this.station.ip) return undefined;
    const asked = message.requested ?? message.ciaddr;
    return this.mode === 'refuse' || asked !== this.provider.address ? 'nak' : 'ack';
  }

  /** Sends a NAK for the client's last message, as a server that the client did not choose may do. */
  refuseAs(station) {
    const { xid, mac } = this.heard.at(-1);
    const data = buildDhcp({ op: 2, type: 'nak', xid, mac, options: { server: station.ip } });
    const ends = { src: station.ip, dst: '255.255.255.255', srcPort: SERVER_PORT, dstPort: CLIENT_PORT };
    station.sendTo(BROADCAST_MAC, udp({ ...ends, data }));
  }

  send(type, { xid, mac, ciaddr, eth }) {
    const { address, mask, dns, leaseSeconds, otherRouters = [], timers = {} } = this.provider;
    const { ip } = this.station;
    if (type === 'ack') Object.assign(this, { acks: this.acks + 1, leased: address });
    const network = { mask, router: [ip, ...otherRouters], dns, lease: leaseSeconds, ...timers };
    const options = type === 'nak' ? { server: ip } : { server: ip, ...network };
    const yiaddr = type === 'nak' ? '0.0.0.0' : address;
    const data = buildDhcp({ op: 2, type, xid, mac, ciaddr, yiaddr, options });
    const direct = type === 'ack' && ciaddr === address;
    const dst = direct ? address : '255.255.255.255';
    const datagram = udp({ src: ip, dst, srcPort: SERVER_PORT, dstPort: CLIENT_PORT, data });
    this.station.sendTo(direct ? eth.src : BROADCAST_MAC, datagram);
  }
}
