/** Fragments follow their datagram's first through the NAT, in any order, both ways. */
import assert from 'node:assert/strict';
import { SERVER, udpOut } from './exchanges.mjs';
import { fragments, icmpError, pattern, udp } from '../wire/build.mjs';
import { reassemble } from '../wire/parse.mjs';
import { imageTest } from './world.mjs';

const SIZE = 3000;
const MTU = 1500;

/** Sends the fragments in this order, and returns them as they arrive on the other side, put together. */
function through(world, from, to, { datagram, order }) {
  const pieces = fragments(datagram, MTU);
  order.forEach((i) => from.send(pieces[i]));
  world.run(100);
  const arrived = to.drain().filter(({ ip }) => ip.moreFragments || ip.offset > 0);
  assert.equal(arrived.length, pieces.length, 'fragments that arrived');
  return reassemble(arrived);
}

const ORDERS = {
  'in order': [0, 1, 2],
  'the first last': [1, 2, 0],
  'the last first': [2, 0, 1],
  backwards: [2, 1, 0],
};

for (const [label, order] of Object.entries(ORDERS)) {
  imageTest(`a datagram in fragments goes out, ${label}`, (world) => {
    const data = pattern(SIZE);
    const datagram = udp({ src: world.laptop.ip, dst: SERVER, srcPort: 5000, dstPort: 9, id: 700, data });
    const whole = through(world, world.laptop, world.outside, { datagram, order });
    assert.equal(whole.ip.src, world.wan.routerIp);
    assert.deepEqual(whole.udp.data, data);
  });

  imageTest(`a datagram in fragments comes in, ${label}`, (world) => {
    const out = udpOut(world, { srcPort: 5000, dstPort: 9 });
    const data = pattern(SIZE, 3);
    const datagram = udp({ src: SERVER, dst: out.ip.src, srcPort: 9, dstPort: out.udp.srcPort, id: 800, data });
    const whole = through(world, world.wan, world.lan, { datagram, order });
    assert.deepEqual([whole.ip.dst, whole.udp.dstPort], [world.laptop.ip, 5000]);
    assert.deepEqual(whole.udp.data, data);
  });
}

imageTest('fragments from outside that belong to no session go nowhere', (world) => {
  const dst = world.wan.routerIp;
  const datagram = udp({ src: SERVER, dst, srcPort: 9, dstPort: 5000, id: 900, data: pattern(SIZE) });
  fragments(datagram, MTU).forEach((piece) => world.wan.send(piece));
  world.lan.expectSilence(500);
  world.outside.expectSilence(1);
});

imageTest('fragmentation needed from outside reaches the host with the MTU', (world) => {
  const data = pattern(1472);
  const out = udpOut(world, { srcPort: 5001, dstPort: 9, dontFragment: true, data });
  assert.equal(out.ip.dontFragment, true);
  world.wan.send(icmpError({ src: '203.0.113.1', dst: out.ip.src, type: 3, code: 4, mtu: 1400, quoted: out.ip.bytes }));
  const { icmp, ip } = world.lan.expect('fragmentation needed', (packet) => packet.icmp);
  assert.deepEqual(
    [ip.dst, icmp.mtu, icmp.quoted.src, icmp.quoted.srcPort],
    [world.laptop.ip, 1400, world.laptop.ip, 5001],
  );
});
