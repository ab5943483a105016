/**
 * The core's way to memory: short cuts for SRAM and flash, and the bus errors that the package lets pass.
 *
 * rp2040js lets the core store into the boot ROM and into flash, and load and store unaligned. On silicon each is a
 * HardFault, so here each is an error, which stops the run.
 */

const SRAM = 0x20000000;
const SRAM_BYTES = 264 * 1024;
const FLASH = 0x10000000;
const FLASH_BYTES = 16 * 1024 * 1024;
const FLASH_END = 0x14000000;
const ROM_END = 0x4000;

const hex = (address) => `0x${(address >>> 0).toString(16)}`;

/** @param {object} mcu an RP2040 of the package @param {object} [cache] an XipCache, notified of every load from flash */
export function installMemory(mcu, cache) {
  const fault = (what, address) => mcu.logger.error('BUS', `${what} ${hex(address)}`);
  installLoads(mcu, cache, fault);
  installStores(mcu, fault);
}

function installLoads(mcu, cache, fault) {
  const { core, sram, sramView, flashView } = mcu;
  core.readUint32 = (address) => {
    if (address & 3) fault('unaligned load from', address);
    const ram = address - SRAM;
    if (ram >= 0 && ram <= SRAM_BYTES - 4) return sramView.getUint32(ram, true);
    const flash = address - FLASH;
    if (flash >= 0 && flash <= FLASH_BYTES - 4) {
      cache?.load(flash >>> 3);
      return flashView.getUint32(flash, true);
    }
    return mcu.readUint32(address);
  };
  core.readUint16 = (address) => {
    if (address & 1) fault('unaligned load from', address);
    const flash = address - FLASH;
    if (flash >= 0 && flash < FLASH_BYTES) cache?.load(flash >>> 3);
    return mcu.readUint16(address);
  };
  core.readUint8 = (address) => {
    const ram = address - SRAM;
    if (ram >= 0 && ram < SRAM_BYTES) return sram[ram];
    const flash = address - FLASH;
    if (flash >= 0 && flash < FLASH_BYTES) cache?.load(flash >>> 3);
    return mcu.readUint8(address);
  };
}

function installStores(mcu, fault) {
  const { core, sram, sramView } = mcu;
  const check = (address, alignment) => {
    const unsigned = address >>> 0;
    if (unsigned & alignment) fault('unaligned store to', address);
    if (unsigned < ROM_END) fault('store to the boot ROM', address);
    if (unsigned >= FLASH && unsigned < FLASH_END) fault('store to flash', address);
  };
  core.writeUint32 = (address, value) => {
    const ram = address - SRAM;
    if (ram >= 0 && ram <= SRAM_BYTES - 4 && !(ram & 3)) {
      sramView.setUint32(ram, value, true);
      return;
    }
    check(address, 3);
    mcu.writeUint32(address, value);
  };
  core.writeUint16 = (address, value) => {
    check(address, 1);
    mcu.writeUint16(address, value);
  };
  core.writeUint8 = (address, value) => {
    const ram = address - SRAM;
    if (ram >= 0 && ram < SRAM_BYTES) {
      sram[ram] = value;
      return;
    }
    check(address, 0);
    mcu.writeUint8(address, value);
  };
}
