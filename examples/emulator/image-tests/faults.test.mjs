/** Chips that hang, and a processor that is stuck: the router recovers. */
import assert from 'node:assert/strict';
import { Board } from '../boards/selected.mjs';
import { pingExchange, SERVER, udpBack, udpExchange, udpOut } from './exchanges.mjs';
import { echoServers } from '../peers/wan.mjs';
import { pattern, udp } from '../wire/build.mjs';
import { imageTest, ROUTER_INSIDE } from './world.mjs';

/** From a chip that hangs to traffic, the new lease included. */
const RECOVERED_MS = 2500;
/** The watchdog's timeout, a boot, and a lease. */
const RESTARTED_MS = 5000;

/** Traffic both ways: a chip that ignores commands is noticed only when the router sends. */
function recovers(world, { out, what }) {
  const { laptop, wan } = world;
  wan.servers = echoServers;
  const end = world.ms + RECOVERED_MS;
  const asked = udp({ src: laptop.ip, dst: SERVER, srcPort: 5000, dstPort: 7, data: pattern(30) });
  const more = udp({ src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data: pattern(5) });
  let answered = 0;
  while (world.ms < end && answered === 0) {
    laptop.send(asked);
    wan.send(more);
    world.run(50);
    answered = world.lan.drain().filter((packet) => packet.udp?.data.length === 30).length;
  }
  assert.ok(answered > 0, `no traffic ${RECOVERED_MS} ms after ${what}`);
}

for (const [side, chip] of Object.entries(Board.w5500s)) {
  for (const kind of ['ones', 'zeros', 'deaf', 'sends', 'closed']) {
    imageTest(`a chip on the ${side} that fails as '${kind}' is reset, and traffic goes on`, (world) => {
      const out = udpExchange(world);
      world.board[side].wedge(kind);
      recovers(world, { out, what: `the chip failed as '${kind}'` });
      world.run(500);
      world.wan.servers = () => undefined;
      world.lan.drain();
      pingExchange(world);
      assert.match(world.board.log, new RegExp(`${chip}: reset`));
    });
  }

  imageTest(`with a broken interrupt line on the ${side} packets still get through, slower`, (world) => {
    world.board[side].wedge('interrupt');
    world.wan.servers = echoServers;
    for (let i = 0; i < 5; i++) {
      world.laptop.send(udp({ src: world.laptop.ip, dst: SERVER, srcPort: 5000, dstPort: 7, data: pattern(30) }));
      world.lan.expect('an answer', (packet) => packet.udp, 500);
    }
  });
}

if (Board.w5500s.wan) {
  imageTest(
    'while the chip outside is dead hosts inside are served',
    (world) => {
      world.board.wan.wedge('missing');
      world.run(1000);
      world.addHost().lease();
      world.laptop.resolve(ROUTER_INSIDE);
    },
    { end: { stuck: true } },
  );
}

if (Board.w5500s.lan) {
  imageTest(
    'while the chip inside is dead the outside is answered',
    (world) => {
      world.board.lan.wedge('missing');
      world.run(1000);
      world.wan.resolve(world.wan.routerIp);
    },
    { end: { stuck: true } },
  );
}

function routesAgain(world) {
  world.awaitLease(RESTARTED_MS);
  world.laptop.resolve(ROUTER_INSIDE);
  udpExchange(world, { srcPort: 5001 });
}

imageTest(
  'a router that is stuck in a loop is restarted by the watchdog, says so, and routes again',
  (world) => {
    udpExchange(world);
    const since = world.ms;
    world.board.hang();
    routesAgain(world);
    assert.ok(world.ms - since < RESTARTED_MS, `${world.ms - since} ms`);
    assert.match(world.board.log, /restarted by the watchdog: the router was stuck/);
  },
  { onReset: 'reboot', end: { resets: ['watchdog'] } },
);

imageTest(
  'a fault of the processor restarts the router, logs the place, and routes again',
  (world) => {
    udpExchange(world);
    world.board.hardFault();
    routesAgain(world);
    assert.match(world.board.log, Board.faultLog);
  },
  { onReset: 'reboot', end: { resets: [Board.faultReset] } },
);

if (Board.restartsAfterBusErrors) {
  imageTest(
    'a bus error of the Ethernet DMA restarts the router, which says so, and routes again',
    (world) => {
      udpExchange(world);
      world.board.wan.wedge('bus');
      routesAgain(world);
      assert.match(world.board.log, /bus error of the Ethernet DMA/);
    },
    { onReset: 'reboot', end: { resets: ['SYSRESETREQ'] } },
  );
}

imageTest(
  'after a restart the router leases the laptop the address it has',
  (world) => {
    const { ip } = world.laptop;
    world.board.reboot('watchdog');
    world.awaitLease(RESTARTED_MS);
    assert.deepEqual([world.laptop.renew().type, world.laptop.ip], ['ack', ip]);
  },
  { onReset: 'reboot', end: { resets: ['watchdog'] } },
);

imageTest(
  'a reboot finds chips with frames in them and brings them up',
  (world) => {
    const out = udpOut(world, { srcPort: 5000 });
    for (let i = 0; i < 20; i++) world.wan.sendTo(world.outside.routerMac, out.ip.bytes);
    world.board.reboot('watchdog');
    routesAgain(world);
    assert.throws(() => udpBack(world, out), /no an answer/);
  },
  { onReset: 'reboot', end: { resets: ['watchdog'] } },
);
