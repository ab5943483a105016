/** What a NAT is for: packets out, answers in, nothing else. */
import assert from 'node:assert/strict';
import { connect, expectSegment, pingExchange, SERVER, STRANGER, syn, udpBack, udpExchange, udpOut } from './exchanges.mjs';
import { echo, icmpError, pattern, tcp, udp } from '../wire/build.mjs';
import { imageTest, ROUTER_INSIDE } from './world.mjs';

imageTest('both sides get an answer to ARP, each with the address of its port', (world) => {
  const inside = world.laptop.resolve(ROUTER_INSIDE);
  const outside = world.wan.resolve(world.wan.routerIp);
  const locallyAdministered = (mac) => (parseInt(mac.slice(0, 2), 16) & 3) === 2;
  assert.ok(locallyAdministered(inside) && locallyAdministered(outside), `${inside}, ${outside}`);
  assert.notEqual(inside, outside);
});

imageTest('ARP requests for addresses other than the router\'s get no answer', (world) => {
  world.laptop.ask(world.wan.routerIp);
  world.laptop.ask('192.168.77.2');
  world.wan.ask(ROUTER_INSIDE);
  world.wan.ask('198.51.100.78');
  world.run(100);
  assert.deepEqual(world.wan.neighbours.get(ROUTER_INSIDE), undefined);
  assert.deepEqual([...world.laptop.neighbours.keys()], [ROUTER_INSIDE]);
});

imageTest('UDP goes out with the outside address and comes back to the host', (world) => {
  const out = udpExchange(world);
  assert.equal(out.ip.ttl, 63);
  assert.ok(out.udp.srcPort >= 1024, `external port ${out.udp.srcPort}`);
});

imageTest('one inside port has one external port for every remote endpoint', (world) => {
  const ports = [SERVER, '203.0.113.10'].map((dst) => udpExchange(world, { dst }).udp.srcPort);
  assert.equal(ports[0], ports[1]);
});

imageTest('two hosts with the same source port get different external ports', (world) => {
  const other = world.addHost();
  other.lease();
  const one = udpOut(world, { srcPort: 6000 });
  const two = udpOut(world, { host: other, srcPort: 6000 });
  assert.notEqual(one.udp.srcPort, two.udp.srcPort);
  assert.equal(udpBack(world, two).ip.dst, other.ip);
  assert.equal(udpBack(world, one).ip.dst, world.laptop.ip);
});

imageTest('a UDP datagram without a checksum stays without one', (world) => {
  const datagram = udp({ src: world.laptop.ip, dst: SERVER, srcPort: 5000, dstPort: 7, data: pattern(9) });
  datagram.writeUInt16BE(0, 26);
  world.laptop.send(datagram);
  assert.equal(world.outside.expect('it', ({ udp: segment }) => segment).udp.checksum, 0);
});

imageTest('ping goes out and its reply comes back', (world) => {
  pingExchange(world);
  pingExchange(world, { seq: 2, length: 1472 });
});

imageTest('a TCP connection carries data both ways and ends with a FIN each way', (world) => {
  const { client, server } = connect(world);
  const outward = () => server.take(expectSegment(world, world.outside, server, 'a segment out'));
  const inward = () => client.take(expectSegment(world, world.lan, client, 'a segment in'));
  client.sendData(300);
  outward();
  server.send(['ack']);
  inward();
  server.sendData(4 * 1460);
  for (let i = 0; i < 4; i++) inward();
  client.send(['ack']);
  outward();
  assert.ok(client.settled && server.settled);
  assert.deepEqual(server.received, pattern(300, 0));
  assert.equal(client.received.length, 4 * 1460);
  client.send(['fin', 'ack']);
  outward();
  server.send(['fin', 'ack']);
  inward();
  client.send(['ack']);
  outward();
  assert.ok(client.settled && server.settled && client.flagsSeen.has('fin') && server.flagsSeen.has('fin'));
  assert.deepEqual([client.problems, server.problems], [[], []]);
});

imageTest('the MSS of a SYN is lowered to what fits, and no other option changes', (world) => {
  const options = Buffer.from([2, 4, 0x23, 0x00, 4, 2, 1, 3, 3, 7, 1, 1]);
  world.laptop.send(
    tcp({ src: world.laptop.ip, dst: SERVER, srcPort: 4000, dstPort: 80, seq: 5, flags: ['syn'], options }),
  );
  const out = world.outside.expect('the SYN', (packet) => packet.tcp);
  assert.equal(out.tcp.options.readUInt16BE(2), 1460);
  assert.deepEqual(out.tcp.options.subarray(4), options.subarray(4));
});

imageTest('unsolicited packets from outside do not reach the inside', (world) => {
  const { ip } = world.laptop;
  const out = udpOut(world, { srcPort: 5000 });
  const external = { dst: out.ip.src, dstPort: out.udp.srcPort };
  const uninvited = [
    udp({ src: STRANGER, srcPort: 7, ...external, data: pattern(8) }),
    udp({ src: SERVER, srcPort: 8, ...external, data: pattern(8) }),
    syn({ src: SERVER, ...external }),
    udp({ src: STRANGER, srcPort: 7, dst: ip, dstPort: 5000 }),
    syn({ src: STRANGER, dst: ip, dstPort: 80 }),
    echo({ src: STRANGER, dst: ip, id: 1, seq: 1 }),
  ];
  const mac = world.wan.neighbours.get(world.wan.routerIp) ?? world.wan.resolve(world.wan.routerIp);
  uninvited.forEach((datagram) => world.wan.sendTo(mac, datagram));
  world.lan.expectSilence(200);
  world.outside.expectSilence(1);
  udpBack(world, out);
});

imageTest('a port scan from outside gets no answer at all, from any port and by any protocol', (world) => {
  const dst = world.wan.routerIp;
  world.wan.resolve(dst);
  const ports = [...Array.from({ length: 300 }, (_, i) => i + 1), 546, 547, 853, 1900, 5351, 5353, 8080, 61000];
  for (const dstPort of ports) {
    world.wan.send(syn({ src: STRANGER, dst, dstPort }));
    world.wan.send(udp({ src: STRANGER, dst, srcPort: 40000, dstPort, data: pattern(20) }));
    world.run(1);
  }
  world.wan.send(echo({ src: STRANGER, dst, id: 9, seq: 1, data: pattern(20) }));
  world.wan.send(tcp({ src: STRANGER, dst, srcPort: 1, dstPort: 80, seq: 1, ack: 1, flags: ['ack'] }));
  world.wan.send(
    icmpError({
      src: STRANGER,
      dst,
      type: 3,
      code: 3,
      quoted: udp({ src: dst, dst: STRANGER, srcPort: 9, dstPort: 9 }),
    }),
  );
  world.outside.expectSilence(1500, (packet) => packet.ip);
  world.lan.expectSilence(1);
  udpExchange(world);
});

imageTest('an ICMP error about a live session reaches its host, with the quoted packet translated back', (world) => {
  const out = udpOut(world, { srcPort: 5001, data: pattern(100) });
  const errors = [
    { type: 3, code: 3, src: SERVER },
    { type: 3, code: 4, src: '203.0.113.1', mtu: 1280 },
    { type: 11, code: 0, src: '203.0.113.1' },
  ];
  for (const error of errors) {
    world.wan.send(icmpError({ ...error, dst: out.ip.src, quoted: out.ip.bytes, quote: 64 }));
    const { ip, icmp } = world.lan.expect(`ICMP ${error.type}/${error.code}`, (packet) => packet.icmp);
    assert.deepEqual([ip.src, ip.dst, icmp.type, icmp.code], [error.src, world.laptop.ip, error.type, error.code]);
    assert.equal(icmp.mtu, error.mtu ?? 0);
    assert.deepEqual([icmp.quoted.src, icmp.quoted.srcPort], [world.laptop.ip, 5001]);
    assert.deepEqual([icmp.quoted.dst, icmp.quoted.dstPort], [SERVER, 7]);
  }
  udpBack(world, out);
});

imageTest('an ICMP error about no session goes nowhere', (world) => {
  const quoted = udp({ src: world.wan.routerIp, dst: SERVER, srcPort: 33333, dstPort: 7, data: pattern(8) });
  world.wan.send(icmpError({ src: SERVER, dst: world.wan.routerIp, type: 3, code: 3, quoted }));
  world.lan.expectSilence(200);
});

imageTest('traceroute from inside finds the router, and then the hops behind it', (world) => {
  world.laptop.send(
    udp({ src: world.laptop.ip, dst: SERVER, srcPort: 5002, dstPort: 33434, ttl: 1, data: pattern(12) }),
  );
  const first = world.lan.expect('Time Exceeded', ({ icmp }) => icmp?.type === 11);
  assert.deepEqual([first.ip.src, first.ip.dst, first.icmp.code], [ROUTER_INSIDE, world.laptop.ip, 0]);
  assert.deepEqual([first.icmp.quoted.src, first.icmp.quoted.srcPort], [world.laptop.ip, 5002]);
  world.outside.expectSilence(50, (packet) => packet.ip);
  const out = udpOut(world, { srcPort: 5002, dstPort: 33435, ttl: 2, data: pattern(12) });
  assert.equal(out.ip.ttl, 1);
  world.wan.send(icmpError({ src: world.wan.ip, dst: out.ip.src, type: 11, code: 0, quoted: out.ip.bytes }));
  const second = world.lan.expect('Time Exceeded of the next hop', ({ icmp }) => icmp?.type === 11);
  assert.deepEqual([second.ip.src, second.icmp.quoted.src], [world.wan.ip, world.laptop.ip]);
});

imageTest(
  'a packet that was corrupted on the way is not repaired by a new checksum',
  (world) => {
    const out = udpOut(world, { srcPort: 5003 });
    const answer = { src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data: pattern(50) };
    const [header, data] = [udp(answer), udp(answer)];
    header[8] ^= 0x10;
    data[40] ^= 0xff;
    world.wan.send(header);
    world.lan.expectSilence(50);
    world.wan.sendTo(world.outside.routerMac, data);
    world.run(50);
    assert.equal(world.invariants.violations.length, 1);
    assert.match(world.invariants.violations.pop(), /UDP checksum/);
  },
  { wireshark: false },
);

imageTest(
  'an echo reply that was corrupted on the way is not repaired by a new checksum',
  (world) => {
    const out = pingExchange(world);
    const reply = echo({ src: SERVER, dst: out.ip.src, type: 0, id: out.icmp.id, seq: 2, data: pattern(56) });
    reply[reply.length - 1] ^= 0xff;
    world.wan.sendTo(world.outside.routerMac, reply);
    world.run(50);
    assert.equal(world.invariants.violations.length, 1);
    assert.match(world.invariants.violations.pop(), /ICMP checksum/);
  },
  { wireshark: false },
);

imageTest('the router answers a ping to its inside address', (world) => {
  world.laptop.send(echo({ src: world.laptop.ip, dst: ROUTER_INSIDE, id: 3, seq: 4, data: pattern(40) }));
  const reply = world.lan.expect('an echo reply', ({ icmp }) => icmp?.type === 0);
  assert.deepEqual([reply.ip.src, reply.icmp.id, reply.icmp.seq], [ROUTER_INSIDE, 3, 4]);
});

imageTest('hosts inside reach each other under their outside addresses', (world) => {
  const other = world.addHost();
  other.lease();
  const hosts = [world.laptop, other];
  const external = hosts.map((host, i) => udpOut(world, { host, srcPort: 7000 + i }).udp.srcPort);
  const call = (from, to) => {
    const data = pattern(20, from);
    hosts[from].send(
      udp({ src: hosts[from].ip, dst: world.wan.routerIp, srcPort: 7000 + from, dstPort: external[to], data }),
    );
  };
  call(0, 1);
  world.run(20);
  world.lan.drain();
  call(1, 0);
  const heard = world.lan.expect('the call', (packet) => packet.udp);
  assert.deepEqual([heard.ip.src, heard.udp.srcPort], [world.wan.routerIp, external[1]]);
  assert.deepEqual([heard.ip.dst, heard.udp.dstPort], [hosts[0].ip, 7000]);
  world.outside.expectSilence(1);
});
