import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demangle } from '../../image/demangle.mjs';
import { Image } from '../../image/image.mjs';
import { binaryToUf2 } from '../../image/uf2.mjs';
import { CODE, tinyElf, tinyImage } from './tiny-image.mjs';

const FLASH_BYTES = 2 * 1024 * 1024;
const flash = { start: 0x10000000, length: FLASH_BYTES };
const imageOf = (source, elf) => new Image(source, { flash, elf });
const BINARY = tinyImage([0xbf00, 0xbf00, 0xe7fe]);

function flashOf(source) {
  const bytes = new Uint8Array(FLASH_BYTES).fill(0xff);
  imageOf(source).writeTo(bytes);
  return Buffer.from(bytes);
}

test('ELF, UF2 and binary of the same program give the same flash', () => {
  const expected = Buffer.alloc(FLASH_BYTES, 0xff);
  BINARY.copy(expected);
  const uf2 = flashOf(binaryToUf2(BINARY));
  // UF2 fills its last block of 256 bytes with zeros.
  expected.copy(uf2, BINARY.length, BINARY.length, BINARY.length + 256);
  assert.ok(flashOf(BINARY).equals(expected));
  assert.ok(flashOf(tinyElf(BINARY)).equals(expected));
  assert.ok(uf2.equals(expected));
});

test('a damaged UF2 block, one of another family, and a missing one are refused', () => {
  const damaged = binaryToUf2(BINARY);
  damaged[508] ^= 1;
  assert.throws(() => imageOf(damaged), /damaged/);
  const foreign = binaryToUf2(BINARY);
  foreign.writeUInt32LE(0xe48bff57, 28);
  assert.throws(() => imageOf(foreign), /not for the RP2040/);
  assert.throws(() => imageOf(binaryToUf2(BINARY).subarray(512)), /missing/);
});

test('an image that does not lie in flash is refused', () => {
  const image = imageOf(binaryToUf2(BINARY, 0x20000000));
  assert.throws(() => image.writeTo(new Uint8Array(FLASH_BYTES)), /outside the flash/);
});

test('symbols, functions and sections come from the ELF file', () => {
  const symbols = [
    { name: '_SEGGER_RTT', address: 0x20000040, size: 72 },
    { name: '_ZN8nat_core7forward17h0123456789abcdefE', address: (CODE + 4) | 1, size: 2, isFunction: true },
    { name: 'main', address: CODE | 1, size: 4, isFunction: true },
  ];
  const image = imageOf(tinyElf(BINARY, symbols));
  assert.equal(image.symbol('_SEGGER_RTT'), 0x20000040);
  assert.equal(image.symbol('nothing'), undefined);
  assert.equal(image.functionAt(CODE + 2), 'main');
  assert.equal(image.functionAt(CODE + 4), 'nat_core::forward');
  assert.equal(image.functionAt(CODE + 6), undefined);
  assert.equal(image.functionAt(CODE - 2), undefined);
  assert.deepEqual(
    image.sections.map(({ name, size, stored }) => [name, size, stored]),
    [['.text', BINARY.length, true], ['.bss', 1234, false]],
  );
});

test('a UF2 image takes its symbols from the ELF file it was made of', () => {
  const elf = tinyElf(BINARY, [{ name: 'main', address: CODE | 1, size: 6, isFunction: true }]);
  assert.equal(imageOf(binaryToUf2(BINARY), elf).functionAt(CODE), 'main');
  assert.equal(imageOf(binaryToUf2(BINARY)).functionAt(CODE), undefined);
});

test('legacy Rust names are made readable, others stay', () => {
  const drop = '_ZN49_$LT$nat_core..Nat$u20$as$u20$core..ops..Drop$GT$4drop17h0123456789abcdefE';
  assert.equal(demangle('_ZN8nat_core3Nat7forward17h0123456789abcdefE'), 'nat_core::Nat::forward');
  assert.equal(demangle(drop), '<nat_core::Nat as core::ops::Drop>::drop');
  assert.equal(demangle('_RNvCs1234_7nat_core7forward'), '_RNvCs1234_7nat_core7forward');
  assert.equal(demangle('memcpy'), 'memcpy');
});
