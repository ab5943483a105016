import fs from 'node:fs';

const MAGIC_NANOSECONDS = 0xa1b23c4d;
const LINKTYPE_ETHERNET = 1;

/** Writes frames into a pcap file with nanosecond timestamps; 0 is the board's power-up. */
export class PcapWriter {
  /** @param {string} path a file that is created or overwritten */
  constructor(path) {
    this.file = fs.openSync(path, 'w');
    const header = Buffer.alloc(24);
    header.writeUInt32LE(MAGIC_NANOSECONDS, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(65535, 16);
    header.writeUInt32LE(LINKTYPE_ETHERNET, 20);
    fs.writeSync(this.file, header);
  }

  /** @param {number} nanos @param {Uint8Array} frame without FCS */
  write(nanos, frame) {
    const header = Buffer.alloc(16);
    const whole = Math.round(nanos);
    header.writeUInt32LE(Math.floor(whole / 1e9), 0);
    header.writeUInt32LE(whole % 1e9, 4);
    header.writeUInt32LE(frame.length, 8);
    header.writeUInt32LE(frame.length, 12);
    fs.writeSync(this.file, Buffer.concat([header, frame]));
  }

  close() {
    fs.closeSync(this.file);
  }
}
