/**
 * Checks what the board sends: parses a frame and recomputes every checksum. It shares no code with the router.
 * Whatever is not as the RFCs have it is thrown as a `Malformed`.
 */
import { ipText, macText } from './address.mjs';
import { checksum, pseudoHeader } from './checksum.mjs';
import { FLAGS, ICMP, TCP, UDP } from './build.mjs';

export class Malformed extends Error {}

function demand(holds, problem) {
  if (!holds) throw new Malformed(problem);
}

/**
 * @returns {object} `eth`, then `arp`, or `ip` and one of `udp`, `tcp`, `icmp`, whose `data` is the payload. A fragment
 *   has `ip` only.
 */
export function parseFrame(bytes) {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  demand(frame.length >= 60 && frame.length <= 1514, `a frame of ${frame.length} bytes`);
  const type = frame.readUInt16BE(12);
  const eth = { dst: macText(frame.subarray(0, 6)), src: macText(frame.subarray(6, 12)), type, length: frame.length };
  const payload = frame.subarray(14);
  if (type === 0x0806) return { eth, arp: parseArp(payload) };
  demand(type === 0x0800, `an EtherType of 0x${type.toString(16)}`);
  return { eth, ...parseDatagram(payload) };
}

function parseArp(bytes) {
  demand(bytes.subarray(0, 6).equals(Buffer.from([0, 1, 8, 0, 6, 4])), 'ARP not for IPv4 on Ethernet');
  demandZeros(bytes.subarray(28));
  return {
    operation: bytes.readUInt16BE(6),
    senderMac: macText(bytes.subarray(8, 14)),
    senderIp: ipText(bytes.subarray(14, 18)),
    targetMac: macText(bytes.subarray(18, 24)),
    targetIp: ipText(bytes.subarray(24, 28)),
  };
}

/** Padding that is not zero leaks bytes of other packets (CVE-2003-0001). */
function demandZeros(padding) {
  demand(
    padding.every((byte) => byte === 0),
    "padding with bytes that are not zero",
  );
}

/** Parses an IPv4 datagram and what follows it in the frame. */
export function parseDatagram(bytes) {
  const ip = parseIpv4(bytes);
  demandZeros(bytes.subarray(ip.totalLength));
  if (ip.moreFragments || ip.offset > 0) return { ip };
  return { ip, ...parsePayload(ip) };
}

function parseIpv4(bytes) {
  demand(bytes.length >= 20 && bytes[0] >> 4 === 4, 'not IPv4');
  const headerLength = (bytes[0] & 15) * 4;
  const totalLength = bytes.readUInt16BE(2);
  demand(headerLength >= 20 && headerLength <= totalLength && totalLength <= bytes.length, 'IPv4 lengths');
  demand(checksum(bytes.subarray(0, headerLength)) === 0, 'IPv4 header checksum');
  demand(bytes[8] > 0, 'a TTL of 0');
  const fragment = bytes.readUInt16BE(6);
  demand((fragment & 0x8000) === 0, 'the reserved bit of IPv4');
  return {
    src: ipText(bytes.subarray(12, 16)),
    dst: ipText(bytes.subarray(16, 20)),
    tos: bytes[1],
    id: bytes.readUInt16BE(4),
    ttl: bytes[8],
    protocol: bytes[9],
    dontFragment: Boolean(fragment & 0x4000),
    moreFragments: Boolean(fragment & 0x2000),
    offset: (fragment & 0x1fff) * 8,
    totalLength,
    header: bytes.subarray(0, headerLength),
    payload: bytes.subarray(headerLength, totalLength),
    bytes: bytes.subarray(0, totalLength),
  };
}

function parsePayload(ip) {
  switch (ip.protocol) {
    case UDP:
      return { udp: parseUdp(ip) };
    case TCP:
      return { tcp: parseTcp(ip) };
    case ICMP:
      return { icmp: parseIcmp(ip.payload) };
    default:
      return {};
  }
}

function parseUdp(ip) {
  const bytes = ip.payload;
  demand(bytes.length >= 8 && bytes.readUInt16BE(4) === bytes.length, 'UDP length');
  const sum = bytes.readUInt16BE(6);
  demand(sum === 0 || checksum(pseudoHeader(ip, bytes.length), bytes) === 0, 'UDP checksum');
  return { srcPort: bytes.readUInt16BE(0), dstPort: bytes.readUInt16BE(2), checksum: sum, data: bytes.subarray(8) };
}

function parseTcp(ip) {
  const bytes = ip.payload;
  demand(bytes.length >= 20, 'TCP length');
  const headerLength = (bytes[12] >> 4) * 4;
  demand(headerLength >= 20 && headerLength <= bytes.length, 'TCP header length');
  demand(checksum(pseudoHeader(ip, bytes.length), bytes) === 0, 'TCP checksum');
  return {
    srcPort: bytes.readUInt16BE(0),
    dstPort: bytes.readUInt16BE(2),
    seq: bytes.readUInt32BE(4),
    ack: bytes.readUInt32BE(8),
    flags: Object.keys(FLAGS).filter((flag) => bytes[13] & FLAGS[flag]),
    window: bytes.readUInt16BE(14),
    options: bytes.subarray(20, headerLength),
    data: bytes.subarray(headerLength),
  };
}

function parseIcmp(bytes) {
  demand(bytes.length >= 8, 'ICMP length');
  demand(checksum(bytes) === 0, 'ICMP checksum');
  const message = { type: bytes[0], code: bytes[1], data: bytes.subarray(8) };
  if (message.type === 8 || message.type === 0) {
    return { ...message, id: bytes.readUInt16BE(4), seq: bytes.readUInt16BE(6) };
  }
  return { ...message, mtu: bytes.readUInt16BE(6), quoted: parseQuoted(bytes.subarray(8)) };
}

/** The datagram that an ICMP error quotes: its header, and the ports or the identifier behind it. */
function parseQuoted(bytes) {
  demand(bytes.length >= 28, 'an ICMP error that quotes less than 8 bytes of the payload');
  const headerLength = (bytes[0] & 15) * 4;
  demand(checksum(bytes.subarray(0, headerLength)) === 0, 'header checksum of a quoted datagram');
  const payload = bytes.subarray(headerLength);
  const ports = { srcPort: payload.readUInt16BE(0), dstPort: payload.readUInt16BE(2) };
  const ident = { id: payload.readUInt16BE(4), seq: payload.readUInt16BE(6) };
  return {
    src: ipText(bytes.subarray(12, 16)),
    dst: ipText(bytes.subarray(16, 20)),
    ttl: bytes[8],
    protocol: bytes[9],
    totalLength: bytes.readUInt16BE(2),
    ...(bytes[9] === ICMP ? ident : ports),
  };
}

/**
 * Puts the fragments of one datagram together and parses it, and checks its checksum.
 *
 * @param {object[]} packets parsed fragments, in any order
 */
export function reassemble(packets) {
  const parts = packets.map(({ ip }) => ip).sort((a, b) => a.offset - b.offset);
  demand(!parts.at(-1).moreFragments, 'the last fragment is missing');
  parts.forEach((part, i) => {
    const end = i === 0 ? 0 : parts[i - 1].offset + parts[i - 1].payload.length;
    demand(part.offset === end, `a gap between fragments at ${end}`);
    demand(
      part.id === parts[0].id && part.src === parts[0].src && part.dst === parts[0].dst,
      'fragments of several datagrams',
    );
  });
  const ip = { ...parts[0], moreFragments: false, payload: Buffer.concat(parts.map(({ payload }) => payload)) };
  return { ip, ...parsePayload(ip) };
}
