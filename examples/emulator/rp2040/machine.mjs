/**
 * An RP2040 of the package with corrections for everything that firmware of this board relies on. A reset of the board
 * makes a new one: the package cannot reset its peripherals.
 */
import { RP2040 } from 'rp2040js';
import { installDecoder } from './cpu/decoder.mjs';
import { installExceptions } from './cpu/exceptions.mjs';
import { installMemory } from './cpu/memory.mjs';
import { XipCache } from './cpu/xip.mjs';
import { RegisterBlock, RingOscillator, XipControl, voltageRegulator } from './peripherals.mjs';
import { installRom } from './rom.mjs';
import { Ssi } from './ssi.mjs';

const DMA_CHAN_ABORT = 0x444;
const AIRCR = 0xd0c;
const AIRCR_KEY = 0x05fa;
const AIRCR_AT_READ = 0xfa050000;
const SYSRESETREQ = 1 << 2;

/**
 * @typedef {object} MachineParts
 * @property {import('../simulation/clock.mjs').ClockDomain} clock
 * @property {import('./serial-flash.mjs').SerialFlash} serialFlash
 * @property {() => number} nextBit for the ring oscillator
 * @property {number} xip cycles for each miss of the flash cache; 0 is no cache
 * @property {(message: string) => void} fault called for what must stop the run
 * @property {(reason: string) => void} reset called when the core asks for a reset
 */

/** @param {MachineParts} parts */
export function buildMachine(parts) {
  const mcu = new RP2040(parts.clock);
  mcu.logger = logger(parts.fault);
  const cache = parts.xip > 0 ? new XipCache(mcu.core, parts.xip) : undefined;
  installDecoder(mcu, cache);
  installMemory(mcu, cache);
  installExceptions(mcu.core);
  installPeripherals(mcu, parts);
  const ssi = new Ssi(parts.serialFlash);
  mcu.peripherals[0x18000] = ssi;
  const romCall = installRom({ mcu, ssi, fault: parts.fault });
  mcu.onBreak = (number) => {
    if (!romCall(number)) parts.fault(`BKPT or UDF #${number}: a panic, or a breakpoint without a debugger`);
  };
  answerAbort(mcu);
  answerResetRequest(mcu, parts.reset);
  return { mcu, cache };
}

/** Registers that the package does not model and that make no difference here. */
const HARMLESS = [
  { component: 'UART0', message: /^Unimplemented peripheral write to 0x34:/, why: 'the level of the FIFO interrupts' },
];

/** A warning of the package means an access that fails on silicon, or one that is not modelled: both stop the run. */
function logger(fault) {
  const stop = (component, message) => {
    const harmless = HARMLESS.some((known) => known.component === component && known.message.test(message));
    if (!harmless) fault(`${component}: ${message}`);
  };
  return { debug() {}, info() {}, warn: stop, error: stop };
}

function installPeripherals(mcu, { nextBit }) {
  mcu.peripherals[0x14000] = new XipControl();
  mcu.peripherals[0x40018] = new RegisterBlock();
  mcu.peripherals[0x40060] = new RingOscillator(nextBit);
  mcu.peripherals[0x40064] = voltageRegulator();
}

/** CHAN_ABORT reads as 0 once an abort is done, which here it is at once; the package answers all ones. */
function answerAbort(mcu) {
  const { readUint32 } = mcu.dma;
  mcu.dma.readUint32 = (offset) => (offset === DMA_CHAN_ABORT ? 0 : readUint32.call(mcu.dma, offset));
}

function answerResetRequest(mcu, reset) {
  const { readUint32, writeUint32 } = mcu.ppb;
  mcu.ppb.readUint32 = (offset) => (offset === AIRCR ? AIRCR_AT_READ : readUint32.call(mcu.ppb, offset));
  mcu.ppb.writeUint32 = (offset, value) => {
    if (offset !== AIRCR) writeUint32.call(mcu.ppb, offset, value);
    else if (value >>> 16 === AIRCR_KEY && value & SYSRESETREQ) reset('SYSRESETREQ');
  };
}
