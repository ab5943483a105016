/**
 * A W5500-EVB-Pico with a second W5500: an RP2040 with a W5500 on each of its two SPI buses, and the LED.
 *
 *     const board = Board.boot('router.elf', { seed: 1 });
 *     board.run({ us: 500_000 });
 *     board.lan.send(frame);
 *     board.run({ until: () => board.wan.received.length > 0, us: 10_000 });
 */
import { Rp2040Board } from '../rp2040/board.mjs';
import { connectW5500 } from '../rp2040/w5500-pins.mjs';
import { W5500 } from '../w5500/chip.mjs';
import { Port } from '../wire/port.mjs';

/** GPIOs of each W5500, by number of the SPI: on the board, and on the module. */
const PINS = [
  { miso: 16, cs: 17, sck: 18, mosi: 19, reset: 20, interrupt: 21 },
  { miso: 12, cs: 13, sck: 10, mosi: 11, reset: 14, interrupt: 15 },
];

const LONGEST_TAGGED = 1518;

/**
 * @typedef {object} W5500Options
 * @property {0 | 1} [lan] number of the SPI that is `board.lan`; 1. The other is `board.wan`
 * @property {import('../w5500/chip.mjs').ChipOptions} [w5500] for both chips
 */

/** Takes the options of `Rp2040Board` and `W5500Options`. */
export class Board extends Rp2040Board {
  /** What the log calls the W5500 of each side that has one. */
  static w5500s = { lan: 'W5500 inside', wan: 'W5500 outside' };

  /** More frames each way than the board carries, by their size: one each so many microseconds. */
  static floodGapUs = { 60: 40, 1514: 200 };
  /** Limits of its figures. A forwarder without NAT reaches 2,250 a second with the same SPI clock. */
  static limits = { cyclesSaturated: 16_000, longFrames: 2250 * 0.95 };

  /** What the log shows after a frame of this length from either side, longer than 1514 bytes. */
  static longFrameLog(length) {
    // The driver hands up what may be a tagged frame, and the router sees that it is none.
    if (length <= LONGEST_TAGGED) return [/dropped since the start 2: giant 2/];
    return Object.values(this.w5500s).map((chip) => new RegExp(`${chip}: .*oversized: [1-9]`));
  }

  /** `ports` is in the order of the SPIs. */
  makePorts() {
    const { lan = 1 } = this.options;
    const ports = PINS.map((_, number) => this.makePort(number));
    return { ports, lan: ports[lan], wan: ports[1 - lan] };
  }

  makePort(number) {
    const port = new Port(`spi${number}`, this.clock, new W5500(this.clock, this.options.w5500));
    port.chip.onMistake = (text) => this.addMistake(port, text);
    return port;
  }

  connectPorts(mcu) {
    this.ports.forEach((port, number) => connectW5500(mcu, number, PINS[number], port.chip));
  }
}
