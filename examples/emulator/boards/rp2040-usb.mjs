/**
 * One W5500-EVB-Pico: an RP2040 whose USB port is inside, with a host that the test plays, and the W5500 on the board
 * outside.
 */
import { Rp2040Board } from '../rp2040/board.mjs';
import { UsbDeviceController } from '../rp2040/usb.mjs';
import { connectW5500 } from '../rp2040/w5500-pins.mjs';
import { NcmPort } from '../usb/ncm-port.mjs';
import { W5500 } from '../w5500/chip.mjs';
import { Port } from '../wire/port.mjs';

const LONGEST_TAGGED = 1518;
const PINS = { miso: 16, cs: 17, sck: 18, mosi: 19, reset: 20, interrupt: 21 };

/**
 * @typedef {object} UsbOptions
 * @property {'linux' | 'windows' | 'windows10' | 'macos'} [system] of the host; 'linux'
 * @property {import('../w5500/chip.mjs').ChipOptions} [w5500]
 */

/** Takes the options of `Rp2040Board` and `UsbOptions`. */
export class Board extends Rp2040Board {
  static w5500s = { wan: 'W5500 outside' };
  /** The inside is a USB host. */
  static hasUsb = true;
  /** What the device says of itself: the flash's unique id, and power from the bus. */
  static usbIdentity = { serial: 'E660583883123456', attributes: 0x80, milliamperes: [200, 500] };

  /** More frames each way than the board carries, by their size: one each so many microseconds. */
  static floodGapUs = { 60: 40, 1400: 200, 1514: 200 };
  /** Limits of its figures. Long frames: 90 % of a bus that carries 19 packets a millisecond, of which a frame takes 25. */
  static limits = { cyclesSaturated: 16_000, longFrames: (0.9 * 19_000) / 25 };

  /** What the log shows after a frame of this length from either side, longer than 1514 bytes. */
  static longFrameLog(length) {
    // The drivers hand up what may be a tagged frame, and the router sees that it is none.
    if (length <= LONGEST_TAGGED) return [/dropped since the start 2: giant 2/];
    return [/USB inside: .*oversized: [1-9]/, /W5500 outside: .*oversized: [1-9]/];
  }

  makePorts() {
    const { system, w5500 } = this.options;
    const wan = new Port('spi0', this.clock, new W5500(this.clock, w5500));
    wan.chip.onMistake = (text) => this.addMistake(wan, text);
    const lan = new NcmPort('usb', this.clock, { system });
    return { ports: [wan, lan], lan, wan };
  }

  connectPorts(mcu) {
    connectW5500(mcu, 0, PINS, this.wan.chip);
    const onMistake = (text) => this.addMistake(this.lan, text);
    this.lan.connect(new UsbDeviceController(mcu, { fault: (reason) => this.fault(reason), onMistake }));
  }
}
