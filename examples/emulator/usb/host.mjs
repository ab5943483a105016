/**
 * A USB host as the test plays it: it notices a device, resets it, carries out control transfers, and polls an interrupt
 * endpoint. What it asks for, and in which order, is up to `enumeration.mjs`.
 */
const HALF = 0xffff;
/** A host gives up after so many attempts without an answer (USB 2.0, section 4.4.10.3). */
const ATTEMPTS = 3;

/** The eight bytes of a SETUP packet. */
export function setupPacket({ type, request, value = 0, index = 0, length = 0 }) {
  const packet = new Uint8Array(8);
  const view = new DataView(packet.buffer);
  view.setUint8(0, type);
  view.setUint8(1, request);
  view.setUint16(2, value & HALF, true);
  view.setUint16(4, index & HALF, true);
  view.setUint16(6, length & HALF, true);
  return packet;
}

const isIn = ({ type }) => (type & 0x80) !== 0;

/** The transfers on endpoint 0, one after the other. */
class ControlPipe {
  constructor(host) {
    this.host = host;
    this.urgent = true;
    this.transfer = undefined;
  }

  /**
   * @param {{type: number, request: number, value?: number, index?: number, length?: number, data?: Uint8Array,
   *   status?: Uint8Array}} request `status`: what a host that lies sends in place of an empty packet
   */
  start(request, then) {
    const data = request.data ?? new Uint8Array(0);
    const setup = setupPacket({ length: data.length, ...request });
    const length = new DataView(setup.buffer).getUint16(6, true);
    this.transfer = { request, setup, length, data, then, stage: 'setup', pid: 1, got: [], attempts: 0, at: 0 };
    this.host.bus.wake();
  }

  abort() {
    this.transfer = undefined;
  }

  next() {
    const { transfer } = this;
    if (!transfer) return undefined;
    const common = { address: this.host.address, endpoint: 0, transfer };
    const out = (data, pid) => ({ ...common, kind: 'out', data, pid });
    if (transfer.stage === 'setup') return { ...common, kind: 'setup', data: transfer.setup, pid: 0 };
    if (transfer.stage === 'data' && isIn(transfer.request)) return { ...common, kind: 'in' };
    if (transfer.stage === 'data') return out(transfer.data.slice(transfer.at, transfer.at + 64), transfer.pid);
    return isIn(transfer.request) ? out(transfer.request.status ?? new Uint8Array(0), 1) : { ...common, kind: 'in' };
  }

  done(answer, token) {
    const { transfer } = this;
    // The answer may be to a transfer that was abandoned meanwhile.
    if (!transfer || token.transfer !== transfer || answer === 'nak') return;
    if (answer === 'stall') this.end({ stall: true });
    else if (answer === 'silence') this.retry();
    else if (transfer.stage === 'setup') this.enter(transfer.length > 0 ? 'data' : 'status');
    else if (transfer.stage === 'status') this.end({ data: Uint8Array.from(transfer.got) });
    else this.moved(answer, token);
  }

  retry() {
    this.transfer.attempts += 1;
    if (this.transfer.attempts >= ATTEMPTS) this.end({ silence: true });
  }

  moved(answer, token) {
    const { transfer } = this;
    if (!isIn(transfer.request)) {
      transfer.at += token.data.length;
      transfer.pid ^= 1;
      if (transfer.at >= transfer.length) this.enter('status');
      return;
    }
    // A packet with the PID of the one before is that one again.
    if (token.pid !== transfer.pid) return;
    transfer.pid ^= 1;
    transfer.got.push(...answer);
    if (answer.length < this.host.packet0 || transfer.got.length >= transfer.length) this.enter('status');
  }

  enter(stage) {
    this.transfer.stage = stage;
  }

  end(outcome) {
    const { then, request } = this.transfer;
    this.transfer = undefined;
    this.host.requests.push({ ...request, ...outcome });
    then(outcome);
  }
}

/** An interrupt endpoint, asked for a packet every so many milliseconds. */
class InterruptPipe {
  constructor(host) {
    this.host = host;
    this.close();
  }

  open({ endpoint, interval, take }) {
    Object.assign(this, { endpoint, interval, take, pid: 0, due: this.host.clock.nanos, isOpen: true });
  }

  close() {
    this.isOpen = false;
  }

  next() {
    if (!this.isOpen || this.host.clock.nanos < this.due) return undefined;
    return { kind: 'in', address: this.host.address, endpoint: this.endpoint };
  }

  done(answer, token) {
    this.due = this.host.clock.nanos + this.interval * 1e6;
    // Its turn is a matter of time, not of what others do.
    this.refused = false;
    if (!(answer instanceof Uint8Array) || token.pid !== this.pid) return;
    this.pid ^= 1;
    this.take(answer);
  }
}

export class UsbHost {
  /**
   * @param {import('../simulation/clock.mjs').Clock} clock
   * @param {import('./bus.mjs').FullSpeedBus} bus
   * @param {(host: UsbHost) => Generator} enumerate yields what the host does: `{ wait }` milliseconds, `{ reset }`
   *   milliseconds, `{ address }`, or a request, whose outcome it gets
   */
  constructor(clock, bus, enumerate) {
    this.clock = clock;
    this.bus = bus;
    this.enumerate = enumerate;
    this.control = bus.add(new ControlPipe(this));
    this.interrupt = bus.add(new InterruptPipe(this));
    /** All control transfers so far: the request, and `data`, `stall` or `silence`. */
    this.requests = [];
    this.plugged = true;
    this.generation = 0;
    /** Called when the device is gone. */
    this.onGone = () => {};
    this.forget();
  }

  forget() {
    this.generation += 1;
    this.address = 0;
    this.packet0 = 64;
    this.asleep = false;
    this.control.abort();
    this.interrupt.close();
  }

  /** A device with another controller, after a power-up or a reset of its chip. */
  connect(device) {
    this.detach();
    this.bus.connect(device);
    device.onPullUp = () => this.look();
    this.attached = false;
    this.look();
  }

  /** The pull-up of the device, through the cable, is all that a host sees of it. The cable has the bus voltage. */
  look() {
    this.bus.device?.power?.(this.plugged);
    const attached = this.plugged && Boolean(this.bus.device?.isAttached);
    if (attached === this.attached) return;
    this.attached = attached;
    if (attached) this.attach();
    else this.detach();
  }

  attach() {
    this.forget();
    this.run(this.enumerate(this), this.generation);
  }

  detach() {
    this.bus.stop();
    this.forget();
    this.onGone();
  }

  /** Plugs the cable in or pulls it. The device keeps its power. */
  plug(plugged) {
    this.plugged = plugged;
    this.look();
  }

  /** The host sleeps: the bus is suspended, and what was selected stays selected. */
  sleep() {
    this.asleep = true;
    this.bus.stop();
  }

  /** The host wakes up, and signals that for 20 ms. */
  wake() {
    this.after(20, () => {
      this.asleep = false;
      this.bus.device.resume();
      this.bus.start();
      this.bus.wake();
    });
  }

  after(ms, action) {
    const { generation } = this;
    this.clock.after(ms * 1e6, () => {
      if (this.generation === generation) action();
    });
  }

  /** Carries out what the enumeration yields, one step after the other. */
  run(steps, generation, outcome) {
    if (this.generation !== generation) return;
    const { value: step, done } = steps.next(outcome);
    if (done) return;
    const go = (result) => this.run(steps, generation, result);
    if (step.wait) {
      this.after(step.wait, go);
    } else if (step.reset) {
      this.address = 0;
      this.bus.stop();
      this.bus.device.reset();
      this.after(step.reset, () => {
        this.bus.start();
        // Devices have 10 ms to recover.
        this.after(10, go);
      });
    } else if (step.address !== undefined) {
      this.address = step.address;
      go();
    } else {
      this.control.start(step, go);
    }
  }
}
