#!/usr/bin/env node
/** Boots an image on the emulated board, prints its log and what the run was like. */
import { parseArgs } from 'node:util';
import { Board } from './boards/selected.mjs';
import { FirmwareStopped } from './simulation/firmware-stopped.mjs';

const HELP = `usage: node run.mjs IMAGE [options]

Boots IMAGE (ELF, UF2, or binary with its second stage) on the board that the environment variable BOARD names, a file of
boards/ (rp2040-w5500, stm32h7-eth-w5500), and prints its log, then the statistics of the run. Exit code 1 if the firmware stopped, 2 for
wrong usage.

  --ms N            simulated milliseconds to run (2000)
  --elf FILE        ELF file of the same program, if IMAGE is UF2 or binary: for symbols and the defmt log
  --seed N          seed of the random bits and of RAM at power-up (0)
  --xip N           RP2040: model the flash cache, a miss costs N cycles (without: no cache, flash answers at once)
  --reboot          let the board reboot on a watchdog or a reset request (without: that stops the run)
  --strict          a mistake in using a network chip stops the run
  --profile         print the cycles of each function
  --pcap PORT=FILE  write the frames of a port (spi0, spi1, eth); may be repeated
  --json            print the statistics as JSON
  --help
`;

const OPTIONS = {
  ms: { type: 'string', default: '2000' },
  elf: { type: 'string' },
  seed: { type: 'string', default: '0' },
  xip: { type: 'string', default: '0' },
  reboot: { type: 'boolean', default: false },
  strict: { type: 'boolean', default: false },
  profile: { type: 'boolean', default: false },
  pcap: { type: 'string', multiple: true, default: [] },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

const MICROS_PER_STEP = 10_000;
const LINES_OF_PROFILE = 30;

function arguments_() {
  try {
    const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    if (positionals.length !== 1) throw new Error('one image is needed');
    return { image: positionals[0], values: { ...values, captures: values.pcap.map(captureOf) } };
  } catch (error) {
    fail(error.message);
  }
}

function captureOf(argument) {
  const [name, file] = argument.split('=');
  if (!file) throw new Error(`--pcap takes PORT=FILE, not ${argument}`);
  return { name, file };
}

function fail(message) {
  console.error(`${message}\n\n${HELP}`);
  process.exit(2);
}

function boot(image, values) {
  const board = Board.boot(image, {
    elf: values.elf,
    seed: Number(values.seed),
    xip: Number(values.xip),
    onReset: values.reboot ? 'reboot' : 'stop',
    strict: values.strict,
  });
  for (const { name, file } of values.captures) {
    const port = board.ports.find((each) => each.name === name);
    if (!port) fail(`no such port: ${name}`);
    port.record(file);
  }
  if (values.profile) board.profile.start();
  return board;
}

/** Prints the log as it comes. @returns {string | undefined} why the firmware stopped */
function run(board, milliseconds) {
  let printed = 0;
  const print = () => {
    const { log } = board;
    process.stdout.write(log.slice(printed));
    printed = log.length;
  };
  try {
    for (let left = milliseconds * 1e3; left > 0; left -= MICROS_PER_STEP) {
      board.run({ us: Math.min(left, MICROS_PER_STEP) });
      print();
    }
  } catch (error) {
    if (!(error instanceof FirmwareStopped)) throw error;
    print();
    return `${error.reason}, at 0x${error.pc.toString(16)} in ${error.function ?? '?'}`;
  }
  return undefined;
}

function statistics(board, stopped) {
  const { enabled, feeds, longestGapUs } = board.watchdog;
  return {
    simulatedMs: board.ns / 1e6,
    stopped,
    cycles: board.cycles,
    idlePercent: (100 * board.idle) / board.ns,
    exceptions: board.exceptions,
    stack: board.stack,
    cache: board.cache && { hits: board.cache.hits, misses: board.cache.misses },
    watchdog: { enabled, feeds, longestGapUs },
    resets: board.resets,
    ledChanges: board.led.changes.length,
    rttBytes: board.rtt.length,
    rttDecoded: board.output.decodes,
    ports: Object.fromEntries(board.ports.map((port) => [port.name, { ...port.counters, unread: port.unread }])),
    mistakes: board.mistakes,
    sections: board.sections,
  };
}

function printProfile(board) {
  const { cycles, functions } = board.profile.report();
  console.log(`\ncycles by function, ${cycles} in all:`);
  for (const { name, cycles: share } of functions.slice(0, LINES_OF_PROFILE)) {
    console.log(`${String(share).padStart(12)} ${((100 * share) / cycles).toFixed(1).padStart(5)} %  ${name}`);
  }
}

const { image, values } = arguments_();
const board = boot(image, values);
const stopped = run(board, Number(values.ms));
const result = statistics(board, stopped);
if (values.json) console.log(JSON.stringify(result));
else console.dir(result, { depth: 4, maxArrayLength: 20 });
if (values.profile) printProfile(board);
board.close();
process.exitCode = stopped ? 1 : 0;
