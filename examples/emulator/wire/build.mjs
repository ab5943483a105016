/** Builds what the peers send. Each function takes plain fields, with defaults for what a test does not care about. */
import { BROADCAST_MAC, ipBytes, macBytes } from './address.mjs';
import { checksum, pseudoHeader } from './checksum.mjs';

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 };

const IPV4_HEADER = 20;
const EMPTY = Buffer.alloc(0);

/** @param {{dst: string, src: string, type?: number}} header */
export function ethernet({ dst, src, type = 0x0800 }, payload) {
  return Buffer.concat([macBytes(dst), macBytes(src), Buffer.from([type >> 8, type & 0xff]), payload]);
}

/** The same frame with a tag of IEEE 802.1Q that has a priority and VLAN 0, no VLAN at all. */
export function priorityTagged(frame, priority = 3) {
  return Buffer.concat([frame.subarray(0, 12), Buffer.from([0x81, 0x00, priority << 5, 0]), frame.subarray(12)]);
}

/** An ARP request, or a reply with `operation: 2`. */
export function arp({ operation = 1, senderMac, senderIp, targetMac = '00:00:00:00:00:00', targetIp }) {
  const header = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation]);
  const dst = operation === 1 ? BROADCAST_MAC : targetMac;
  const body = Buffer.concat([header, macBytes(senderMac), ipBytes(senderIp), macBytes(targetMac), ipBytes(targetIp)]);
  return ethernet({ dst, src: senderMac, type: 0x0806 }, body);
}

/**
 * An IPv4 datagram, or a fragment of one.
 *
 * @param {object} header `src`, `dst`, `protocol`, `ttl`, `tos`, `id`, `dontFragment`, `moreFragments`, `offset` (bytes)
 */
export function ipv4(header, payload) {
  const { src, dst, protocol, ttl = 64, tos = 0, id = 0 } = header;
  const { dontFragment = false, moreFragments = false, offset = 0 } = header;
  const bytes = Buffer.alloc(IPV4_HEADER + payload.length);
  bytes[0] = 0x45;
  bytes[1] = tos;
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(id, 4);
  bytes.writeUInt16BE((dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0) | (offset / 8), 6);
  bytes[8] = ttl;
  bytes[9] = protocol;
  ipBytes(src).copy(bytes, 12);
  ipBytes(dst).copy(bytes, 16);
  bytes.writeUInt16BE(checksum(bytes.subarray(0, IPV4_HEADER)), 10);
  payload.copy(bytes, IPV4_HEADER);
  return bytes;
}

/** A datagram with UDP: the fields of [`ipv4`], `srcPort`, `dstPort`, `data`. */
export function udp({ srcPort, dstPort, data = EMPTY, ...ip }) {
  const segment = Buffer.alloc(8 + data.length);
  segment.writeUInt16BE(srcPort, 0);
  segment.writeUInt16BE(dstPort, 2);
  segment.writeUInt16BE(segment.length, 4);
  data.copy(segment, 8);
  const header = { ...ip, protocol: UDP };
  segment.writeUInt16BE(checksum(pseudoHeader(header, segment.length), segment) || 0xffff, 6);
  return ipv4(header, segment);
}

/** A datagram with TCP. `flags` names them, as in `['syn', 'ack']`; `options` are bytes, a multiple of 4. */
export function tcp({ srcPort, dstPort, seq, ack = 0, flags, window = 0xffff, options = EMPTY, data = EMPTY, ...ip }) {
  const segment = Buffer.alloc(20 + options.length + data.length);
  segment.writeUInt16BE(srcPort, 0);
  segment.writeUInt16BE(dstPort, 2);
  segment.writeUInt32BE(seq >>> 0, 4);
  segment.writeUInt32BE(ack >>> 0, 8);
  segment[12] = ((20 + options.length) / 4) << 4;
  segment[13] = flags.reduce((bits, flag) => bits | FLAGS[flag], 0);
  segment.writeUInt16BE(window, 14);
  options.copy(segment, 20);
  data.copy(segment, 20 + options.length);
  const header = { ...ip, protocol: TCP };
  segment.writeUInt16BE(checksum(pseudoHeader(header, segment.length), segment), 16);
  return ipv4(header, segment);
}

/** A datagram with ICMP; `rest` are the four bytes after the checksum. */
export function icmp({ type, code = 0, rest = Buffer.alloc(4), data = EMPTY, ...ip }) {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0]), rest, data]);
  message.writeUInt16BE(checksum(message), 2);
  return ipv4({ ...ip, protocol: ICMP }, message);
}

/** An echo request, or a reply with `type: 0`. */
export function echo({ type = 8, id: ident, seq, ...rest }) {
  const { ipId, ...fields } = rest;
  const quad = Buffer.from([ident >> 8, ident & 0xff, seq >> 8, seq & 0xff]);
  return icmp({ ...fields, id: ipId, type, rest: quad });
}

/** An ICMP error about the datagram `quoted`: it quotes the header and `quote` bytes of the payload. */
export function icmpError({ type, code, mtu = 0, quoted, quote = 8, ...ip }) {
  const rest = Buffer.from([0, 0, mtu >> 8, mtu & 0xff]);
  return icmp({ ...ip, type, code, rest, data: Buffer.from(quoted.subarray(0, IPV4_HEADER + quote)) });
}

/** The fragments of a datagram for a link that carries `mtu` bytes. */
export function fragments(datagram, mtu) {
  const step = (mtu - IPV4_HEADER) & ~7;
  const payload = datagram.subarray(IPV4_HEADER);
  const pieces = [];
  for (let offset = 0; offset < payload.length; offset += step) {
    const moreFragments = offset + step < payload.length;
    pieces.push(refragment(datagram, payload.subarray(offset, offset + step), { moreFragments, offset }));
  }
  return pieces;
}

function refragment(datagram, payload, { moreFragments, offset }) {
  const piece = Buffer.concat([datagram.subarray(0, IPV4_HEADER), payload]);
  piece.writeUInt16BE(piece.length, 2);
  piece.writeUInt16BE((moreFragments ? 0x2000 : 0) | (offset / 8), 6);
  piece.writeUInt16BE(0, 10);
  piece.writeUInt16BE(checksum(piece.subarray(0, IPV4_HEADER)), 10);
  return piece;
}

/** Data in which each byte depends on its position and on `salt`, so that swapped packets are detected. */
export function pattern(length, salt = 0) {
  const data = Buffer.alloc(length);
  for (let i = 0; i < length; i++) data[i] = (i * 13 + salt * 7 + (i >> 8)) & 0xff;
  return data;
}
