#!/usr/bin/env node
/** The emulated board as a child process: one JSON command per line on stdin, one JSON reply per line on stdout. */
import readline from 'node:readline';
import { Board } from './src/board.mjs';
import { Harness } from './src/harness.mjs';

const HELP = `usage: node serve.mjs IMAGE [OPTIONS]

Boots IMAGE and obeys commands, one JSON object per line, each answered by one line. OPTIONS is a JSON object with the
options of Board.boot, for example '{"seed": 1, "onReset": "reboot"}'. Times are simulated microseconds; nothing
happens between two commands. Ports are numbered as the SPIs. It ends when stdin ends.

  {"op": "run", "us": 1000, "frames": 1}   lets time pass, ends early once that many frames have come out (optional)
      {"us", "cycles", "idle_us", "frames": [{"port", "us", "hex"}], "stopped"}   "stopped" tells why, if it is there
  {"op": "send", "port": 0, "hex": "..", "in_us": 0, "pad": true}   puts a frame on a wire, at once or later
  {"op": "link", "port": 0, "up": false}   pulls the cable or plugs it in
  {"op": "wedge", "port": 0, "kind": "ones"}   makes the chip fail, see README.md; null mends it
  {"op": "reboot"}   resets the RP2040
  {"op": "log"}      {"text"}   what is new in the log
  {"op": "state"}    {"ports", "mistakes", "resets", "exceptions", "stack", "led"}

A command that cannot be done is answered by {"error"}.`;

const [image, options = '{}'] = process.argv.slice(2);
if (image === undefined || image === '--help') {
  (image ? console.log : console.error)(HELP);
  process.exit(image ? 0 : 2);
}

function reply(harness, line) {
  try {
    return harness.handle(JSON.parse(line));
  } catch (error) {
    return { error: error.message };
  }
}

const harness = new Harness(Board.boot(image, JSON.parse(options)));
for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(reply(harness, line)));
}
harness.board.close();
