/** Cables that are pulled and plugged in again. */
import assert from 'node:assert/strict';
import { pingExchange, SERVER, udpBack, udpExchange, udpOut } from './exchanges.mjs';
import { pattern, udp } from '../wire/build.mjs';
import { imageTest } from './world.mjs';

/** The link is polled every 100 ms; the services see the change up to 100 ms later. */
const NOTICED_MS = 300;

imageTest('sessions survive when the cable inside is pulled and plugged in again', (world) => {
  const out = udpOut(world, { srcPort: 5000 });
  world.board.lan.link(false);
  world.run(5000);
  world.board.lan.link(true);
  world.run(NOTICED_MS);
  udpBack(world, out);
  assert.equal(udpExchange(world, { srcPort: 5000 }).udp.srcPort, out.udp.srcPort);
});

imageTest('while the cable inside is pulled the outside is served, and nothing is sent inside later', (world) => {
  const out = udpOut(world, { srcPort: 5000 });
  world.board.lan.link(false);
  world.run(NOTICED_MS);
  for (let i = 0; i < 40; i++) {
    const answer = { src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data: pattern(60, i) };
    world.wan.send(udp(answer));
    world.run(5);
  }
  world.wan.resolve(world.wan.routerIp);
  world.board.lan.link(true);
  world.lan.expectSilence(2000);
  udpExchange(world);
});

imageTest(
  'after the cable outside is pulled and plugged in again, the lease is requested again and sessions continue',
  (world) => {
    const out = udpOut(world, { srcPort: 5000 });
    world.board.wan.link(false);
    world.run(2000);
    world.board.wan.link(true);
    world.awaitLease(10_000);
    world.wan.resolve(world.wan.routerIp);
    udpBack(world, out);
    assert.equal(udpExchange(world, { srcPort: 5000 }).udp.srcPort, out.udp.srcPort);
  },
);

imageTest('while the cable outside is pulled hosts inside get addresses', (world) => {
  world.board.wan.link(false);
  world.run(NOTICED_MS);
  const host = world.addHost();
  assert.equal(host.lease().ack.router, '192.168.77.1');
  host.send(udp({ src: host.ip, dst: SERVER, srcPort: 1, dstPort: 2 }));
  world.run(100);
  world.board.wan.link(true);
  world.awaitLease(10_000);
  udpExchange(world, { host });
});

imageTest('the router still routes after twenty flaps of both links', (world) => {
  for (let i = 0; i < 20; i++) {
    const port = i % 2 ? world.board.lan : world.board.wan;
    port.link(false);
    world.run(30 + 40 * (i % 7));
    port.link(true);
    world.run(60);
  }
  world.run(3000);
  world.laptop.resolve('192.168.77.1');
  udpExchange(world);
  pingExchange(world);
});

imageTest('the router announces itself by ARP on both sides when a link comes up', (world) => {
  world.lan.arps.length = 0;
  world.outside.arps.length = 0;
  for (const port of [world.board.lan, world.board.wan]) port.link(false);
  world.run(500);
  for (const port of [world.board.lan, world.board.wan]) port.link(true);
  world.run(3000);
  const announces = ({ arps }, ip) => arps.some(({ arp }) => arp.senderIp === ip && arp.targetIp === ip);
  assert.ok(announces(world.lan, '192.168.77.1') && announces(world.outside, world.wan.routerIp));
});
