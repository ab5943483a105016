import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Board } from '../../boards/rp2040-w5500.mjs';
import { Harness } from '../../harness.mjs';
import { Master, frameOf } from '../master.mjs';
import { LOOP, SLEEP, stores, tinyImage } from './tiny-image.mjs';

const program = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

function withImageFile(halfwords, action) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'emulator-'));
  const file = path.join(directory, 'image.bin');
  fs.writeFileSync(file, tinyImage(halfwords));
  try {
    return action(file);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

function run(name, args, input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program(name), ...args], { input });
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
}

test('serve carries out one command a line and answers each with one line', () => {
  const commands = ['{"op":"run","us":1000}', '{"op":"log"}', 'nonsense', '{"op":"dance"}', '{"op":"state"}'];
  const { status, stdout } = withImageFile(SLEEP, (file) => run('serve.mjs', [file], `${commands.join('\n')}\n`));
  const replies = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(status, 0);
  assert.equal(replies.length, commands.length);
  assert.equal(Math.round(replies[0].us), 1000);
  assert.deepEqual(replies[0].frames, []);
  assert.deepEqual(replies[1], { text: '' });
  assert.ok(replies[2].error);
  assert.equal(replies[3].error, 'no such op: dance');
  assert.deepEqual(replies[4].mistakes, []);
});

test('frames go in at their time and come out of run', () => {
  const board = Board.boot(tinyImage(SLEEP));
  const harness = new Harness(board);
  const chip = board.ports[1].chip;
  Object.assign(Object.create(Master.prototype), { clock: board.clock, chip }).open();
  const hex = Buffer.from(frameOf(60)).toString('hex');
  assert.deepEqual(harness.handle({ op: 'send', port: 1, hex, in_us: 100 }), {});
  harness.handle({ op: 'run', us: 100 });
  assert.equal(harness.handle({ op: 'state' }).ports[1].received, 0);
  harness.handle({ op: 'run', us: 10 });
  assert.equal(harness.handle({ op: 'state' }).ports[1].received, 1);
  chip.onFrame(frameOf(60));
  assert.deepEqual(harness.handle({ op: 'run', us: 1 }).frames.map(({ port, hex: out }) => [port, out]), [[1, hex]]);
});

test('run reports why the firmware stopped, and a wrong port or fault is an error', () => {
  const harness = new Harness(Board.boot(tinyImage(stores([[0x10000000, 1]]))));
  assert.match(harness.handle({ op: 'run', us: 100 }).stopped, /store to flash/);
  assert.match(harness.handle({ op: 'link', port: 2, up: true }).error, /no such port/);
  assert.match(harness.handle({ op: 'wedge', port: 0, kind: 'tired' }).error, /no such fault/);
});

test('run.mjs prints the statistics, and its exit code shows whether the firmware stopped', () => {
  const fine = withImageFile(LOOP, (file) => run('run.mjs', [file, '--ms', '1', '--json']));
  assert.equal(fine.status, 0);
  assert.equal(Math.round(JSON.parse(fine.stdout).simulatedMs), 1);
  const broken = withImageFile(stores([[0x10000000, 1]]), (file) => run('run.mjs', [file, '--ms', '1', '--json']));
  assert.equal(broken.status, 1);
  assert.match(JSON.parse(broken.stdout).stopped, /store to flash/);
});

test('every program explains itself on --help and refuses wrong usage', () => {
  for (const name of ['run.mjs', 'serve.mjs', 'bridge.mjs']) {
    const help = run(name, ['--help']);
    assert.equal(help.status, 0);
    assert.match(help.stdout, /^usage: /);
    const wrong = run(name, []);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /usage: /);
  }
});
