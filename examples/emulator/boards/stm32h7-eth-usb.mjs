/** A NUCLEO-H743ZI2 with nothing wired to it: its own Ethernet is outside, a USB host that the test plays inside. */
import { Mac } from '../stm32/ethernet/mac.mjs';
import { Stm32Board } from '../stm32/board.mjs';
import { OtgFs } from '../stm32/usb/otg.mjs';
import { NcmPort } from '../usb/ncm-port.mjs';
import { Port } from '../wire/port.mjs';

const LONGEST_TAGGED = 1518;
const LONGEST_RECEIVED = 2044;

/**
 * @typedef {object} Options
 * @property {'linux' | 'windows' | 'macos'} [system] of the host; 'linux'
 * @property {{linkDelayUs?: number}} [phy]
 */

/** Takes the options of `Stm32Board` and `Options`. */
export class Board extends Stm32Board {
  static w5500s = {};
  /** The inside is a USB host. */
  static hasUsb = true;
  /** What the device says of itself: the chip's unique id, and power of its own. */
  static usbIdentity = { serial: '2E003B000D51303139343136', attributes: 0xc0, milliamperes: [0, 0] };
  static ethernetPins = ['A1', 'A2', 'A7', 'B13', 'C1', 'C4', 'C5', 'G11', 'G13'];

  /** More frames each way than the board carries, by their size: one each so many microseconds. */
  static floodGapUs = { 60: 40, 1514: 200 };
  /** Limits of its figures. Long frames: 90 % of a bus that carries 19 packets a millisecond, of which a frame takes 25. */
  static limits = { cyclesSaturated: 12_000, longFrames: (0.9 * 19_000) / 25 };

  /** What the log shows after a frame of this length from either side, longer than 1514 bytes. */
  static longFrameLog(length) {
    // embassy's driver reports what the MAC marks as too long; the MAC drops what is longer than its receiver takes.
    const outside = length <= LONGEST_RECEIVED ? [/invalid packet/] : [];
    // The class hands up what may be a tagged frame, and the router sees that it is none.
    const inside = length <= LONGEST_TAGGED ? /dropped since the start 1: giant 1/ : /USB inside: .*oversized: [1-9]/;
    return [inside, ...outside];
  }

  makePorts() {
    const mac = new Mac(this.clock, this.options.phy);
    const wan = new Port('eth', this.clock, mac);
    mac.onMistake = (text) => this.addMistake(wan, text);
    const lan = new NcmPort('usb', this.clock, { system: this.options.system });
    return { ports: [wan, lan], lan, wan, mac };
  }

  connectPorts({ bus, shared, gpio, power, recovery }) {
    const onMistake = (text) => this.addMistake(this.lan, text);
    this.lan.connect(new OtgFs(bus, { ...shared, gpio, supply: power, recovery }, onMistake));
  }
}
