/**
 * What the boot ROM does with an image in flash (RP2040 datasheet, 2.8.1.2): checks the CRC of the second stage,
 * copies it to the top of SRAM and calls it; it sets up the flash and enters the image through its vector table.
 */
const SRAM = 0x20000000;
const FLASH = 0x10000000;
const BOOT2 = 0x20041f00;
const BOOT2_BYTES = 256;
const CRC_AT = 252;
const LONGEST_BOOT2 = 20000;

/** CRC-32/MPEG-2 of the bytes. */
export function crc32mpeg(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

/**
 * Runs the second stage up to the first instruction of the image.
 *
 * @throws if the boot ROM would not boot this flash, or if the second stage does not enter the image
 */
export function bootFromFlash(mcu) {
  const { core, flash, flashView } = mcu;
  if (crc32mpeg(flash.subarray(0, CRC_AT)) !== flashView.getUint32(CRC_AT, true)) {
    throw new Error('the boot ROM would not boot this image: the CRC of its second stage is wrong');
  }
  mcu.sram.set(flash.subarray(0, BOOT2_BYTES), BOOT2 - SRAM);
  // The ROM's stack lies below the copy: with a stack above it, the second stage would overwrite its own literals.
  core.SP = BOOT2;
  core.LR = 0;
  core.PC = BOOT2;
  core.cycles = 0;
  for (let count = 0; core.PC < FLASH || core.PC >= SRAM; count++) {
    if (count === LONGEST_BOOT2) throw new Error('the second stage did not enter the image');
    core.executeInstruction();
  }
  core.lowestStack = core.SP;
}
