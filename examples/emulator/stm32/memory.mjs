/** The memories of the STM32H743ZI that the images use, and who reaches them (RM0433, sections 2.1 and 2.3.2). */
import { NotModelled } from './registers.mjs';

const KIB = 1024;
/** `dma`: the masters in domain D2 (DMA1, Ethernet) reach it. */
const MEMORIES = [
  { name: 'flash', start: 0x08000000, length: 2048 * KIB, dma: true },
  { name: 'DTCM', start: 0x20000000, length: 128 * KIB, dma: false },
  { name: 'AXI SRAM', start: 0x24000000, length: 512 * KIB, dma: true },
];
/** What exists on the chip and is not modelled. */
const UNKNOWN = [
  { name: 'ITCM', start: 0x00000000, length: 64 * KIB },
  { name: 'system memory', start: 0x1ff00000, length: 128 * KIB },
  { name: 'SRAM1 to SRAM3', start: 0x30000000, length: 288 * KIB },
  { name: 'SRAM4', start: 0x38000000, length: 64 * KIB },
  { name: 'backup SRAM', start: 0x38800000, length: 4 * KIB },
  { name: 'external memory', start: 0x60000000, length: 0x80000000 },
];

export const FLASH = MEMORIES[0];

const holds = ({ start, length }, address, size) => address >= start && address + size <= start + length;

export class Memory {
  /** @param {() => number} words what RAM holds at power-up */
  constructor(words) {
    this.regions = MEMORIES.map((region) => {
      const bytes = Buffer.allocUnsafeSlow(region.length);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const isFlash = region === FLASH;
      for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, isFlash ? 0xffffffff : words(), true);
      return { ...region, bytes, view };
    });
  }

  /** @returns {object | undefined} the region that holds all of these bytes */
  region(address, size) {
    return this.regions.find((region) => holds(region, address, size));
  }

  word(address) {
    const region = this.region(address, 4);
    return region?.view.getUint32(address - region.start, true);
  }

  setWord(address, value) {
    const region = this.region(address, 4);
    region.view.setUint32(address - region.start, value, true);
  }

  halfword(address) {
    const region = this.region(address, 2);
    return region?.view.getUint16(address - region.start, true);
  }

  /** @throws {NotModelled} if the address is on the chip, but not here */
  static refuseUnknown(address) {
    const found = UNKNOWN.find((region) => holds(region, address, 1));
    if (found) throw new NotModelled(`${found.name}, at 0x${address.toString(16)}`);
  }

  /** The bytes for a DMA. @throws {NotModelled} if the DMA does not reach them */
  forDma(address, size, master) {
    const region = this.region(address, size);
    if (!region?.dma) {
      const where = region ? region.name : 'no memory';
      throw new NotModelled(`${size} bytes at 0x${address.toString(16)} in ${where}, which ${master} does not reach`);
    }
    return region.bytes.subarray(address - region.start, address - region.start + size);
  }
}
