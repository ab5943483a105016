#!/usr/bin/env node
/** The emulated board in real time, each of its wires a UDP socket on the loopback interface. */
import dgram from 'node:dgram';
import { Board } from './boards/selected.mjs';

const HELP = `usage: node bridge.mjs IMAGE PORT0 PORT1

Boots IMAGE and keeps it in step with the wall clock. The wire of SPI0 is UDP port PORT0 of 127.0.0.1 and that of SPI1
is PORT1: one datagram is one Ethernet frame without FCS. The bridge sends frames to the sender of the last datagram, so a
peer must send one first. If the host is too slow, simulated time falls behind. tap.py joins a port to a TAP interface:

  node bridge.mjs IMAGE 7000 7001 &
  sudo ./tap.py lan0 7001 &
  sudo ip addr add 192.168.7.2/24 dev lan0`;

/** The most that one turn of the loop simulates; the rest of the elapsed time is skipped. */
const LONGEST_TURN_US = 5000;

function attach(port, udpPort) {
  const socket = dgram.createSocket('udp4');
  let peer;
  socket.on('message', (message, from) => {
    peer = from;
    if (message.length >= 14) port.send(new Uint8Array(message));
  });
  port.keep = false;
  port.onFrame = (frame) => {
    if (peer) socket.send(frame, peer.port, peer.address);
  };
  socket.bind(udpPort, '127.0.0.1');
}

/** Runs the board up to the wall clock, repeatedly. */
function keepStep(board) {
  let printed = 0;
  let last = process.hrtime.bigint();
  const turn = () => {
    const now = process.hrtime.bigint();
    const elapsed = Number(now - last) / 1e3;
    last = now;
    board.run({ us: Math.min(elapsed, LONGEST_TURN_US) });
    const { log } = board;
    process.stdout.write(log.slice(printed));
    printed = log.length;
    // A sleeping board leaves the processor to others for a moment; a working one only looks at its sockets.
    if (board.sleeps) setTimeout(turn, 0);
    else setImmediate(turn);
  };
  turn();
}

const [image, ...udpPorts] = process.argv.slice(2);
if (image === '--help') {
  console.log(HELP);
} else if (udpPorts.length !== 2) {
  console.error(HELP);
  process.exitCode = 2;
} else {
  const board = Board.boot(image, { onReset: 'reboot' });
  board.ports.forEach((port, number) => attach(port, Number(udpPorts[number])));
  keepStep(board);
}
