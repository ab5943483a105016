/** Leases outside, taken, renewed, changed and lost; and leases inside, given. */
import assert from 'node:assert/strict';
import { Board } from '../boards/selected.mjs';
import { SERVER, udpBack, udpExchange, udpOut } from './exchanges.mjs';
import { OTHER_PROVIDER, PROVIDER } from '../peers/wan.mjs';
import { pattern, udp } from '../wire/build.mjs';
import { imageTest, ROUTER_INSIDE } from './world.mjs';

/** Hosts that look for an address at the same time. */
const AT_ONCE = 8;
const SHORT = { ...PROVIDER, leaseSeconds: 60 };

for (const [when, ms] of [
  ['from power-up on', 0],
  ['a second later', 1000],
]) {
  imageTest(
    `with a link outside ${when}, the router asks for an address once before it waits for an answer`,
    (world) => {
      world.wan.dhcp.mode = 'silent';
      world.board.wan.link(ms === 0);
      world.board.after(ms * 1e3, () => world.board.wan.link(true));
      world.run(ms + 1500);
      assert.deepEqual(
        world.wan.dhcp.heard.map(({ type }) => type),
        ['discover'],
      );
    },
    { cold: true },
  );
}

imageTest(
  'a laptop that is plugged in gets an address, the router as gateway, and the outside DNS servers',
  (world) => {
    const host = world.addHost();
    const { offer, ack } = host.lease();
    for (const message of [offer, ack]) {
      assert.equal(message.router, ROUTER_INSIDE);
      assert.equal(message.server, ROUTER_INSIDE);
      assert.equal(message.mask, '255.255.255.0');
      assert.deepEqual(message.dns, PROVIDER.dns);
      assert.match(message.yiaddr, /^192\.168\.77\.1[0-6]\d$/);
    }
    assert.equal(offer.yiaddr, ack.yiaddr);
    assert.ok(ack.lease >= 600, `a lease of ${ack.lease} s`);
  },
);

imageTest(
  'each of 64 hosts gets an address of its own, the 65th none, and all keep theirs when they renew',
  (world) => {
    const hosts = [world.laptop, ...Array.from({ length: 63 }, () => world.addHost())];
    for (let first = 1; first < hosts.length; first += AT_ONCE) {
      const batch = hosts.slice(first, first + AT_ONCE);
      batch.forEach((host) => {
        host.discover();
        // The router's own stack queues four frames, and those of one block arrive at once.
        if (Board.hasUsb) world.run(1);
      });
      batch.forEach((host) => host.takeOffer());
    }
    const addresses = hosts.map(({ ip }) => ip);
    assert.equal(new Set(addresses).size, 64);
    const late = world.addHost();
    late.sendDhcp({ type: 'discover' });
    world.run(1000);
    assert.deepEqual(late.replies, []);
    hosts.forEach((host) => assert.deepEqual([host.renew().type, host.ip], ['ack', host.ip]));
  },
);

imageTest('a host that requests an address of another network gets a NAK', (world) => {
  const host = world.addHost();
  host.sendDhcp({ type: 'request', options: { requested: '10.0.0.5' } });
  assert.equal(host.awaitReply('a NAK', 500).type, 'nak');
});

imageTest('the lease outside is renewed in time, and sessions are not affected', (world) => {
  world.wan.dhcp.provider = SHORT;
  world.board.wan.link(false);
  world.run(500);
  world.board.wan.link(true);
  world.awaitLease();
  const out = udpOut(world, { srcPort: 5100 });
  const { acks } = world.wan.dhcp;
  for (let minute = 0; minute < 3; minute++) {
    world.run(55_000);
    udpBack(world, udpOut(world, { srcPort: 5100 }));
  }
  assert.ok(world.wan.dhcp.acks >= acks + 3, `${world.wan.dhcp.acks - acks} renewals in 165 s of leases of 60 s`);
  assert.equal(udpOut(world, { srcPort: 5100 }).udp.srcPort, out.udp.srcPort);
  const renewals = world.wan.dhcp.heard.filter(({ ciaddr, type }) => type === 'request' && ciaddr === PROVIDER.address);
  assert.ok(renewals.length >= 3);
});

imageTest('when the provider leases another address, old sessions end and new ones work', (world) => {
  world.wan.dhcp.provider = SHORT;
  world.board.wan.link(false);
  world.run(500);
  world.board.wan.link(true);
  world.awaitLease();
  const old = udpOut(world, { srcPort: 5100 });
  world.wan.dhcp.provider = { ...SHORT, address: '198.51.100.99' };
  world.wan.neighbours.clear();
  world.until(
    'a request for the other address',
    () => world.wan.dhcp.heard.at(-1).requested === '198.51.100.99',
    70_000,
  );
  // The answer takes 200 ms, and the line comes at the next half second after it.
  world.run(800);
  assert.match(world.board.log, /outside: address 198\.51\.100\.99\/24/);
  world.wan.resolve('198.51.100.99');
  world.wan.send(udp({ src: SERVER, dst: '198.51.100.99', srcPort: 7, dstPort: old.udp.srcPort, data: pattern(8) }));
  world.lan.expectSilence(100);
  assert.equal(udpExchange(world, { srcPort: 5101 }).ip.src, '198.51.100.99');
});

imageTest(
  'when the lease expires nothing more goes out under the old address, and a new lease brings the router back',
  (world) => {
    world.wan.dhcp.provider = SHORT;
    world.board.wan.link(false);
    world.run(500);
    world.board.wan.link(true);
    world.awaitLease();
    udpExchange(world);
    world.wan.dhcp.mode = 'silent';
    world.run(62_000);
    assert.match(world.board.log, /outside: address lost/);
    world.outside.drain();
    world.laptop.send(udp({ src: world.laptop.ip, dst: SERVER, srcPort: 5200, dstPort: 7, data: pattern(8) }));
    world.outside.expectSilence(500, ({ ip }) => ip.src !== '0.0.0.0');
    world.wan.dhcp.mode = 'answer';
    world.awaitLease(90_000);
    udpExchange(world, { srcPort: 5201 });
  },
);

// smoltcp's client sends the next request at once, some hundred times a second. That must not stop the inside.
imageTest(
  'a provider that refuses is asked again until it gives an address, and hosts inside are served meanwhile',
  (world) => {
    world.wan.dhcp.mode = 'refuse';
    world.run(1000);
    const asked = world.wan.dhcp.heard.filter(({ type }) => type === 'discover').length;
    assert.ok(asked >= 2, `${asked} times`);
    const host = world.addHost();
    host.lease();
    host.resolve(ROUTER_INSIDE);
    world.wan.dhcp.mode = 'answer';
    world.awaitLease(90_000);
  },
  { cold: true },
);

imageTest(
  'the cable outside is plugged into another network: new address, gateway and DNS servers, also for the hosts',
  (world) => {
    udpExchange(world);
    world.board.wan.link(false);
    world.run(3000);
    world.wan.move(OTHER_PROVIDER);
    world.board.wan.link(true);
    world.awaitLease(10_000);
    udpExchange(world, { srcPort: 5001 });
    assert.equal(world.laptop.renew().dns[0], OTHER_PROVIDER.dns[0]);
  },
);
