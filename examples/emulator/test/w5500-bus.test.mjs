/** SPI frames, common registers, pins and link of the W5500 model, by the datasheet (version 1.0.9). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as r from '../w5500/registers.mjs';
import { MAC, Master, frameOf } from './master.mjs';

test('a read of several bytes goes on to the next addresses (2.3.3)', () => {
  const master = new Master();
  master.write(r.BLOCK_COMMON, r.SHAR, ...MAC);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.SHAR, 6), [...MAC]);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.SHAR + 4, 2), [0x00, 0x10]);
  assert.deepEqual(master.mistakes, []);
});

test('registers have the reset values of chapter 4', () => {
  const master = new Master();
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.VERSIONR), [0x04]);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.RTR, 3), [0x07, 0xd0, 0x08]);
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_RXBUF_SIZE, 2), [2, 2]);
  assert.deepEqual(master.read(5 * 4 + r.BLOCK_SOCKET, r.SN_RXBUF_SIZE, 2), [2, 2]);
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_IMR), [0xff]);
  assert.equal(master.read16(r.SN_TX_FSR), 2048);
});

test('read-only registers keep their values', () => {
  const master = new Master();
  master.open();
  master.write(r.BLOCK_COMMON, r.VERSIONR, 0x55);
  master.write(r.BLOCK_SOCKET, r.SN_SR, 0x00);
  master.write16(r.SN_RX_RSR, 0x1234);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.VERSIONR), [0x04]);
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_SR), [r.SOCK_MACRAW]);
  assert.equal(master.read16(r.SN_RX_RSR), 0);
});

test('a byte while SCSn is high is a mistake and is not taken', () => {
  const master = new Master();
  assert.equal(master.chip.exchange(0x55), 0xff);
  assert.deepEqual(master.mistakes, ['SPI byte while SCSn is high']);
});

test('an SPI frame of fixed length is a mistake', () => {
  const master = new Master();
  master.frame(r.BLOCK_COMMON, r.VERSIONR, 1, [0]);
  assert.match(master.mistakes.join(), /fixed length/);
});

test('MR.RST sets all registers back', () => {
  const master = new Master();
  master.open();
  master.write(r.BLOCK_COMMON, r.MR, 0x80);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.SHAR, 6), [0, 0, 0, 0, 0, 0]);
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_SR), [r.SOCK_CLOSED]);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.MR), [0]);
});

test('RSTn low for 500 us sets all registers back', () => {
  const master = new Master();
  master.open();
  master.pulseReset(500);
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_SR), [r.SOCK_CLOSED]);
  assert.deepEqual(master.mistakes, []);
});

test('RSTn low for less than 500 us is a mistake and no reset', () => {
  const master = new Master();
  master.open();
  master.pulseReset(499);
  assert.match(master.mistakes.join(), /500/);
  assert.deepEqual(master.read(r.BLOCK_SOCKET, r.SN_SR), [r.SOCK_MACRAW]);
});

test('SPI within 1 ms after RSTn is a mistake and reads zeros', () => {
  const master = new Master();
  master.chip.setResetPin(false);
  master.wait(500);
  master.chip.setResetPin(true);
  master.wait(999);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.VERSIONR), [0]);
  assert.match(master.mistakes.join(), /within 1 ms/);
  master.wait(1);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.VERSIONR), [4]);
});

test('PHYCFGR shows link, speed and duplex, and loses them with the cable', () => {
  const master = new Master();
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.PHYCFGR), [0xbf]);
  master.chip.setCable(false);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.PHYCFGR), [0xb8]);
  master.chip.setCable(true);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.PHYCFGR), [0xbf]);
});

test('the link takes the time it was given, again after a reset', () => {
  const master = new Master({ linkDelayUs: 2000 });
  const link = () => master.read(r.BLOCK_COMMON, r.PHYCFGR)[0] & r.PHY_LINK;
  assert.equal(link(), 0);
  master.wait(2000);
  assert.equal(link(), 1);
  master.pulseReset();
  assert.equal(link(), 0);
  master.wait(1000);
  assert.equal(link(), 1);
});

test('a PHY in reset or powered down by PHYCFGR has no link', () => {
  const master = new Master();
  master.write(r.BLOCK_COMMON, r.PHYCFGR, 0x38);
  assert.equal(master.read(r.BLOCK_COMMON, r.PHYCFGR)[0] & r.PHY_LINK, 0);
  master.write(r.BLOCK_COMMON, r.PHYCFGR, 0xb8);
  assert.equal(master.read(r.BLOCK_COMMON, r.PHYCFGR)[0] & r.PHY_LINK, 1);
  master.write(r.BLOCK_COMMON, r.PHYCFGR, 0xf0);
  assert.equal(master.read(r.BLOCK_COMMON, r.PHYCFGR)[0] & r.PHY_LINK, 0);
});

test('INTn is low while an unmasked bit of Sn_IR is set and SIMR lets the socket through', () => {
  const master = new Master();
  master.open();
  master.write(r.BLOCK_COMMON, r.SIMR, 0);
  master.chip.receive(frameOf(60));
  assert.deepEqual(master.interrupts, []);
  assert.deepEqual(master.read(r.BLOCK_COMMON, r.SIR), [1]);
  master.write(r.BLOCK_COMMON, r.SIMR, 1);
  assert.deepEqual(master.interrupts, [false]);
  master.clear(r.IR_RECV);
  assert.deepEqual(master.interrupts, [false, true]);
});

test('INTn gives no new edge while another bit is still set', () => {
  const master = new Master();
  master.open();
  master.chip.receive(frameOf(60));
  master.send(frameOf(60));
  master.wait(10);
  assert.equal(master.socketInterrupts(), r.IR_RECV | r.IR_SENDOK);
  master.clear(r.IR_RECV);
  assert.deepEqual(master.interrupts, [false]);
});

test('INTLEVEL holds INTn high for (INTLEVEL + 1) * 4 periods of the PLL after it was released', () => {
  const master = new Master();
  master.open();
  master.write(r.BLOCK_COMMON, r.INTLEVEL, 0x0e, 0xa5);
  master.chip.receive(frameOf(60));
  master.clear(r.IR_RECV);
  master.chip.receive(frameOf(60));
  assert.deepEqual(master.interrupts, [false, true]);
  master.wait(99);
  assert.deepEqual(master.interrupts, [false, true]);
  master.wait(2);
  assert.deepEqual(master.interrupts, [false, true, false]);
});

test('a masked bit does not show in Sn_IR, unless the option says that it does', () => {
  for (const [latchMasked, shown] of [[false, 0], [true, r.IR_SENDOK]]) {
    const master = new Master({ latchMasked });
    master.open();
    master.write(r.BLOCK_SOCKET, r.SN_IMR, r.IR_RECV);
    master.send(frameOf(60));
    master.wait(10);
    assert.equal(master.socketInterrupts(), shown);
    assert.deepEqual(master.interrupts, []);
  }
});
