/** DMA1 and DMAMUX1 (RM0433, chapters 15 and 17), for bytes between memory and a peripheral that asks for them. */
import { NotModelled } from '../registers.mjs';

const STREAMS = 8;
const INTERRUPTS = [11, 12, 13, 14, 15, 16, 17, 47];
/** Where the flags of each of four streams are in LISR and HISR. */
const FLAGS_AT = [0, 6, 16, 22];
const COMPLETE = 1 << 5;
const ENABLE = 1 << 0;
const [DIRECT_ERROR_INTERRUPT, ERROR_INTERRUPT, HALF_INTERRUPT, COMPLETE_INTERRUPT] = [1 << 1, 1 << 2, 1 << 3, 1 << 4];
const TO_PERIPHERAL = 1 << 6;
const INCREMENT = 1 << 10;
const PRIORITY = 3 << 16;
/** For UARTs; without effect on others. */
const BUFFERABLE = 1 << 20;
/** Bits of CR that are modelled: not circular, double-buffered or memory to memory, and no units but bytes. */
const CR_KNOWN =
  ENABLE |
  DIRECT_ERROR_INTERRUPT |
  ERROR_INTERRUPT |
  HALF_INTERRUPT |
  COMPLETE_INTERRUPT |
  TO_PERIPHERAL |
  INCREMENT |
  PRIORITY |
  BUFFERABLE;
const FIFO_DEFAULT = 0x21;
/** Bits of DMAMUX_CCR: the request, and an event that nothing here uses. */
const MUX_KNOWN = 0x7f | (1 << 9);

class Stream {
  constructor({ block, mux, machine, number, changed }) {
    this.number = number;
    this.machine = machine;
    const at = 0x10 + 0x18 * number;
    const name = (register) => `S${number}${register}`;
    this.control = block.register(name('CR'), at, {
      known: CR_KNOWN,
      write: (value, before) => changed(this, value, before),
    });
    this.count = block.register(name('NDTR'), at + 0x04, { known: 0xffff });
    this.peripheral = block.register(name('PAR'), at + 0x08);
    this.memory = block.register(name('M0AR'), at + 0x0c);
    this.fifo = block.register(name('FCR'), at + 0x14, { reset: FIFO_DEFAULT, known: 0x07 | 0x20 });
    this.request = mux.register(`C${number}CR`, 4 * number, { known: MUX_KNOWN });
  }

  get enabled() {
    return this.control.has(ENABLE) && this.count.value > 0;
  }

  /** The bytes of memory that it moves; one byte that is repeated if the address does not increment. */
  get bytes() {
    const { system, memory } = this.machine;
    const size = this.control.has(INCREMENT) ? this.count.value : 1;
    if (system.hasDataCache) throw new NotModelled('DMA while the D-cache is on: memory and the core may differ');
    return memory.forDma(this.memory.value, size, 'DMA1');
  }

  get increments() {
    return this.control.has(INCREMENT);
  }
}

export class Dma {
  /** @param {import('../bus.mjs').Bus} bus @param {{nvic: object, memory: object, system: object}} machine */
  constructor(bus, machine) {
    this.nvic = machine.nvic;
    /** Called when a stream has been switched on. */
    this.onStart = () => {};
    const block = bus.add('DMA1', 0x40020000);
    const mux = bus.add('DMAMUX1', 0x40020800);
    const drive = () => this.driveAll();
    this.flags = [block.register('LISR', 0x00, { known: 0 }), block.register('HISR', 0x04, { known: 0 })];
    ['LIFCR', 'HIFCR'].forEach((name, half) => {
      const write = (value) => {
        this.flags[half].value &= ~value;
        drive();
      };
      block.register(name, 0x08 + 4 * half, { read: () => 0, write });
    });
    const changed = (stream, value, before) => this.changed(stream, value, before);
    this.streams = Array.from({ length: STREAMS }, (_, number) => new Stream({ block, mux, machine, number, changed }));
    block.onReset = drive;
  }

  changed(stream, value, before) {
    this.drive(stream);
    if (value & ENABLE && !(before & ENABLE)) {
      this.onStart(stream);
    } else if (before & ENABLE && !(value & ENABLE) && stream.count.value > 0) {
      // Switched off in the middle: it is told like a completion.
      this.flag(stream, COMPLETE);
    }
  }

  /** @returns {Stream | undefined} the one that serves this request of DMAMUX1 and is on */
  serving(request) {
    return this.streams.find((stream) => stream.enabled && stream.request.field(0, 7) === request);
  }

  finish(stream) {
    stream.count.value = 0;
    stream.control.value &= ~ENABLE;
    this.flag(stream, COMPLETE);
  }

  flag(stream, bit) {
    const half = this.flags[stream.number >> 2];
    half.value = (half.value | (bit << FLAGS_AT[stream.number & 3])) >>> 0;
    this.drive(stream);
  }

  drive({ number, control }) {
    const flags = this.flags[number >> 2].value >>> FLAGS_AT[number & 3];
    const complete = flags & COMPLETE && control.has(COMPLETE_INTERRUPT);
    this.nvic.setLine(INTERRUPTS[number], Boolean(complete));
  }

  driveAll() {
    this.streams.forEach((stream) => this.drive(stream));
  }
}
