#!/usr/bin/env node
/** The emulated board as a child process: one JSON command per line on stdin, one JSON reply per line on stdout. */
import readline from 'node:readline';
import { Board } from './boards/selected.mjs';
import { Harness } from './harness.mjs';

const HELP = `usage: node serve.mjs IMAGE [OPTIONS]

Boots IMAGE and carries out commands: one JSON object per line, each answered by one line. OPTIONS is a JSON object with
the options of Board.boot, for example '{"seed": 1, "onReset": "reboot"}'. Times are simulated microseconds. Simulated time
advances only during "run". Ports are numbered as the SPIs. The program ends when stdin ends.

  {"op": "run", "us": 1000, "frames": 1}   runs for this time, or until the board has sent that many frames (optional)
      {"us", "cycles", "idle_us", "frames": [{"port", "us", "hex"}], "stopped"}   "stopped" is present if the firmware stopped, and says why
  {"op": "send", "port": 0, "hex": "..", "in_us": 0, "pad": true}   puts a frame on a wire, at once or later
  {"op": "link", "port": 0, "up": false}   pulls the cable or plugs it in
  {"op": "wedge", "port": 0, "kind": "ones"}   makes the chip fail, see README.md; null ends the failure
  {"op": "reboot"}   resets the microcontroller
  {"op": "log"}      {"text"}   log lines since the last "log"
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
