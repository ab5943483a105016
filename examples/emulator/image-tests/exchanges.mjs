/** Exchanges that most tests make: a packet out, its answer back in. */
import assert from 'node:assert/strict';
import { echo, pattern, tcp, udp } from '../wire/build.mjs';
import { TcpEnd } from '../peers/tcp-end.mjs';

/** A server on the Internet. */
export const SERVER = '203.0.113.9';
export const ECHO_PORT = 7;
/** An address that no host has sent to. */
export const STRANGER = '192.0.2.66';

/** A UDP datagram of a host to a server; returns it as it came out of the router. */
export function udpOut(
  world,
  { host = world.laptop, srcPort = 5000, dst = SERVER, dstPort = ECHO_PORT, data = pattern(32), ...ip },
) {
  host.send(udp({ src: host.ip, dst, srcPort, dstPort, data, ...ip }));
  return world.outside.expect(
    `a datagram for port ${dstPort}`,
    (packet) => packet.udp?.dstPort === dstPort && packet.ip.dst === dst,
  );
}

/** The server's answer to a datagram as it came out; returns the answer as the host gets it. */
export function udpBack(world, out, { data = pattern(48, 1), ...ip } = {}) {
  const { srcPort, dstPort } = out.udp;
  world.wan.send(udp({ src: out.ip.dst, dst: out.ip.src, srcPort: dstPort, dstPort: srcPort, data, ...ip }));
  return world.lan.expect(`an answer from port ${dstPort}`, (packet) => packet.udp?.srcPort === dstPort);
}

/** A datagram there and back; fails unless both ways carry the data unchanged. @returns what came out of the router */
export function udpExchange(world, options = {}) {
  const data = options.data ?? pattern(32);
  const { host = world.laptop, srcPort = 5000 } = options;
  const out = udpOut(world, { ...options, data });
  assert.equal(out.ip.src, world.wan.routerIp);
  assert.deepEqual(out.udp.data, data);
  const back = udpBack(world, out, { data: pattern(data.length, 9) });
  assert.deepEqual([back.eth.dst, back.ip.dst, back.udp.dstPort], [host.mac, host.ip, srcPort]);
  assert.deepEqual(back.udp.data, pattern(data.length, 9));
  return out;
}

/** An echo request out and its reply in. @returns the request as it came out */
export function pingExchange(world, { host = world.laptop, dst = SERVER, id = 77, seq = 1, length = 56 } = {}) {
  const data = pattern(length, seq);
  host.send(echo({ src: host.ip, dst, id, seq, data }));
  const out = world.outside.expect('an echo request', ({ icmp }) => icmp?.type === 8);
  assert.deepEqual([out.ip.src, out.ip.dst, out.icmp.seq], [world.wan.routerIp, dst, seq]);
  assert.deepEqual(out.icmp.data, data);
  world.wan.send(echo({ src: dst, dst: out.ip.src, type: 0, id: out.icmp.id, seq, data }));
  const back = world.lan.expect('an echo reply', ({ icmp }) => icmp?.type === 0);
  assert.deepEqual([back.ip.src, back.ip.dst, back.icmp.id, back.icmp.seq], [dst, host.ip, id, seq]);
  assert.deepEqual(back.icmp.data, data);
  return out;
}

/** Both ends of a TCP connection from a host to a server, after the handshake. */
export function connect(world, { host = world.laptop, srcPort = 40000, dst = SERVER, dstPort = 80 } = {}) {
  const client = new TcpEnd(host, { src: host.ip, srcPort, dst, dstPort });
  client.send(['syn']);
  const syn = world.outside.expect(
    'a SYN',
    (packet) => packet.tcp?.dstPort === dstPort && packet.tcp.flags.includes('syn'),
  );
  const server = TcpEnd.answering(world.wan, syn);
  server.take(syn);
  server.send(['syn', 'ack']);
  client.take(expectSegment(world, world.lan, client, 'a SYN with ACK'));
  client.send(['ack']);
  server.take(expectSegment(world, world.outside, server, 'an ACK'));
  return { client, server, external: { ip: syn.ip.src, port: syn.tcp.srcPort } };
}

/** The next segment of a connection on its way to `end`. */
export function expectSegment(world, segment, end, what) {
  return segment.expect(what, (packet) => end.matches(packet));
}

/** A SYN from anywhere, as a scanner sends it. */
export const syn = ({ src, dst, srcPort = 54321, dstPort }) =>
  tcp({ src, dst, srcPort, dstPort, seq: 1, flags: ['syn'] });
