/**
 * A stand-in for the boot ROM, of which the package has none: the table of functions that firmware looks up, each a
 * stub `BKPT #n; BX LR` that is served from here. The layout is that of the RP2040 datasheet, 2.8.2 and 2.8.3.
 */
const MAGIC = [0x4d, 0x75, 0x01, 0x02];
const MAGIC_AT = 0x10;
const FUNCTION_TABLE_POINTER = 0x14;
const DATA_TABLE_POINTER = 0x16;
const LOOKUP_POINTER = 0x18;
const FUNCTION_TABLE = 0x40;
const DATA_TABLE = 0x80;
const STUBS = 0x100;
const STUB_BYTES = 4;
const BKPT = 0xbe00;
const BX_LR = 0x4770;
const THUMB = 1;
const SECTOR_BYTES = 4096;
const PAGE_BYTES = 256;

const code = (tag) => tag.charCodeAt(0) | (tag.charCodeAt(1) << 8);

/** The functions by their two-letter code; each gets the core's registers and the board's parts. */
function romFunctions({ mcu, ssi, fault }) {
  const copy = ([to, from, count]) => {
    for (let i = 0; i < count; i++) mcu.core.writeUint8(to + i, mcu.core.readUint8(from + i));
  };
  const fill = ([to, value, count]) => {
    for (let i = 0; i < count; i++) mcu.core.writeUint8(to + i, value & 0xff);
  };
  return {
    IF: () => ssi.setCommandMode(),
    EX: () => ssi.setCommandMode(),
    FC: () => {},
    CX: () => {},
    RE: ([offset, count]) => {
      if (offset % SECTOR_BYTES || count % SECTOR_BYTES) fault('flash erase is not of whole sectors');
      mcu.flash.fill(0xff, offset, offset + count);
    },
    RP: ([offset, from, count]) => {
      if (offset % PAGE_BYTES || count % PAGE_BYTES) fault('flash program is not of whole pages');
      for (let i = 0; i < count; i++) mcu.flash[offset + i] &= mcu.core.readUint8(from + i);
    },
    MC: copy,
    C4: copy,
    MS: fill,
    S4: fill,
    UB: () => fault('reset to USB boot'),
  };
}

/**
 * Writes the ROM and returns what serves its stubs.
 *
 * @param {{mcu: object, ssi: import('./ssi.mjs').Ssi, fault: (message: string) => void}} parts
 * @returns {(number: number) => boolean} call it at a BKPT: true if it was a stub of the ROM, whose work is then done
 */
export function installRom(parts) {
  const { mcu, fault } = parts;
  const view = new DataView(mcu.bootrom.buffer);
  const registers = mcu.core.registers;
  const entries = Object.entries(romFunctions(parts));
  const stub = (number) => STUBS + number * STUB_BYTES;
  const lookUp = () => {
    const wanted = registers[1] & 0xffff;
    const number = entries.findIndex(([tag]) => code(tag) === wanted);
    if (number < 0) fault(`boot ROM has no function ${String.fromCharCode(wanted & 0xff, wanted >> 8)} here`);
    registers[0] = number < 0 ? 0 : stub(number + 1) | THUMB;
  };
  const services = [lookUp, ...entries.map(([, service]) => () => service(registers))];
  MAGIC.forEach((byte, i) => view.setUint8(MAGIC_AT + i, byte));
  view.setUint16(FUNCTION_TABLE_POINTER, FUNCTION_TABLE, true);
  view.setUint16(DATA_TABLE_POINTER, DATA_TABLE, true);
  view.setUint16(LOOKUP_POINTER, stub(0) | THUMB, true);
  services.forEach((_, number) => {
    view.setUint16(stub(number), BKPT | number, true);
    view.setUint16(stub(number) + 2, BX_LR, true);
  });
  return (number) => {
    const inStubs = mcu.core.PC >= STUBS && mcu.core.PC <= stub(services.length);
    if (inStubs) services[number]();
    return inStubs;
  };
}
