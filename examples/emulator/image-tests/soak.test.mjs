/** Ten simulated minutes of what a small office does, with nothing lost that the wires carried. */
import assert from 'node:assert/strict';
import { Board } from '../boards/selected.mjs';
import { echoServers } from '../peers/wan.mjs';
import { TcpEnd } from '../peers/tcp-end.mjs';
import { PROVIDER } from '../peers/wan.mjs';
import { echo, fragments, pattern, udp } from '../wire/build.mjs';
import { imageTest } from './world.mjs';
import { randomWords } from '../simulation/random.mjs';

const MINUTES = Number(process.env.SOAK_MINUTES ?? 10);
const HOSTS = 12;
/** The mean pause of a host between two things it does. */
const PAUSE_MS = 400;
const PAYLOADS = [18, 60, 200, 548, 1000, 1472];
const MTU = 1500;
const PORTS = 10;
const SERVERS = 3;

/** What one host does, and what it has got back. */
class Worker {
  constructor(world, host, random) {
    Object.assign(this, { world, host, random, sent: 0, answered: 0, wrong: 0, nextPort: 30_000 });
    host.services.push((packet) => this.take(packet));
    this.connections = [];
    this.expected = new Map();
  }

  pick(list) {
    return list[this.random() % list.length];
  }

  start() {
    this.world.board.after((this.random() % (2 * PAUSE_MS)) * 1e3, () => {
      if (this.world.working) this.act();
      if (this.world.working) this.start();
    });
  }

  act() {
    const roll = this.random() % 20;
    if (roll === 0) this.connect();
    else if (roll < 4) this.ping();
    else if (roll < 6) this.askLong();
    else this.ask();
  }

  get server() {
    return `203.0.113.${10 + (this.random() % SERVERS)}`;
  }

  /** Few ports and servers, so that all sessions of the last minutes fit into the table. */
  port() {
    return 10_000 + (this.random() % PORTS);
  }

  /** Whether nothing of that name is under way. Then it is now. */
  begin(key, data) {
    if (this.expected.has(key)) return false;
    this.sent += 1;
    this.expected.set(key, data);
    return true;
  }

  ask(length = this.pick(PAYLOADS)) {
    const ends = { src: this.host.ip, dst: this.server, srcPort: this.port(), dstPort: 7 };
    const data = pattern(length, this.random() & 0xff);
    if (this.begin(`udp ${ends.srcPort} ${ends.dst}`, data)) this.host.send(udp({ ...ends, data }));
  }

  /** A question in fragments; the answer fits into one packet. */
  askLong() {
    const ends = { src: this.host.ip, dst: this.server, srcPort: this.port(), dstPort: 9 };
    const data = pattern(2400, 1);
    if (!this.begin(`udp ${ends.srcPort} ${ends.dst}`, data.subarray(0, 8))) return;
    const datagram = udp({ ...ends, data, id: this.random() & 0xffff });
    fragments(datagram, MTU).forEach((piece) => this.host.send(piece));
  }

  ping() {
    const [id, dst] = [this.port(), this.server];
    const data = pattern(this.pick(PAYLOADS), id);
    if (this.begin(`icmp ${id} ${dst}`, data)) this.host.send(echo({ src: this.host.ip, dst, id, seq: 1, data }));
  }

  /** Opens a connection, sends a request, takes the answer, closes. */
  connect() {
    const ends = { src: this.host.ip, dst: this.server, srcPort: this.nextPort++, dstPort: 80 };
    const end = new TcpEnd(this.host, ends, this.random());
    this.connections = [...this.connections.filter((other) => !other.done), end];
    this.sent += 1;
    end.send(['syn']);
  }

  take(packet) {
    if (packet.tcp) return this.takeSegment(packet);
    const { ip, udp: segment, icmp } = packet;
    const key = segment ? `udp ${segment.dstPort} ${ip.src}` : `icmp ${icmp?.id} ${ip.src}`;
    const data = this.expected.get(key);
    if (!data) return false;
    this.expected.delete(key);
    if (data.equals((segment ?? icmp).data)) this.answered += 1;
    else this.wrong += 1;
    return true;
  }

  takeSegment(packet) {
    const end = this.connections.find((each) => each.matches(packet));
    if (!end) return false;
    const filled = end.take(packet);
    if (packet.tcp.flags.includes('syn')) {
      end.send(['ack']);
      end.send(['ack', 'psh'], pattern(100));
    } else if (packet.tcp.flags.includes('fin')) {
      end.send(['fin', 'ack']);
      end.done = true;
      const whole = end.received.equals(ANSWER) && end.problems.length === 0;
      if (whole) this.answered += 1;
      else this.wrong += 1;
    } else if (filled > 0) {
      end.send(['ack']);
    }
    return true;
  }
}

const ANSWER = Buffer.concat([pattern(1460, 0), pattern(1460, 1460), pattern(80, 2920)]);

/** Web servers at every address. */
class WebServers {
  constructor(wan) {
    this.wan = wan;
    this.connections = new Map();
  }

  take(packet) {
    const { ip, tcp: segment } = packet;
    const key = `${ip.src} ${segment.srcPort} ${ip.dst}`;
    if (segment.flags.includes('syn')) {
      const end = TcpEnd.answering(this.wan, packet);
      this.connections.set(key, end);
      end.take(packet);
      end.send(['syn', 'ack']);
      return;
    }
    const end = this.connections.get(key);
    if (!end) return;
    const filled = end.take(packet);
    if (segment.flags.includes('fin')) {
      end.send(['ack']);
      this.connections.delete(key);
    } else if (filled > 0) {
      end.sendData(ANSWER.length);
      end.send(['fin', 'ack']);
    }
  }
}

function serve(world) {
  const web = new WebServers(world.wan);
  const firsts = new Map();
  world.wan.servers = (packet) => {
    const { ip, tcp } = packet;
    if (tcp) {
      web.take(packet);
      return [];
    }
    if (ip.moreFragments || ip.offset > 0) return answerFragments(firsts, packet);
    return echoServers(packet);
  };
}

/** Answers the first fragment when the second has arrived. */
function answerFragments(firsts, { ip }) {
  const key = `${ip.src} ${ip.dst} ${ip.id}`;
  const other = firsts.get(key);
  if (!other) {
    firsts.set(key, ip);
    return [];
  }
  firsts.delete(key);
  const first = ip.offset === 0 ? ip : other;
  const [srcPort, dstPort] = [first.payload.readUInt16BE(2), first.payload.readUInt16BE(0)];
  const data = Buffer.from(first.payload.subarray(8, 16));
  return [udp({ src: ip.dst, dst: ip.src, srcPort, dstPort, data })];
}

/** Pulls the cable of a USB host once everything under way has ended, and plugs it in again. */
function unplug(world, workers) {
  const { lan } = world.board;
  world.working = false;
  world.run(2000);
  lan.link(false);
  world.run(3000);
  lan.link(true);
  world.until('a connected host', () => lan.connected, 1000);
  world.run(300);
  world.working = true;
  workers.forEach((worker) => worker.start());
}

imageTest(
  `${MINUTES} minutes of mixed load lose nothing, and the watchdog is fed in time`,
  (world) => {
    const random = randomWords(4);
    world.wan.dhcp.provider = { ...PROVIDER, leaseSeconds: 120 };
    world.makeReady();
    serve(world);
    const hosts = [world.laptop, ...Array.from({ length: HOSTS - 1 }, () => world.addHost())];
    hosts.slice(1).forEach((host) => {
      host.lease();
      host.resolve('192.168.77.1');
    });
    const workers = hosts.map((host) => new Worker(world, host, random));
    world.working = true;
    workers.forEach((worker) => worker.start());
    for (let minute = 1; minute <= MINUTES; minute++) {
      world.run(60_000);
      const host = hosts[minute % HOSTS];
      host.startRenewal();
      if (Board.hasUsb && minute < MINUTES) unplug(world, workers);
    }
    world.working = false;
    world.run(2000);
    const sum = (field) => workers.reduce((total, worker) => total + worker[field], 0);
    assert.deepEqual({ answered: sum('answered'), wrong: sum('wrong') }, { answered: sum('sent'), wrong: 0 });
    assert.ok(sum('sent') > MINUTES * 60 * HOSTS, `${sum('sent')} questions`);
    assert.ok(world.wan.dhcp.acks >= MINUTES - 1, `${world.wan.dhcp.acks} renewals`);
    const { longestGapUs, timeoutUs } = world.board.watchdog;
    assert.ok(longestGapUs < timeoutUs / 2, `fed after ${longestGapUs} us, the timeout is ${timeoutUs}`);
    const lost = [world.board.lan, world.board.wan].map(({ counters }) => counters.full);
    assert.deepEqual(lost, [0, 0], 'frames that the chips had no room for');
    assert.deepEqual([world.lan.drain(), world.outside.drain()], [[], []], 'unexpected packets');
  },
  { cold: true },
);
