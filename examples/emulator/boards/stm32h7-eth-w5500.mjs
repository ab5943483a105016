/** A NUCLEO-H743ZI2 with a W5500 on its Arduino header: its own Ethernet is outside, the W5500 inside. */
import { Mac } from '../stm32/ethernet/mac.mjs';
import { Stm32Board } from '../stm32/board.mjs';
import { connectW5500 } from '../stm32/w5500-pins.mjs';
import { W5500 } from '../w5500/chip.mjs';
import { Port } from '../wire/port.mjs';

const W5500_PINS = { sck: 'A5', miso: 'A6', mosi: 'B5', cs: 'D14', interrupt: 'D15', reset: 'F3' };

const LONGEST_TAGGED = 1518;
const LONGEST_RECEIVED = 2044;

/**
 * @typedef {object} Options
 * @property {import('../w5500/chip.mjs').ChipOptions} [w5500]
 * @property {{linkDelayUs?: number}} [phy]
 */

/** Takes the options of `Stm32Board` and `Options`. */
export class Board extends Stm32Board {
  /** What the log calls the W5500 of each side that has one. */
  static w5500s = { lan: 'W5500' };
  static ethernetPins = ['A1', 'A2', 'A7', 'B13', 'C1', 'C4', 'C5', 'G11', 'G13'];

  /** More frames each way than the board carries, by their size: one each so many microseconds. */
  static floodGapUs = { 60: 15, 1514: 200 };
  /** Limits of its figures. 1514-byte frames go at the speed of the SPI. */
  static limits = { cyclesSaturated: 12_000, longFrames: 2250 };

  /** What the log shows after a frame of this length from either side, longer than 1514 bytes. */
  static longFrameLog(length) {
    // embassy's driver reports what the MAC marks as too long; the MAC drops what is longer than its receiver takes.
    const outside = length <= LONGEST_RECEIVED ? [/invalid packet/] : [];
    // The W5500's driver hands up what may be a tagged frame, and the router sees that it is none.
    return length <= LONGEST_TAGGED ? [/dropped since the start 1: giant 1/, ...outside] : outside;
  }

  makePorts() {
    const mac = new Mac(this.clock, this.options.phy);
    const wan = this.makePort('eth', mac);
    const lan = this.makePort('spi1', new W5500(this.clock, this.options.w5500));
    return { ports: [wan, lan], lan, wan, mac };
  }

  makePort(name, chip) {
    const port = new Port(name, this.clock, chip);
    chip.onMistake = (text) => this.addMistake(port, text);
    return port;
  }

  connectPorts(machine) {
    connectW5500(machine, W5500_PINS, this.lan.chip);
  }
}
