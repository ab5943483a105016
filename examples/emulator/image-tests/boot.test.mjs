/** From power-up to routing: the log and the LED, and that no two boards or boots are alike. */
import assert from 'node:assert/strict';
import { Board } from '../boards/selected.mjs';
import { pingExchange, udpExchange } from './exchanges.mjs';
import { pattern } from '../wire/build.mjs';
import { uf2 } from './settings.mjs';
import { imageTest, World } from './world.mjs';

/** The image must route within this time of a server's answer. */
const SOON_MS = 1000;

imageTest(
  'the ELF boots, takes a lease, gives one, and forwards',
  (world) => {
    world.awaitLease(SOON_MS);
    world.laptop = world.addHost();
    world.laptop.lease();
    udpExchange(world);
    pingExchange(world);
  },
  { cold: true },
);

if (Board.bootsUf2) {
  imageTest(
    'the UF2 boots, takes a lease, gives one, and forwards',
    (world) => {
      world.awaitLease(SOON_MS);
      world.laptop = world.addHost();
      world.laptop.lease();
      udpExchange(world);
      pingExchange(world);
    },
    { cold: true, image: uf2 },
  );
}

imageTest('the log shows the reason of the start, the addresses, the links and the lease', (world) => {
  const { log } = world.board;
  assert.match(log, /started by power-on or reset/);
  assert.match(
    log,
    /outside: address 198\.51\.100\.77\/24, gateway 198\.51\.100\.1, DNS 198\.51\.100\.53 203\.0\.113\.53/,
  );
  assert.match(log, /DHCP: 192\.168\.77\.\d+ leased to 02:00:00:00:00:01/);
  assert.equal([...log.matchAll(/W5500.* link up: true/g)].length, Object.keys(Board.w5500s).length);
});

imageTest('the log shows the number of forwarded packets every 10 s', (world) => {
  udpExchange(world);
  world.run(21_000);
  const lines = [...world.board.log.matchAll(/10 s: (\d+) packets out, (\d+) in/g)];
  assert.equal(lines.length, 2);
  assert.ok(Number(lines[0][1]) >= 1 && Number(lines[0][2]) >= 1, lines[0][0]);
});

function shareLit(world, ms) {
  const { led } = world.board;
  const [from, to] = [world.board.ns, world.board.ns + ms * 1e6];
  let level = led.level;
  const seen = led.changes.length;
  world.run(ms);
  const changes = led.changes.slice(seen);
  let [lit, since] = [0, from];
  for (const change of [...changes, { ns: to }]) {
    if (level) lit += change.ns - since;
    [level, since] = [change.level, change.ns];
  }
  return { lit: lit / (to - from), changes: changes.length };
}

imageTest(
  'the LED blinks fast without a link, slowly without a lease, and winks while routing',
  (world) => {
    world.wan.dhcp.mode = 'silent';
    world.board.wan.link(false);
    world.run(1000);
    const fast = shareLit(world, 4000);
    world.board.wan.link(true);
    world.run(1000);
    const slow = shareLit(world, 4000);
    world.wan.dhcp.mode = 'answer';
    world.awaitLease(90_000);
    const routing = shareLit(world, 4000);
    assert.ok(fast.changes >= 30 && Math.abs(fast.lit - 0.5) < 0.1, `no link: ${JSON.stringify(fast)}`);
    assert.ok(
      slow.changes >= 6 && slow.changes <= 10 && Math.abs(slow.lit - 0.5) < 0.1,
      `no lease: ${JSON.stringify(slow)}`,
    );
    assert.ok(routing.changes <= 5 && routing.lit > 0.9 && routing.lit < 1, `routing: ${JSON.stringify(routing)}`);
  },
  { cold: true },
);

/** The external ports of ten mappings of a board. */
function portsOf(options) {
  const world = new World('another board', options);
  world.makeReady();
  const ports = Array.from({ length: 10 }, (_, i) => udpExchange(world, { srcPort: 6000 + i }).udp.srcPort);
  world.close();
  world.removeCaptures();
  return ports;
}

imageTest(
  'two boots choose different external ports, because their random bits differ',
  () => {
    const [one, again, other] = [1, 1, 2].map((seed) => portsOf({ seed }));
    assert.deepEqual(one, again, 'the emulator is deterministic');
    const common = one.filter((port) => other.includes(port));
    assert.ok(common.length <= 1, `common ports: ${common}`);
    assert.ok(new Set(one).size === one.length);
  },
  { cold: true },
);

if (Board.hasRingOscillator) {
  imageTest(
    'a stuck ring oscillator is reported on the log',
    (world) => {
      world.run(300);
      assert.match(world.board.log, /ring oscillator is stuck/);
    },
    { cold: true, randomBit: () => 1, end: { stuck: true } },
  );
}

imageTest(
  'two boards with different unique ids have different MAC addresses, all locally administered',
  () => {
    const ids = [
      [1, 2, 3, 4, 5, 6, 7, 8],
      [1, 2, 3, 4, 5, 6, 7, 9],
    ];
    const macs = ids.flatMap((id) => {
      const world = new World('another board', { uniqueId: Uint8Array.from(id) });
      world.makeReady();
      world.close();
      world.removeCaptures();
      return [world.lan.routerMac, world.outside.routerMac];
    });
    assert.equal(new Set(macs).size, 4, macs.join(' '));
    macs.forEach((mac) => assert.equal(parseInt(mac.slice(0, 2), 16) & 3, 2, mac));
  },
  { cold: true },
);

if (Board.w5500s.lan) {
  imageTest(
    'without a chip inside, the log says so and the outside takes its lease all the same',
    (world) => {
      world.board.lan.wedge('missing');
      world.awaitLease(SOON_MS);
      world.run(2000);
      assert.match(world.board.log, new RegExp(`${Board.w5500s.lan}: not found`));
      assert.match(world.board.log, /outside: address 198\.51\.100\.77/);
    },
    { cold: true },
  );
}

if (Board.w5500s.wan) {
  imageTest(
    'without a chip outside, the log says so and hosts inside get their addresses and answers',
    (world) => {
      world.board.wan.wedge('missing');
      world.run(1000);
      const host = world.addHost();
      const { ack } = host.lease();
      assert.equal(ack.router, '192.168.77.1');
      assert.ok(ack.lease <= 120, `a short lease as long as there are no DNS servers to tell: ${ack.lease} s`);
      host.resolve('192.168.77.1');
      assert.match(world.board.log, new RegExp(`${Board.w5500s.wan}: not found`));
    },
    { cold: true },
  );
}

if (Board.w5500s.wan) {
  imageTest(
    'a chip that answers late is brought up when it answers',
    (world) => {
      world.board.wan.wedge('missing');
      world.run(3000);
      world.board.wan.wedge(null);
      world.awaitLease(2000);
    },
    { cold: true },
  );
}

if (Board.checksAlignment) {
  imageTest(
    'no instruction for several words is executed with an unaligned address',
    (world) => {
      world.makeReady();
      for (const length of [60, 61, 62, 63, 1514]) udpExchange(world, { data: pattern(length - 42, length) });
      pingExchange(world);
    },
    { cold: true, checkAlignment: true },
  );
}

imageTest('an idle router sleeps: less than one percent of the cycles', (world) => {
  const { board } = world;
  const [cycles, ns] = [board.cycles, board.ns];
  world.run(5000);
  const share = ((board.cycles - cycles) * board.nanosPerCycle) / (board.ns - ns);
  assert.ok(share < 0.01, `${(share * 100).toFixed(2)} %`);
});
