/** A host on the USB port: what it sees, how it comes and goes, and what it cannot do with blocks that lie. */
import assert from 'node:assert/strict';
import { Board } from '../boards/selected.mjs';
import { pingExchange, SERVER, udpBack, udpExchange, udpOut } from './exchanges.mjs';
import { Traffic } from './figures/traffic.mjs';
import { echoServers } from '../peers/wan.mjs';
import { randomWords } from '../simulation/random.mjs';
import { parseString, SYSTEMS } from '../usb/enumeration.mjs';
import { buildBlock } from '../usb/ncm.mjs';
import { ethernet, pattern, udp } from '../wire/build.mjs';
import { imageTest, ROUTER_INSIDE } from './world.mjs';

/** From a cable that is plugged in to traffic. */
const CONNECTED_MS = 500;
/** 90 % of what the bus carries of 1400-byte frames: 19 packets a millisecond, 23 for each frame. */
const LEAST_FRAMES = (0.9 * 19_000) / 23;

const usbTest = (name, body, options) => {
  if (Board.hasUsb) imageTest(name, body, options);
};

/** Runs until the host's interface is connected. */
function awaitHost(world) {
  world.until('a connected host', () => world.board.lan.connected, CONNECTED_MS);
}

/** A datagram of the laptop to a server, as a frame. */
function frameOut(world, { srcPort = 5000, data = pattern(40) } = {}) {
  const { laptop, lan } = world;
  const datagram = udp({ src: laptop.ip, dst: SERVER, srcPort, dstPort: 7, data });
  const frame = ethernet({ dst: lan.routerMac, src: laptop.mac }, datagram);
  return Buffer.concat([frame, Buffer.alloc(Math.max(0, 60 - frame.length))]);
}

for (const system of Object.keys(SYSTEMS)) {
  usbTest(
    `a host that enumerates as ${system} gets an address and answers, and blocks of many frames both ways`,
    (world) => {
      const { lan } = world.board;
      udpExchange(world);
      pingExchange(world, { length: 1400 });
      world.wan.servers = echoServers;
      const { sentBlocks, receivedBlocks } = lan.counters;
      for (let i = 0; i < 100; i++) lan.send(frameOut(world, { srcPort: 6000 + (i % 20), data: pattern(40, i) }));
      world.run(200);
      const answers = world.lan.drain().filter((packet) => packet.udp?.data.length === 40);
      assert.equal(answers.length, 100);
      assert.ok(lan.counters.sentBlocks - sentBlocks <= 10, 'blocks to the device');
      assert.ok(lan.counters.receivedBlocks - receivedBlocks < 100, 'blocks to the host');
    },
    { system },
  );
}

for (const system of Object.keys(SYSTEMS)) {
  usbTest(
    `blocks of ${system} that end with a full packet are taken at once, and so is what follows`,
    (world) => {
      const { lan } = world.board;
      udpExchange(world);
      // All lengths of a frame, of which one in 64 makes the last packet of its block a full one.
      for (let length = 60; length < 60 + 2 * 64; length++) {
        lan.send(frameOut(world, { data: pattern(length - 42, length) }));
        world.run(2);
        const heard = world.outside.drain().map((packet) => packet.udp?.data.length);
        assert.deepEqual(heard, [length - 42]);
      }
      world.run(10_000);
      assert.doesNotMatch(world.board.log, /refused_blocks: [1-9]/);
    },
    { system },
  );
}

usbTest('the device describes itself truly', (world) => {
  const { lan } = world.board;
  const { device, configuration, parameters } = lan;
  const { serial, attributes, milliamperes } = Board.usbIdentity;
  assert.deepEqual([lan.manufacturer, lan.serial], ['nat-core', serial]);
  assert.match(lan.product, /router/);
  assert.equal(device.length, 18);
  assert.deepEqual([...device.subarray(4, 8)], [0xef, 2, 1, 64], 'a device with an association of interfaces');
  assert.equal(configuration.attributes, attributes, 'whose power, and that it does not wake the host');
  const [least, most] = milliamperes;
  assert.ok(configuration.milliamperes >= least && configuration.milliamperes <= most);
  assert.deepEqual([configuration.alternates, configuration.endpoints.in.setting], [2, 1]);
  assert.deepEqual(configuration.union, [configuration.control, configuration.data]);
  assert.equal(configuration.longestFrame, 1514);
  assert.equal(configuration.capabilities, 1, 'of the optional requests, the packet filter');
  assert.deepEqual([parameters.formats, parameters.longestIn, parameters.longestOut], [1, 2048, 2048]);
  assert.deepEqual(lan.speeds, [12e6, 12e6]);
  const order = lan.notices.map(([, code]) => code);
  assert.deepEqual(order, [0x2a, 0x00], 'the speed before the connection');
});

usbTest('both ends of the link have different addresses, and two boards have four', (world) => {
  const addresses = (board, router) => [board.lan.mac.toLowerCase(), router.replaceAll(':', '')];
  const one = addresses(world.board, world.lan.routerMac);
  assert.equal(new Set(one).size, 2);
  one.forEach((mac) => assert.equal(parseInt(mac.slice(0, 2), 16) & 3, 2, mac));
  assert.match(world.board.lan.mac, /^[0-9A-F]{12}$/);
  assert.equal(new Set([...one, world.outside.routerMac.replaceAll(':', '')]).size, 3);
});

usbTest('requests that the device does not know are refused, and it goes on', (world) => {
  const { host } = world.board.lan;
  const known = host.requests.length;
  const requests = [
    { type: 0xa1, request: 0x81, index: 0, length: 6 },
    { type: 0x21, request: 0x86, index: 0, data: Uint8Array.from([0, 4, 0, 0]) },
    { type: 0x21, request: 0x84, value: 1, index: 0 },
    { type: 0xa1, request: 0x80, index: 7, length: 28 },
    { type: 0x80, request: 6, value: 0x3ee, length: 255 },
    { type: 0xc0, request: 1, index: 4, length: 40 },
    { type: 0x01, request: 11, value: 2, index: 1 },
    { type: 0x21, request: 1, index: 0, data: new Uint8Array(500) },
  ];
  for (const request of requests) {
    host.control.start(request, () => {});
    world.run(20);
  }
  assert.deepEqual(
    host.requests.slice(known).map(({ stall }) => stall),
    requests.map(() => true),
  );
  host.control.start({ type: 0x80, request: 6, value: 0x302, index: 0x409, length: 255 }, () => {});
  world.run(20);
  assert.match(parseString(host.requests.at(-1).data), /router/);
  udpExchange(world);
});

usbTest('while the host has not selected the interface the link is down, and the outside is served', (world) => {
  const { host } = world.board.lan;
  const select = (setting) => {
    host.control.start({ type: 1, request: 11, value: setting, index: 1 }, () => {});
    world.run(100);
  };
  const out = udpOut(world, { srcPort: 5000 });
  select(0);
  assert.match(world.board.log, /link of side Inside is up: false/);
  world.wan.resolve(world.wan.routerIp);
  for (let i = 0; i < 30; i++) {
    world.wan.send(udp({ src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data: pattern(60, i) }));
    world.run(2);
  }
  Object.assign(world.board.lan, { sequence: 0, expected: 0 });
  world.board.lan.out.reset();
  world.board.lan.in.reset();
  select(1);
  world.lan.expectSilence(1000);
  udpBack(world, udpOut(world, { srcPort: 5000 }));
});

usbTest('a host that sleeps finds its sessions when it wakes up, and nothing that is old', (world) => {
  const { lan } = world.board;
  const out = udpOut(world, { srcPort: 5000 });
  lan.host.sleep();
  world.run(500);
  for (let i = 0; i < 30; i++) {
    world.wan.send(udp({ src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data: pattern(60, i) }));
    world.run(5);
  }
  world.run(60_000);
  world.wan.resolve(world.wan.routerIp);
  lan.host.wake();
  world.lan.expectSilence(1000);
  assert.equal(udpExchange(world, { srcPort: 5000 }).udp.srcPort, out.udp.srcPort);
});

usbTest('a host that falls asleep within a block gets the rest of it when it wakes up', (world) => {
  const { lan } = world.board;
  const out = udpOut(world, { srcPort: 5000 });
  const data = pattern(1400, 3);
  world.wan.send(udp({ src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data }));
  world.until('a part of a block', () => lan.in.got.length > 300, 50);
  lan.host.sleep();
  world.run(2000);
  lan.host.wake();
  const { udp: answer } = world.lan.expect('the rest', (packet) => packet.udp?.srcPort === 7, 200);
  assert.deepEqual(answer.data, data);
  udpExchange(world);
});

usbTest('a cable pulled within a block, either way, takes nothing of it into the next session', (world) => {
  const { lan } = world.board;
  for (let round = 0; round < 6; round++) {
    const out = udpOut(world, { srcPort: 5000 + round });
    const data = pattern(1400, round);
    world.wan.send(udp({ src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data }));
    lan.send(frameOut(world, { data }));
    world.run(0.4 + 0.35 * round);
    lan.link(false);
    world.run(100 * round);
    world.lan.drain();
    world.outside.drain();
    lan.link(true);
    awaitHost(world);
    world.run(100);
    world.lan.drain();
    world.outside.drain();
    udpExchange(world, { srcPort: 5100 + round });
  }
});

usbTest('a host that resets the device twenty times in a row finds it each time', (world) => {
  for (let i = 0; i < 20; i++) {
    world.board.lan.link(false);
    world.run(1 + i);
    world.board.lan.link(true);
    awaitHost(world);
  }
  world.run(200);
  udpExchange(world);
});

usbTest('a host that disappears at any moment of the enumeration finds the device when it is back', (world) => {
  const { lan } = world.board;
  for (let i = 0; i < 60; i++) {
    lan.link(false);
    world.run(5);
    lan.link(true);
    // The first reset ends after 160 ms, the second after 220 ms.
    world.run(i % 2 ? 160 + 0.02 * i : 228 + 0.1 * i);
  }
  lan.link(false);
  world.run(5);
  lan.link(true);
  awaitHost(world);
  world.run(200);
  udpExchange(world);
});

// A sleeping host gets the rest of the block that was under way.
for (const [what, { leave, comeBack, old }] of Object.entries({
  unplugged: { leave: (lan) => lan.link(false), comeBack: (lan) => lan.link(true), old: 0 },
  'put to sleep': { leave: (lan) => lan.host.sleep(), comeBack: (lan) => lan.host.wake(), old: 1 },
})) {
  usbTest(`a host that is ${what} with both directions saturated goes on with its session, and nothing is old`, (world) => {
    const { lan } = world.board;
    const traffic = new Traffic(world, 1400);
    for (let round = 0; round < 5; round++) {
      traffic.forget();
      traffic.offer(['out', 'in'], { gapUs: 1000, ms: 40 + 7 * round });
      assert.ok(traffic.counts.out > 5 && traffic.counts.in > 5, JSON.stringify(traffic.counts));
      leave(lan);
      world.run(100);
      traffic.forget();
      // For a host that is not there: dropped, while the outside is served.
      traffic.offer(['in'], { gapUs: 1000, ms: 200 });
      assert.deepEqual(traffic.counts, { out: 0, in: 0 });
      world.wan.resolve(world.wan.routerIp);
      comeBack(lan);
      if (!lan.connected) awaitHost(world);
      world.run(100);
      assert.ok(traffic.counts.in <= old, `${traffic.counts.in} old frames`);
    }
    traffic.forget();
    traffic.offer(['out', 'in'], { gapUs: 3000, ms: 300 });
    world.run(100);
    const sent = traffic.ways.out.sent.length;
    assert.deepEqual(traffic.counts, { out: sent, in: sent });
    traffic.end();
  });
}

usbTest('while the host takes nothing the outside is served, and afterwards all goes on', (world) => {
  const { lan } = world.board;
  const out = udpOut(world, { srcPort: 5000 });
  lan.deaf = true;
  for (let i = 0; i < 200; i++) {
    world.wan.send(udp({ src: SERVER, dst: out.ip.src, srcPort: 7, dstPort: out.udp.srcPort, data: pattern(900, i) }));
    world.run(2);
  }
  world.wan.resolve(world.wan.routerIp);
  lan.deaf = false;
  lan.bus.wake();
  world.run(300);
  world.lan.drain();
  udpExchange(world, { srcPort: 5001 });
});

/** A block with a fault, and where the log counts it. */
function lies(world) {
  const sound = () => buildBlock([frameOut(world), frameOut(world)], { sequence: 0 });
  const set = (at, value) => {
    const block = sound();
    new DataView(block.buffer).setUint16(at, value, true);
    return block;
  };
  return {
    'no signature': new Uint8Array(60).fill(7),
    'a header of another length': set(4, 16),
    'a block that says it is longer': set(8, 2000),
    'a table outside': set(10, 1900),
    'a table in the header': set(10, 4),
    'a table too short': set(16, 4),
    'a table too long': set(16, 0xfffc),
    'tables in a circle': set(18, 12),
    'a frame outside': set(20, 0xfff0),
    'a frame in the header': set(20, 8),
    'a frame too long': set(22, 0xffff),
    'two bytes': new Uint8Array(2),
    'a block that is cut': sound().subarray(0, 100),
  };
}

usbTest('a block that lies is dropped as a whole and counted with its reason, and the next one is taken', (world) => {
  const { lan } = world.board;
  udpExchange(world);
  const blocks = Object.entries(lies(world));
  for (const [lie, bytes] of blocks) {
    lan.sendBytes(bytes);
    lan.sendBytes(buildBlock([frameOut(world, { data: pattern(33) })], { sequence: 0 }));
    world.run(20);
    const heard = world.outside.drain().map((packet) => packet.udp?.data.length);
    assert.deepEqual(heard, [33], lie);
  }
  world.run(10_000);
  assert.match(world.board.log, new RegExp(`refused_blocks: ${blocks.length},.*last refusal: Some\\(Truncated\\)`));
});

usbTest('frames in a block that overlap each other and the table harm nothing', (world) => {
  const { lan } = world.board;
  udpExchange(world);
  const block = buildBlock([frameOut(world), frameOut(world), frameOut(world)], { sequence: 0 });
  const view = new DataView(block.buffer);
  for (const [at, value] of [
    [24, view.getUint16(20, true)],
    [28, 12],
    [30, block.length - 12],
  ])
    view.setUint16(at, value, true);
  for (let i = 0; i < 10; i++) {
    lan.sendBytes(block);
    world.run(20);
  }
  world.outside.drain();
  udpExchange(world, { srcPort: 5001 });
});

usbTest('a thousand blocks with random damage stop nothing', (world) => {
  const { lan } = world.board;
  const random = randomWords(8);
  udpExchange(world);
  for (let i = 0; i < 1000; i++) {
    const count = 1 + (random() % 4);
    const block = buildBlock(Array.from({ length: count }, () => frameOut(world)), { sequence: i });
    const table = 28 + 4 * count;
    for (let word = random() % 4; word > 0; word--) block[random() % table] = random() & 0xff;
    lan.sendBytes(random() % 8 ? block : block.subarray(0, 1 + (random() % block.length)));
    world.run(1);
  }
  world.run(200);
  world.outside.drain();
  world.lan.drain();
  lan.expected = lan.expected & 0xffff;
  udpExchange(world, { srcPort: 5001 });
});

usbTest('a block without frames, an empty packet, and a block of the greatest length are taken as they are', (world) => {
  const { lan } = world.board;
  udpExchange(world);
  const empty = buildBlock([frameOut(world)], { sequence: 0 });
  new DataView(empty.buffer).setUint32(20, 0, true);
  const longest = buildBlock([frameOut(world, { data: pattern(1472) })], { sequence: 0, padTo: 2048, padAbove: 0 });
  for (const bytes of [empty, new Uint8Array(0), longest, new Uint8Array(0), longest]) {
    lan.sendBytes(bytes);
    world.run(20);
  }
  assert.equal(world.outside.drain().length, 2);
  world.run(10_000);
  assert.doesNotMatch(world.board.log, /refused_blocks: [1-9]/);
});

usbTest('1400-byte frames both ways together use 90 percent of what the bus carries, none lost but what is counted', (world) => {
  const traffic = new Traffic(world, 1400);
  traffic.offer(['out', 'in'], { gapUs: 2000, ms: 100 });
  traffic.forget();
  traffic.offer(['out', 'in'], { gapUs: 2000, ms: 500 });
  const { total, counts } = traffic;
  assert.ok(total * 2 >= LEAST_FRAMES, `${total * 2} a second`);
  assert.ok(Math.min(counts.out, counts.in) / Math.max(counts.out, counts.in) > 0.8, JSON.stringify(counts));
  world.run(300);
  traffic.end();
});

usbTest('just below the limit of the bus nothing is lost', (world) => {
  const traffic = new Traffic(world, 1400);
  // Two frames of 23 packets each 2.7 ms: 90 % of the bus.
  traffic.offer(['out', 'in'], { gapUs: 2700, ms: 2000 });
  world.run(100);
  const sent = traffic.ways.out.sent.length;
  assert.deepEqual(traffic.counts, { out: sent, in: sent });
  traffic.end();
});

usbTest(
  'a board that starts again is found by the host, and routes',
  (world) => {
    const { acks } = world.wan.dhcp;
    world.board.reboot('watchdog');
    assert.equal(world.board.lan.connected, false);
    awaitHost(world);
    world.until('a DHCP lease outside', () => world.wan.dhcp.acks > acks, 5000);
    world.run(300);
    world.outside.drain();
    world.laptop.resolve(ROUTER_INSIDE);
    udpExchange(world, { srcPort: 5001 });
  },
  { onReset: 'reboot', end: { resets: ['watchdog'] } },
);

usbTest('after the host has ended a halt of the endpoints, packets begin with DATA0 again', (world) => {
  const { lan } = world.board;
  for (let i = 0; i < 3; i++) {
    udpExchange(world, { srcPort: 5000 + i, data: pattern(100 + 40 * i) });
    for (const endpoint of [lan.endpoints.out.endpoint, 0x80 | lan.endpoints.in.endpoint]) {
      lan.host.control.start({ type: 2, request: 1, value: 0, index: endpoint }, () => {});
      world.run(20);
      assert.ok(lan.host.requests.at(-1).data);
    }
    lan.out.pid = 0;
    lan.in.pid = 0;
  }
  udpExchange(world);
});

usbTest('a control transfer that the host abandons for another one gets the answer to the other one', (world) => {
  const { host } = world.board.lan;
  for (let i = 0; i < 30; i++) {
    host.control.start({ type: 0x80, request: 6, value: 0x302, index: 0x409, length: 255 }, () => {});
    world.run(0.02 + 0.01 * i);
    host.control.abort();
    host.control.start({ type: 0x80, request: 6, value: 0x100, length: 18 }, () => {});
    world.run(20);
    const { data } = host.requests.at(-1);
    assert.deepEqual([data?.length, data?.[1]], [18, 1]);
  }
});

usbTest('data that the host sends in place of a status does not reach its next transfer', (world) => {
  const { host } = world.board.lan;
  const ask = (request) => {
    host.control.start(request, () => {});
    world.run(20);
    return host.requests.at(-1);
  };
  const descriptor = { type: 0x80, request: 6, value: 0x100, length: 18 };
  const blockSize = { type: 0x21, request: 0x86, index: 0, data: Uint8Array.from([0, 8, 0, 0]) };
  for (const length of [1, 8, 64]) {
    ask({ ...descriptor, status: new Uint8Array(length).fill(0xff) });
    host.control.abort();
    const answer = ask(blockSize);
    assert.deepEqual([answer.request, Boolean(answer.data)], [0x86, true], `after ${length} bytes`);
    assert.equal(ask(descriptor).data?.length, 18);
  }
  udpExchange(world);
});
