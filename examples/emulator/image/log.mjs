/** What the firmware says: bytes of UART0, and the RTT channel, decoded by defmt-print when it is installed. */
import { spawnSync } from 'node:child_process';

/** defmt ends each of its frames with a zero byte. */
const FRAME_END = 0;

export class Log {
  /** @param {string | undefined} elfPath the file that defmt-print reads the strings from */
  constructor(elfPath) {
    this.elfPath = elfPath;
    this.command = process.env.DEFMT_PRINT ?? 'defmt-print';
    this.uart = '';
    this.raw = [];
    this.pending = [];
    this.decoded = '';
    this.decoder = elfPath === undefined ? 'none' : 'untried';
  }

  addUart(byte) {
    this.uart += String.fromCharCode(byte);
  }

  addRtt(bytes) {
    this.raw.push(bytes);
    this.pending.push(bytes);
  }

  /** All bytes of the RTT channel so far. */
  get rtt() {
    return Buffer.concat(this.raw);
  }

  /** False if the log lines cannot be had because defmt-print or the ELF file is missing. */
  get decodes() {
    this.decode();
    return this.decoder === 'works';
  }

  /** All log lines so far: those of the UART, then those of defmt. */
  get text() {
    this.decode();
    return this.uart + this.decoded;
  }

  /** Decodes the whole frames that are new. */
  decode() {
    if (this.decoder === 'none' || this.pending.length === 0) return;
    const bytes = Buffer.concat(this.pending);
    const end = bytes.lastIndexOf(FRAME_END) + 1;
    if (end === 0) return;
    this.pending = end < bytes.length ? [bytes.subarray(end)] : [];
    const result = spawnSync(this.command, ['-e', this.elfPath], { input: bytes.subarray(0, end) });
    this.decoder = result.error ? 'none' : 'works';
    if (result.error) return;
    this.decoded += result.stdout.toString() + result.stderr.toString();
  }
}
