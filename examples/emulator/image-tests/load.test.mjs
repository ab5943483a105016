/** Bursts, sizes, saturation, and 512 mappings at once. */
import assert from 'node:assert/strict';
import { Board } from '../boards/selected.mjs';
import { Traffic } from './figures/traffic.mjs';
import { SERVER, udpExchange, udpOut } from './exchanges.mjs';
import { echoServers } from '../peers/wan.mjs';
import { ethernet, pattern, udp } from '../wire/build.mjs';
import { imageTest } from './world.mjs';

const WAYS = ['out', 'in'];

for (const way of WAYS) {
  imageTest(`a burst of 100 frames back to back goes ${way}, none lost and none stuck`, (world) => {
    const traffic = new Traffic(world, 60);
    for (let i = 0; i < 100; i++) traffic.send(way);
    world.run(200);
    assert.equal(traffic.counts[way], 100);
    traffic.end();
  });
}

imageTest('a burst of 100 frames each way at the same time, none lost and none stuck', (world) => {
  const traffic = new Traffic(world, 60);
  for (let i = 0; i < 100; i++) WAYS.forEach((way) => traffic.send(way));
  world.run(300);
  assert.deepEqual(traffic.counts, { out: 100, in: 100 });
  traffic.end();
});

imageTest('a burst of the longest frames that the chip holds goes through, none lost and none stuck', (world) => {
  const traffic = new Traffic(world, 1514);
  for (let i = 0; i < 10; i++) WAYS.forEach((way) => traffic.send(way));
  world.run(300);
  assert.deepEqual(traffic.counts, { out: 10, in: 10 });
  traffic.end();
});

for (const length of [60, 61, 590, 1513, 1514]) {
  imageTest(`frames of ${length} bytes go through both ways, unchanged`, (world) => {
    udpExchange(world, { data: pattern(length - 42, length) });
  });
}

for (const length of [1515, 1518, 1600, 2000, 9000]) {
  imageTest(`a frame of ${length} bytes, from either side, is dropped and harms nothing`, (world) => {
    const out = udpOut(world, { srcPort: 5000 });
    const data = pattern(length - 42);
    world.laptop.send(udp({ src: world.laptop.ip, dst: SERVER, srcPort: 5000, dstPort: 7, data }));
    world.wan.sendTo(
      world.outside.routerMac,
      udp({ src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data }),
    );
    const { lan, wan } = world.board;
    world.run(100);
    assert.deepEqual([world.lan.drain(), world.outside.drain()], [[], []]);
    assert.deepEqual([lan.unread, wan.unread], [0, 0]);
    udpExchange(world, { srcPort: 5001 });
    world.run(10_000);
    for (const line of Board.longFrameLog(length)) assert.match(world.board.log, line);
  });
}

imageTest('an oversized frame between others takes none of them along', (world) => {
  const traffic = new Traffic(world, 60);
  for (let i = 0; i < 30; i++) {
    traffic.send('in');
    if (i % 3 === 0)
      world.outside.sendFrame(ethernet({ dst: world.outside.routerMac, src: world.wan.mac }, pattern(1600, i)));
  }
  world.run(200);
  assert.equal(traffic.counts.in, 30);
  traffic.end();
});

for (const [size, gapUs] of Object.entries(Board.floodGapUs)) {
  imageTest(`with both directions saturated by ${size}-byte frames neither starves`, (world) => {
    const traffic = new Traffic(world, Number(size));
    traffic.offer(WAYS, { gapUs, ms: 500 });
    const { counts } = traffic;
    const ratio = Math.min(counts.out, counts.in) / Math.max(counts.out, counts.in);
    assert.ok(ratio > 0.8, `${JSON.stringify(counts)}`);
    world.run(300);
    traffic.end();
  });
}

imageTest('a flood from outside does not stop what a host does inside', (world) => {
  world.wan.servers = echoServers;
  const noise = udp({ src: '192.0.2.66', dst: world.wan.routerIp, srcPort: 9, dstPort: 9, data: pattern(18) });
  const flood = () => {
    world.wan.sendTo(world.outside.routerMac, noise);
    if (world.ms < end) world.board.after(500, flood);
  };
  const end = world.ms + 1000;
  flood();
  const data = pattern(100);
  for (let i = 0; i < 50; i++) {
    world.laptop.send(udp({ src: world.laptop.ip, dst: SERVER, srcPort: 5300, dstPort: 7, data }));
    world.run(15);
  }
  world.run(200);
  assert.equal(world.lan.drain().filter((packet) => packet.udp).length, 50);
});

imageTest('512 mappings at once, of 16 hosts, all get their answers, each at its host', (world) => {
  world.wan.servers = echoServers;
  const hosts = Array.from({ length: 16 }, (_, i) => world.addConfiguredHost(10 + i));
  const sessions = hosts.flatMap((host) => Array.from({ length: 32 }, (_, i) => ({ host, srcPort: 20_000 + i })));
  for (const { host, srcPort } of sessions) {
    host.send(udp({ src: host.ip, dst: SERVER, srcPort, dstPort: 7, data: pattern(20, srcPort) }));
    world.run(1);
  }
  world.run(200);
  const first = world.lan.drain().map(({ ip, udp: { dstPort } }) => `${ip.dst}:${dstPort}`);
  assert.equal(new Set(first).size, 512);
  for (const { host, srcPort } of sessions.toReversed()) {
    host.send(udp({ src: host.ip, dst: SERVER, srcPort, dstPort: 7, data: pattern(20, srcPort) }));
    world.run(1);
  }
  world.run(200);
  for (const { udp: answer } of world.lan.drain()) assert.deepEqual(answer.data, pattern(20, answer.dstPort));
});
