import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../image/log.mjs';
import { RttReader } from '../image/rtt.mjs';

const SRAM = 0x20000000;
const HEADER = 0x100;
const BUFFER = 0x200;
const SIZE = 16;

/** RAM with an RTT control block whose channel has 16 bytes. */
function memory() {
  const bytes = new Uint8Array(0x400);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from('SEGGER RTT'), HEADER);
  const words = { 16: 1, 20: 0, 24: 0, 28: SRAM + BUFFER, 32: SIZE, 36: 0, 40: 0, 44: 0 };
  for (const [offset, value] of Object.entries(words)) view.setUint32(HEADER + Number(offset), value, true);
  const write = (text) => {
    for (const byte of Buffer.from(text)) {
      const at = view.getUint32(HEADER + 36, true);
      bytes[BUFFER + at] = byte;
      view.setUint32(HEADER + 36, (at + 1) % SIZE, true);
    }
  };
  return { start: SRAM, bytes, view, write };
}

const reader = () => new RttReader(SRAM + HEADER);
const text = (bytes) => bytes && Buffer.from(bytes).toString();

test('what the firmware wrote is taken once', () => {
  const ram = memory();
  ram.write('hello');
  assert.equal(text(reader().take(ram)), 'hello');
  assert.equal(reader().take(ram), undefined);
});

test('bytes around the end of the ring are taken in order', () => {
  const ram = memory();
  ram.write('0123456789');
  reader().take(ram);
  ram.write('abcdefghij');
  assert.equal(text(reader().take(ram)), 'abcdefghij');
});

test('noise where the header will be is not read', () => {
  const ram = memory();
  ram.write('hello');
  ram.bytes[HEADER] ^= 0xff;
  assert.equal(reader().take(ram), undefined);
});

test('pointers outside the ring are not followed', () => {
  for (const pointer of [36, 40]) {
    const ram = memory();
    ram.write('hello');
    ram.view.setUint32(HEADER + pointer, SIZE, true);
    assert.equal(reader().take(ram), undefined);
  }
});

test('without the symbol nothing is read', () => {
  assert.equal(new RttReader(undefined).take(memory()), undefined);
});

/** A log whose decoder is node running `program`, as defmt-print is run with `-e FILE`. */
function logDecodedBy(program) {
  const log = new Log(program);
  log.command = process.execPath;
  return log;
}

const ECHO = 'process.stdin.pipe(process.stdout)';

test('whole frames are decoded when the log is read, the rest when its end has come', () => {
  const log = logDecodedBy(ECHO);
  log.addRtt(Buffer.from('one\0tw'));
  assert.equal(log.text, 'one\0');
  log.addRtt(Buffer.from('o\0'));
  assert.equal(log.text, 'one\0two\0');
  assert.equal(log.rtt.toString(), 'one\0two\0');
});

test('lines of the UART are part of the log', () => {
  const log = logDecodedBy(ECHO);
  for (const byte of Buffer.from('boot\n')) log.addUart(byte);
  assert.equal(log.text, 'boot\n');
});

test('without the decoder the raw bytes are still there, and it says that it cannot decode', () => {
  const log = new Log('firmware.elf');
  log.command = '/nonexistent/defmt-print';
  log.addRtt(Buffer.from('one\0'));
  assert.equal(log.decodes, false);
  assert.equal(log.text, '');
  assert.equal(log.rtt.toString(), 'one\0');
});
