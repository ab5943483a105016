/** DHCP messages (RFC 2131, RFC 2132) as far as the peers need them. */
import { ipBytes, ipText, macBytes, macText } from './address.mjs';

export const TYPES = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 };
export const SERVER_PORT = 67;
export const CLIENT_PORT = 68;

const MAGIC = 0x63825363;
const FIXED = 240;
const CODES = {
  mask: 1,
  router: 3,
  dns: 6,
  hostname: 12,
  requested: 50,
  lease: 51,
  type: 53,
  server: 54,
  renew: 58,
  rebind: 59,
};
const NAMES = new Map(Object.entries(CODES).map(([name, code]) => [code, name]));
const TYPE_NAMES = new Map(Object.entries(TYPES).map(([name, code]) => [code, name]));
const SECONDS = new Set(['lease', 'renew', 'rebind']);

/**
 * @param {object} message `type`, `op`, `xid`, `mac`, and where they differ from zero `ciaddr`, `yiaddr`, `broadcast`;
 *   `options` by the names above, addresses as text or lists of it
 */
export function buildDhcp({
  type,
  op,
  xid,
  mac,
  ciaddr = '0.0.0.0',
  yiaddr = '0.0.0.0',
  broadcast = false,
  options = {},
}) {
  const fixed = Buffer.alloc(FIXED);
  fixed.set([op, 1, 6, 0]);
  fixed.writeUInt32BE(xid, 4);
  fixed.writeUInt16BE(broadcast ? 0x8000 : 0, 10);
  ipBytes(ciaddr).copy(fixed, 12);
  ipBytes(yiaddr).copy(fixed, 16);
  macBytes(mac).copy(fixed, 28);
  fixed.writeUInt32BE(MAGIC, 236);
  const listed = Object.entries({ type, ...options }).map(([name, value]) => {
    const bytes = encode(name, value);
    return Buffer.from([CODES[name], bytes.length, ...bytes]);
  });
  return Buffer.concat([fixed, ...listed, Buffer.from([255])]);
}

function encode(name, value) {
  if (name === 'type') return [TYPES[value]];
  if (name === 'hostname') return Buffer.from(value);
  if (SECONDS.has(name)) return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
  return Buffer.concat([value].flat().map(ipBytes));
}

function decode(name, bytes) {
  if (name === 'type') return TYPE_NAMES.get(bytes[0]);
  if (name === 'hostname') return bytes.toString();
  if (SECONDS.has(name)) return bytes.readUInt32BE(0);
  const addresses = [];
  for (let at = 0; at < bytes.length; at += 4) addresses.push(ipText(bytes.subarray(at, at + 4)));
  return name === 'dns' ? addresses : addresses[0];
}

/** @returns {object} the fields that `buildDhcp` takes, with the options beside them; throws if it is not DHCP */
export function parseDhcp(bytes) {
  if (bytes.length < FIXED || bytes.readUInt32BE(236) !== MAGIC) throw new Error('not DHCP');
  const message = {
    op: bytes[0],
    xid: bytes.readUInt32BE(4),
    broadcast: Boolean(bytes[10] & 0x80),
    ciaddr: ipText(bytes.subarray(12, 16)),
    yiaddr: ipText(bytes.subarray(16, 20)),
    mac: macText(bytes.subarray(28, 34)),
  };
  let at = FIXED;
  while (at < bytes.length && bytes[at] !== 255) {
    if (bytes[at] === 0) {
      at += 1;
      continue;
    }
    const [code, length] = [bytes[at], bytes[at + 1]];
    const name = NAMES.get(code);
    if (name) message[name] = decode(name, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return message;
}
