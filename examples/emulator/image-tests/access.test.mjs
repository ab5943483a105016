/** What access networks do: several routers in a lease, other servers, timers of nothing, tags; and many hosts inside. */
import assert from 'node:assert/strict';
import { SERVER, udpBack, udpExchange, udpOut } from './exchanges.mjs';
import { Station } from '../peers/station.mjs';
import { echoServers, PROVIDER } from '../peers/wan.mjs';
import { pattern, udp } from '../wire/build.mjs';
import { imageTest } from './world.mjs';

imageTest(
  'of two routers in a lease the first is the gateway',
  (world) => {
    world.wan.dhcp.provider = { ...PROVIDER, otherRouters: ['198.51.100.2'] };
    world.makeReady();
    udpExchange(world);
    assert.match(world.board.log, /outside: .*198\.51\.100\.1\b/);
  },
  { cold: true },
);

imageTest(
  'a client does not renew more than once a minute, even if the server says 0 s',
  (world) => {
    world.wan.dhcp.provider = { ...PROVIDER, timers: { renew: 0, rebind: 0 } };
    world.makeReady();
    const heard = world.wan.dhcp.heard.length;
    world.run(180_000);
    const asked = world.wan.dhcp.heard.length - heard;
    assert.ok(asked <= 3, `${asked} messages in three minutes`);
    udpExchange(world);
  },
  { cold: true },
);

imageTest("a lease and its sessions survive another server's NAK", (world) => {
  const other = new Station(world.outside, { mac: '02:5e:00:00:00:09', ip: '198.51.100.9' });
  const out = udpOut(world, { srcPort: 5100 });
  for (let i = 0; i < 5; i++) {
    world.wan.dhcp.refuseAs(other);
    world.run(500);
    udpBack(world, udpOut(world, { srcPort: 5100 }));
  }
  assert.equal(udpOut(world, { srcPort: 5100 }).udp.srcPort, out.udp.srcPort);
  assert.doesNotMatch(world.board.log, /address lost/);
});

imageTest(
  "another server's NAK while an address is asked for does not keep the router from it",
  (world) => {
    const other = new Station(world.outside, { mac: '02:5e:00:00:00:09', ip: '198.51.100.9' });
    world.wan.dhcp.mode = 'silent';
    world.until('a DISCOVER', () => world.wan.dhcp.heard.length > 0, 5000);
    world.wan.dhcp.mode = 'answer';
    world.until('a REQUEST', () => world.wan.dhcp.heard.at(-1).type === 'request', 20_000);
    world.wan.dhcp.refuseAs(other);
    world.until('a lease', () => world.wan.dhcp.acks > 0, 5000);
    world.run(3000);
    assert.match(world.board.log, /198\.51\.100\.77/);
    assert.doesNotMatch(world.board.log, /address lost/);
  },
  { cold: true },
);

imageTest(
  'both networks tag every frame with a priority, and everything works as without tags',
  (world) => {
    world.lan.tagged = true;
    world.outside.tagged = true;
    world.makeReady();
    udpExchange(world);
    world.laptop.renew();
    udpExchange(world, { srcPort: 5001, data: pattern(1400) });
  },
  { cold: true },
);

imageTest('the longest datagram in a frame with a priority tag goes through both ways', (world) => {
  world.lan.tagged = true;
  world.outside.tagged = true;
  udpExchange(world, { data: pattern(1472) });
});

imageTest('each of 40 busy hosts gets an answer to each of its packets', (world) => {
  world.wan.servers = echoServers;
  const hosts = Array.from({ length: 40 }, (_, i) => world.addConfiguredHost(200 + i));
  const send = (host, round) =>
    host.send(udp({ src: host.ip, dst: SERVER, srcPort: 6000, dstPort: 7, data: pattern(40, round) }));
  // The first answer to each host makes the router send an ARP request for it.
  hosts.forEach((host) => {
    send(host, 0);
    world.run(5);
  });
  world.run(500);
  world.lan.drain();
  for (let round = 1; round <= 50; round++) {
    for (const host of hosts) {
      send(host, round);
      world.run(0.1);
    }
    world.run(4);
  }
  world.run(100);
  const answers = world.lan.drain().filter(({ udp: segment }) => segment?.srcPort === 7);
  const missing = hosts.filter((host) => answers.filter(({ ip }) => ip.dst === host.ip).length !== 50);
  assert.deepEqual(
    missing.map(({ ip }) => ip),
    [],
    'hosts without all of their answers',
  );
});
