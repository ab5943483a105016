/**
 * OTG FS of the STM32H743 as a device at full speed without DMA (RM0433, chapter 60): what a bus does to its registers
 * and FIFOs. Firmware calls it USB2.
 *
 * The bus calls `token`, `commit`, `startOfFrame`, `reset`, `idle` and `resume`, and the host `power`.
 */
import { EVENT, InEndpoint, OutEndpoint } from './endpoints.mjs';
import { misplaced, ReceiveFifo, STATUS } from './fifo.mjs';

const OTG_FS_LINE = 101;
const BASE = 0x40080000;
const SIZE = 0xa000;
const FIFOS = 0x1000;
const ENDPOINTS = 9;
const CORE_ID = 0x00002300;
/** GOTGCTL. */
const [OVERRIDE, OVERRIDDEN, B_DEVICE, SESSION] = [1 << 6, 1 << 7, 1 << 16, 1 << 19];
const SESSION_END = 1 << 2;
/** GUSBCFG: embedded PHY, turnaround time, device by force. */
const [EMBEDDED, TURNAROUND, FORCE_DEVICE] = [1 << 6, 0xf << 10, 1 << 30];
/** GRSTCTL. */
const [FLUSH_RX, FLUSH_TX, AHB_IDLE] = [1 << 4, 1 << 5, 0x80000000];
const ALL_FIFOS = 0x10;
/** GINTSTS. */
const [OTG, SOF, RX, TX_EMPTY] = [1 << 2, 1 << 3, 1 << 4, 1 << 5];
const [EARLY_SUSPEND, SUSPEND, RESET, ENUMERATED] = [1 << 10, 1 << 11, 1 << 12, 1 << 13];
const [IN, OUT, PERIODIC_EMPTY, REQUEST, WAKE_UP] = [1 << 18, 1 << 19, 1 << 26, 1 << 30, 0x80000000];
const CLEARABLE = SOF | EARLY_SUSPEND | SUSPEND | RESET | ENUMERATED | REQUEST | WAKE_UP;
const MASKABLE = CLEARABLE | OTG | RX | IN | OUT;
/** GCCFG: transceiver, detection of the bus voltage. */
const [TRANSCEIVER, DETECTION] = [1 << 16, 1 << 21];
/** DCFG and DCTL. */
const [FULL_SPEED, FRAME_INTERVAL] = [3, 3 << 11];
const DISCONNECTED = 1 << 1;
const ENUMERATED_FULL_SPEED = 3 << 1;
/** The bus is suspended after so long without a start of frame (USB 2.0, section 7.1.7.6). */
export const SUSPEND_NANOS = 3e6;
const PINS = ['A11', 'A12'];
const VOLTAGE_PIN = 'A9';
const ALTERNATE = 10;

const each = (count, make) => Array.from({ length: count }, (_, i) => make(i));

export class OtgFs {
  /**
   * @param {import('../bus.mjs').Bus} bus
   * @param {object} machine its parts `clock`, `nvic`, `rcc`, `supply`, `recovery`, `gpio`
   * @param {(text: string) => void} onMistake called for what is against the manual
   */
  constructor(bus, { clock, nvic, rcc, supply, recovery, gpio }, onMistake) {
    Object.assign(this, { clock, nvic, rcc, supply, recovery, gpio, mistake: onMistake });
    /** Called when the pull-up is switched on or off, which a host sees as a device that comes or goes. */
    this.onPullUp = () => {};
    /** Called when an endpoint has become ready for a token. */
    this.onReady = () => {};
    this.voltage = false;
    this.receiver = new ReceiveFifo(onMistake);
    const block = bus.add('OTG_FS', BASE, SIZE);
    const controller = {
      changed: () => this.drive(),
      ready: () => this.onReady(),
      enabled: () => this.checkFifos(),
      mistake: onMistake,
    };
    this.declareCore(block);
    this.declareFifos(block);
    this.declareDevice(block);
    this.to = each(ENDPOINTS, (number) => new InEndpoint(block, number, controller));
    this.from = each(ENDPOINTS, (number) => new OutEndpoint(block, number, controller));
    this.suspension = this.clock.createAlarm(() => this.suspend());
    block.onReset = () => this.clear();
    this.clear();
  }

  /** The state that no register holds. */
  clear() {
    Object.assign(this, { address: 0, frame: 0, suspended: false, inReset: false, setupWaits: false });
    this.receiver.flush();
    [...this.to, ...this.from].forEach((endpoint) => endpoint.clear());
    this.noteSession();
    this.drive();
  }

  // --- Firmware's side ------------------------------------------------------------------------------------------

  declareCore(block) {
    const drive = () => this.drive();
    this.otg = block.register('GOTGCTL', 0x000, {
      known: OVERRIDE | OVERRIDDEN | B_DEVICE | SESSION,
      read: () => (this.otg.value | B_DEVICE | (this.hasSession ? SESSION : 0)) >>> 0,
      write: () => this.noteSession(),
    });
    this.otgEvents = block.clearedByOnes('GOTGINT', 0x004, { known: 0x1e0304, changed: drive });
    this.ahb = block.register('GAHBCFG', 0x008, { known: 1, write: drive });
    block.register('GUSBCFG', 0x00c, { reset: 0x1440, known: 7 | EMBEDDED | TURNAROUND | FORCE_DEVICE });
    this.resets = block.register('GRSTCTL', 0x010, {
      known: AHB_IDLE | FLUSH_RX | FLUSH_TX | (0x1f << 6),
      read: () => AHB_IDLE,
      write: (value) => this.flush(value),
    });
    this.status = block.register('GINTSTS', 0x014, {
      read: () => this.events,
      write: (value, before) => {
        this.status.value = (before & ~(value & CLEARABLE)) >>> 0;
        drive();
      },
    });
    this.mask = block.register('GINTMSK', 0x018, { known: MASKABLE, write: drive });
    this.config = block.register('GCCFG', 0x038, {
      known: TRANSCEIVER | DETECTION,
      write: () => {
        this.noteSession();
        this.notePullUp();
      },
    });
    block.register('CID', 0x03c, { reset: CORE_ID });
    // The width of a PHY that is not there.
    block.register('GHWCFG4', 0x050, { known: 0 });
    block.register('PCGCCTL', 0xe00, { known: 0 });
  }

  declareFifos(block) {
    block.register('GRXSTSR', 0x01c, { known: 0, read: () => this.receiver.peek() });
    block.register('GRXSTSP', 0x020, { known: 0, read: () => this.takeStatus() });
    this.receiveSize = block.register('GRXFSIZ', 0x024, { reset: 0x200, known: 0xffff });
    for (let number = 0; number < ENDPOINTS; number++) {
      block.register(`FIFO ${number}`, FIFOS * (number + 1), {
        read: () => this.readFifo(),
        write: (value) => this.to[number].write(value),
      });
    }
  }

  declareDevice(block) {
    const drive = () => this.drive();
    this.deviceConfig = block.register('DCFG', 0x800, {
      reset: 0x02200000,
      known: FULL_SPEED | (0x7f << 4) | FRAME_INTERVAL,
      write: () => this.noteAddress(),
    });
    this.deviceControl = block.register('DCTL', 0x804, {
      reset: DISCONNECTED,
      known: DISCONNECTED,
      write: () => this.notePullUp(),
    });
    block.register('DSTS', 0x808, {
      known: 0,
      read: () => (this.suspended ? 1 : 0) | ENUMERATED_FULL_SPEED | (this.frame << 8),
    });
    this.inMask = block.register('DIEPMSK', 0x810, { known: 0x7b, write: drive });
    this.outMask = block.register('DOEPMSK', 0x814, { known: 0x1b, write: drive });
    block.register('DAINT', 0x818, { known: 0, read: () => this.endpointEvents });
    this.endpointMask = block.register('DAINTMSK', 0x81c, { known: 0x01ff01ff, write: drive });
    this.emptyMask = block.register('DIEPEMPMSK', 0x834, { known: 0x1ff, write: drive });
  }

  flush(value) {
    if (value & FLUSH_RX) this.receiver.flush();
    if (value & FLUSH_TX) {
      const number = (value >>> 6) & 0x1f;
      this.to.forEach((endpoint) => (number === ALL_FIFOS || number === endpoint.number) && endpoint.flush());
    }
    this.drive();
  }

  takeStatus() {
    const word = this.receiver.peek();
    const entry = this.receiver.pop();
    if (entry?.status === STATUS.dataDone) this.from[entry.endpoint].complete();
    if (entry?.status === STATUS.setupDone) this.from[0].raise(EVENT.setup);
    this.drive();
    return word;
  }

  readFifo() {
    const word = this.receiver.read();
    if (this.receiver.left.length === 0) this.onReady();
    return word;
  }

  /** The address of a SET_ADDRESS is that of what comes after the status of the transfer. */
  noteAddress() {
    const address = this.deviceConfig.field(4, 7);
    if (this.deviceConfig.field(0, 2) !== FULL_SPEED) this.mistake('the speed is not that of the embedded PHY');
    if (address === 0) this.address = 0;
  }

  get hasSession() {
    if (this.otg.has(OVERRIDE)) return this.otg.has(OVERRIDDEN);
    return this.config.has(DETECTION) && this.voltage;
  }

  noteSession() {
    const before = this.session ?? false;
    this.session = this.hasSession;
    if (this.session && !before) this.raise(REQUEST);
    if (!this.session && before) this.otgEvents.value |= SESSION_END;
    this.drive();
  }

  notePullUp() {
    if (this.isAttached) this.checkSurroundings();
    this.onPullUp(this.isAttached);
  }

  get isAttached() {
    return this.config.has(TRANSCEIVER) && !this.deviceControl.has(DISCONNECTED) && this.hasSession && this.supply.hasUsb;
  }

  /** What else a device at full speed needs of the chip. */
  checkSurroundings() {
    const { rcc, recovery, gpio } = this;
    if (rcc.usbHertz !== 48e6) this.mistake(`the clock of USB is ${rcc.usbHertz / 1e6} MHz`);
    if (!recovery.followsOtgFs) this.mistake('HSI48 does not follow the frames of OTG FS');
    if (!rcc.runsUsbInSleep) this.mistake('OTG FS has no clock while the core sleeps, or its ULPI has one');
    PINS.filter((pin) => gpio.alternateOf(pin) !== ALTERNATE).forEach((pin) => this.mistake(`P${pin} is not a pin of USB`));
    if (this.config.has(DETECTION) && !gpio.isInput(VOLTAGE_PIN)) this.mistake('PA9 is not an input for the bus voltage');
  }

  checkFifos() {
    const receive = { name: 'receive FIFO', start: 0, words: this.receiveSize.value };
    const used = this.to.filter(({ active }) => active).map(({ fifo }) => fifo);
    const wrong = misplaced([receive, ...used]);
    if (wrong) this.mistake(wrong);
  }

  /** DAINT: endpoints with an event that is not masked. */
  get endpointEvents() {
    const bit = (set, at) => (set ? 1 << at : 0);
    const inMask = (number) => this.inMask.value | (this.emptyMask.has(1 << number) ? EVENT.empty : 0);
    const to = this.to.map(({ number, events }) => bit(events.read() & inMask(number), number));
    const from = this.from.map(({ number, events }) => bit(events.value & this.outMask.value, 16 + number));
    return [...to, ...from].reduce((all, one) => all | one) >>> 0;
  }

  get events() {
    const endpoints = this.endpointEvents & this.endpointMask.value;
    let bits = this.status.value | TX_EMPTY | PERIODIC_EMPTY;
    if (this.otgEvents.value) bits |= OTG;
    if (this.receiver.entries.length > 0) bits |= RX;
    if (endpoints & 0xffff) bits |= IN;
    if (endpoints >>> 16) bits |= OUT;
    return bits >>> 0;
  }

  raise(events) {
    this.status.value = (this.status.value | events) >>> 0;
    this.drive();
  }

  drive() {
    if (!this.from) return;
    this.nvic.setLine(OTG_FS_LINE, this.ahb.has(1) && (this.events & this.mask.value) !== 0);
  }

  // --- The bus's side -------------------------------------------------------------------------------------------

  /** The host switches the voltage of the bus on or off, or the cable is pulled. */
  power(voltage) {
    if (this.voltage === voltage) return;
    this.voltage = voltage;
    this.noteSession();
  }

  startOfFrame(number) {
    this.suspension.cancel();
    this.suspended = false;
    this.frame = number;
    if (this.inReset) {
      this.inReset = false;
      this.raise(ENUMERATED);
    }
    this.raise(SOF);
  }

  /** No more frames start from now on. */
  idle() {
    this.to.forEach((endpoint) => endpoint.stop());
    this.suspension.schedule(SUSPEND_NANOS);
  }

  suspend() {
    if (!this.hasSession) return;
    this.suspended = true;
    this.raise(EARLY_SUSPEND | SUSPEND);
  }

  /** The host signals the end of a suspension. */
  resume() {
    this.suspension.cancel();
    this.suspended = false;
    this.raise(WAKE_UP);
  }

  /** The host holds both lines low for 10 ms. Firmware sets the address back. */
  reset() {
    this.suspension.cancel();
    Object.assign(this, { suspended: false, inReset: true, setupWaits: false });
    [...this.to, ...this.from].forEach((endpoint) => endpoint.deactivate());
    this.raise(RESET);
  }

  /**
   * What the device answers to a token.
   *
   * @param {{kind: 'setup' | 'in' | 'out', address: number, endpoint: number, data?: Uint8Array}} token
   * @returns {'ack' | 'nak' | 'stall' | 'silence' | Uint8Array} the packet for the host, if there is one
   */
  token({ kind, address, endpoint, data }) {
    if (!this.isAttached || address !== this.address || endpoint >= ENDPOINTS) return 'silence';
    if (kind === 'setup') return this.answerSetup(endpoint);
    if (endpoint === 0 && this.setupWaits) this.endSetup();
    if (kind === 'in') return this.to[endpoint].active ? this.to[endpoint].answer() : 'silence';
    return this.answerData(this.from[endpoint], data.length);
  }

  /** A SETUP is acknowledged whatever the firmware does, as long as there is room. */
  answerSetup(endpoint) {
    const fits = this.receiver.hasRoom(8, this.receiveSize.value, { setup: true });
    return endpoint === 0 && fits ? 'ack' : 'silence';
  }

  /** The first token after a SETUP tells that no other SETUP follows. */
  endSetup() {
    this.setupWaits = false;
    this.receiver.push({ endpoint: 0, status: STATUS.setupDone });
    this.drive();
  }

  answerData(endpoint, length) {
    if (!endpoint.active) return 'silence';
    if (endpoint.stalled) return 'stall';
    if (endpoint.refuses || !this.receiver.hasRoom(length, this.receiveSize.value)) return 'nak';
    return length > endpoint.longestPacket ? 'silence' : 'ack';
  }

  /** The PID of the packet that `token` returned: 0 or 1. */
  pid(endpoint) {
    return this.to[endpoint].pid;
  }

  /** The transaction is over: the host has acknowledged a packet, or sent `data`. */
  commit({ kind, endpoint }, data, pid) {
    if (kind === 'setup') this.takeSetup(data);
    else if (kind === 'out') this.takeData(this.from[endpoint], data, pid);
    else this.finishSending(endpoint);
  }

  finishSending(endpoint) {
    this.to[endpoint].sent();
    if (endpoint === 0) this.address = this.deviceConfig.field(4, 7);
  }

  takeSetup(data) {
    this.setupWaits = true;
    this.to[0].beginTransfer();
    this.from[0].beginTransfer();
    this.from[0].countSetup();
    this.receiver.push({ endpoint: 0, status: STATUS.setup, data });
    this.drive();
  }

  takeData(endpoint, data, pid) {
    // A packet that the device had acknowledged before.
    if (pid !== endpoint.pid) return;
    const { number } = endpoint;
    endpoint.pid ^= 1;
    this.receiver.push({ endpoint: number, status: STATUS.data, data, pid });
    const isLast = endpoint.isLast(data.length);
    endpoint.count(data.length);
    if (isLast) {
      endpoint.refuse();
      this.receiver.push({ endpoint: number, status: STATUS.dataDone });
    }
    this.drive();
  }

  /** Bytes that the host has sent and the firmware has not taken. */
  get unread() {
    return this.receiver.unread;
  }
}
