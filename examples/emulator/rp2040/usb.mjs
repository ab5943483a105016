/**
 * The RP2040's USB controller in device mode, as chapter 4.1 of the datasheet has it: what a bus does to its registers
 * and to its dual-port memory. The package's controller clears AVAILABLE as soon as firmware has set it; on silicon it
 * stays until the host has taken or brought the packet, and drivers rely on that.
 *
 * The bus calls `token`, `commit`, `startOfFrame`, `reset`, `idle` and `resume`.
 */
const USBCTRL_IRQ = 5;
const DPRAM_CONTROL = 0x08;
const DPRAM_BUFFERS = 0x80;
const DPRAM_EP0_DATA = 0x100;

const REGISTERS = {
  addrEndp: 0x00,
  mainCtrl: 0x40,
  sofWr: 0x44,
  sofRd: 0x48,
  sieCtrl: 0x4c,
  sieStatus: 0x50,
  intEpCtrl: 0x54,
  buffStatus: 0x58,
  buffCpuShouldHandle: 0x5c,
  epAbort: 0x60,
  epAbortDone: 0x64,
  epStallArm: 0x68,
  nakPoll: 0x6c,
  epStatusStallNak: 0x70,
  muxing: 0x74,
  pwr: 0x78,
  phyDirect: 0x7c,
  phyDirectOverride: 0x80,
  phyTrim: 0x84,
  intr: 0x8c,
  inte: 0x90,
  intf: 0x94,
  ints: 0x98,
};
const NAMES = new Map(Object.entries(REGISTERS).map(([name, offset]) => [offset, name]));

const CONTROLLER_EN = 1 << 0;
const HOST_NDEVICE = 1 << 1;
const EP0_INT_1BUF = 1 << 29;
const PULLUP_EN = 1 << 16;

const SUSPENDED = 1 << 4;
const RESUME = 1 << 11;
const CONNECTED = 1 << 16;
const SETUP_REC = 1 << 17;
const TRANS_COMPLETE = 1 << 18;
const BUS_RESET = 1 << 19;
const RX_OVERFLOW = 1 << 26;
const DATA_SEQ_ERROR = 1 << 31;
/** Bits of SIE_STATUS that a written 1 clears. */
const CLEARABLE = SUSPENDED | RESUME | CONNECTED | SETUP_REC | TRANS_COMPLETE | BUS_RESET | 0xff000000;

const INTR_BITS = [
  [TRANS_COMPLETE, 1 << 3],
  [DATA_SEQ_ERROR, 1 << 5],
  [RX_OVERFLOW, 1 << 7],
  [BUS_RESET, 1 << 12],
  [SUSPENDED, 1 << 14],
  [RESUME, 1 << 15],
  [SETUP_REC, 1 << 16],
];
const INTR_BUFF_STATUS = 1 << 4;
const INTR_DEV_SOF = 1 << 17;

const EP_ENABLE = 1 << 31;
const EP_DOUBLE_BUFFERED = 1 << 30;
const EP_INT_1BUF = 1 << 29;
const EP_ADDRESS = 0xffc0;

const AVAILABLE = 1 << 10;
const STALL = 1 << 11;
const DATA_PID = 1 << 13;
const LAST = 1 << 14;
const FULL = 1 << 15;
const LENGTH = 0x3ff;
const HALF = 0xffff;

/** AVAILABLE must be set at least so many cycles of clk_usb after the rest of the word (section 4.1.2.5.1). */
const USB_HERTZ = 48e6;
/** The bus is suspended after so long without a start of frame (USB 2.0, section 7.1.7.6). */
export const SUSPEND_NANOS = 3e6;

export class UsbDeviceController {
  /**
   * @param {object} mcu an RP2040 of the package; its USB controller is replaced
   * @param {{clock: object, fault: (reason: string) => void, onMistake: (text: string) => void}} parts
   */
  constructor(mcu, { fault, onMistake }) {
    this.mcu = mcu;
    this.fault = fault;
    this.onMistake = onMistake;
    this.values = Object.fromEntries(Object.keys(REGISTERS).map((name) => [name, 0]));
    this.written = new Map();
    /** Called when the pull-up is switched on or off, which a host sees as a device that comes or goes. */
    this.onPullUp = () => {};
    /** Called when firmware makes a buffer available. */
    this.onReady = () => {};
    this.suspension = mcu.clock.createAlarm(() => this.setStatus(SUSPENDED));
    mcu.peripherals[0x50110] = this;
    mcu.usbCtrl.DPRAMUpdated = (offset, value) => this.memoryWritten(offset, value);
  }

  // --- Firmware's side ------------------------------------------------------------------------------------------

  readUint32(offset) {
    const name = this.nameOf(offset);
    if (name === 'intr') return this.interrupts >>> 0;
    if (name === 'ints') return ((this.interrupts & this.values.inte) | this.values.intf) >>> 0;
    if (name === 'sofRd') this.frameSeen = true;
    return this.values[name] >>> 0;
  }

  writeUint32Atomic(offset, value, kind) {
    const name = this.nameOf(offset & 0xfff);
    const old = this.values[name];
    // Bits that are cleared by a 1 are so by way of the alias that clears, too.
    if (name === 'sieStatus') this.values[name] = old & ~(value & CLEARABLE);
    else if (['buffStatus', 'epAbortDone', 'epStatusStallNak'].includes(name)) this.values[name] = old & ~value;
    else if (!['sofRd', 'intr', 'ints'].includes(name))
      this.values[name] = [value, old ^ value, old | value, old & ~value][kind];
    if (name === 'mainCtrl' && value & HOST_NDEVICE) this.fault('USB: host mode is not modelled');
    this.update();
    if (name === 'sieCtrl' || name === 'mainCtrl') this.onPullUp(this.isAttached);
  }

  nameOf(offset) {
    const name = NAMES.get(offset & 0xfff);
    if (name) return name;
    // The addresses of endpoints in host mode, which drivers write zeros to.
    if ((offset & 0xfff) <= 0x3c) return 'intEpCtrl';
    if ((offset & 0xfff) !== 0x88) this.fault(`USB: no register at ${offset.toString(16)}`);
    return 'phyTrim';
  }

  memoryWritten(offset, value) {
    if (offset < DPRAM_BUFFERS || offset >= DPRAM_EP0_DATA) return;
    const before = this.written.get(offset) ?? { value: 0, nanos: 0 };
    const nanos = this.mcu.clock.nanos;
    if (value & AVAILABLE) {
      if ((before.value ^ value) & HALF & ~AVAILABLE) this.onMistake('AVAILABLE set together with other bits');
      else if (!(before.value & AVAILABLE) && nanos - before.nanos < 1e9 / USB_HERTZ)
        this.onMistake('AVAILABLE set less than a cycle of clk_usb after the rest');
    }
    if (value & (AVAILABLE << 16)) this.fault('USB: the second buffer of an endpoint is not modelled');
    this.written.set(offset, { value, nanos });
    if (value & (AVAILABLE | STALL)) this.onReady();
  }

  get isAttached() {
    return Boolean(this.values.mainCtrl & CONTROLLER_EN && this.values.sieCtrl & PULLUP_EN);
  }

  get interrupts() {
    let bits = this.values.buffStatus ? INTR_BUFF_STATUS : 0;
    for (const [status, interrupt] of INTR_BITS) if (this.values.sieStatus & status) bits |= interrupt;
    if (this.frameSeen === false) bits |= INTR_DEV_SOF;
    return bits;
  }

  update() {
    this.mcu.setInterrupt(USBCTRL_IRQ, Boolean((this.interrupts & this.values.inte) | this.values.intf));
  }

  setStatus(bits) {
    this.values.sieStatus |= bits;
    this.update();
  }

  // --- The bus's side -------------------------------------------------------------------------------------------

  startOfFrame(number) {
    this.suspension.cancel();
    this.values.sofRd = number & 0x7ff;
    this.frameSeen = false;
    if (this.values.inte & INTR_DEV_SOF) this.update();
  }

  /** No more frames start from now on. */
  idle() {
    this.suspension.schedule(SUSPEND_NANOS);
  }

  /** The host signals the end of a suspension. */
  resume() {
    this.suspension.cancel();
    this.setStatus(RESUME);
  }

  /** The host holds both lines low for 10 ms. */
  reset() {
    this.suspension.cancel();
    this.setStatus(BUS_RESET);
  }

  /**
   * What the device would answer to a token now (sections 4.1.2.6.1 to 3), without effect.
   *
   * @param {{kind: 'setup' | 'in' | 'out', address: number, endpoint: number}} token
   * @returns {'ack' | 'nak' | 'stall' | 'silence' | Uint8Array} the packet for the host, if there is one
   */
  token({ kind, address, endpoint }) {
    if (!this.isAttached || address !== (this.values.addrEndp & 0x7f)) return 'silence';
    if (kind === 'setup') return endpoint === 0 ? 'ack' : 'silence';
    if (endpoint > 0 && !(this.control(kind, endpoint) & EP_ENABLE)) return 'silence';
    const buffer = this.buffer(kind, endpoint);
    if (this.isStalled(kind, endpoint, buffer)) return 'stall';
    const full = Boolean(buffer & FULL);
    if (!(buffer & AVAILABLE) || full !== (kind === 'in')) return 'nak';
    if (kind === 'out') return 'ack';
    const at = this.dataAt(kind, endpoint);
    return this.mcu.usbDPRAM.slice(at, at + (buffer & LENGTH));
  }

  /** The PID of the packet that `token` returned: 0 or 1. */
  pid(endpoint) {
    return this.buffer('in', endpoint) & DATA_PID ? 1 : 0;
  }

  /** The transaction is over: the host has acknowledged a packet, or sent `data`. */
  commit({ kind, endpoint }, data, pid) {
    if (kind === 'setup') this.takeSetup(data);
    else if (kind === 'in') this.finish(kind, endpoint, this.buffer(kind, endpoint) & ~(AVAILABLE | FULL));
    else this.takeData(endpoint, data, pid);
  }

  takeSetup(data) {
    this.mcu.usbDPRAM.set(data, 0);
    this.values.epStallArm = 0;
    this.setStatus(SETUP_REC);
  }

  takeData(endpoint, data, pid) {
    const buffer = this.buffer('out', endpoint);
    if (pid !== (buffer & DATA_PID ? 1 : 0)) {
      // A packet that the device had acknowledged before.
      this.setStatus(DATA_SEQ_ERROR);
      return;
    }
    if (data.length > (buffer & LENGTH)) {
      this.setStatus(RX_OVERFLOW);
      return;
    }
    this.mcu.usbDPRAM.set(data, this.dataAt('out', endpoint));
    this.finish('out', endpoint, (buffer & ~(AVAILABLE | LENGTH)) | FULL | data.length);
  }

  finish(kind, endpoint, buffer) {
    const at = this.bufferAt(kind, endpoint);
    this.mcu.usbDPRAMView.setUint32(at, buffer >>> 0, true);
    this.written.set(at, { value: buffer, nanos: this.mcu.clock.nanos });
    const tells = endpoint === 0 ? this.values.sieCtrl & EP0_INT_1BUF : this.control(kind, endpoint) & EP_INT_1BUF;
    if (tells) this.values.buffStatus |= 1 << (2 * endpoint + (kind === 'out' ? 1 : 0));
    if (buffer & LAST) this.values.sieStatus |= TRANS_COMPLETE;
    this.update();
  }

  /** A stall of endpoint 0 ends with the next SETUP, so it must be armed, too. */
  isStalled(kind, endpoint, buffer) {
    if (!(buffer & STALL)) return false;
    return endpoint > 0 || Boolean(this.values.epStallArm & (kind === 'in' ? 1 : 2));
  }

  control(kind, endpoint) {
    const at = DPRAM_CONTROL + 8 * (endpoint - 1) + (kind === 'out' ? 4 : 0);
    const control = this.mcu.usbDPRAMView.getUint32(at, true);
    if (control & EP_DOUBLE_BUFFERED) this.fault('USB: the second buffer of an endpoint is not modelled');
    return control;
  }

  bufferAt(kind, endpoint) {
    return DPRAM_BUFFERS + 8 * endpoint + (kind === 'out' ? 4 : 0);
  }

  buffer(kind, endpoint) {
    return this.mcu.usbDPRAMView.getUint32(this.bufferAt(kind, endpoint), true);
  }

  dataAt(kind, endpoint) {
    return endpoint === 0 ? DPRAM_EP0_DATA : this.control(kind, endpoint) & EP_ADDRESS;
  }

  /** Bytes that the host has sent and the firmware has not taken. */
  get unread() {
    let bytes = 0;
    for (let endpoint = 1; endpoint < 16; endpoint++) {
      const buffer = this.buffer('out', endpoint);
      if (buffer & FULL) bytes += buffer & LENGTH;
    }
    return bytes;
  }
}
