/**
 * A full-speed bus with one device: 12 Mbit/s in frames of 1 ms. A transaction takes the time of its bytes and of the
 * overhead of USB 2.0, table 5-9, and none is begun that would not end in its frame, so a frame carries 19 bulk packets
 * of 64 bytes at most. A refused packet to the device takes as long as an accepted one, since it is sent all the same.
 */
const FRAME_NANOS = 1e6;
const BYTE_NANOS = 8e9 / 12e6;
/** Bytes of overhead of a transaction with data. */
const OVERHEAD = 13;
/** A token, at whose end the device decides about its answer. */
const TOKEN = 4;
/** A token and a handshake, with the pauses. */
const REFUSED_IN = 8;
const LONGEST_PACKET = 64;
/** The start of a frame, and the pause before its end. */
const FRAME_START = 4;
const FRAME_END = 16;

/**
 * @typedef {object} Pipe what the host wants to do, one after the other
 * @property {() => object | undefined} next the token of its next transaction `{kind, address, endpoint}`, with `data`
 *   and `pid` if there are any; undefined without work
 * @property {(answer: string | Uint8Array, token: object) => void} done called with the device's answer
 * @property {boolean} [urgent] goes before others, as control transfers do
 */

export class FullSpeedBus {
  /** @param {import('../simulation/clock.mjs').Clock} clock */
  constructor(clock) {
    this.clock = clock;
    this.device = undefined;
    this.running = false;
    this.pipes = [];
    this.turn = 0;
    this.frame = 0;
    this.frameStart = 0;
    this.busy = false;
    /** Transactions so far by answer, and bytes of data of the accepted ones. */
    this.counters = { accepted: 0, refused: 0, bytes: 0 };
    this.frameAlarm = clock.createAlarm(() => this.startFrame());
    this.tokenAlarm = clock.createAlarm(() => this.endToken());
    this.transactionAlarm = clock.createAlarm(() => this.endTransaction());
    this.retryAlarm = clock.createAlarm(() => this.proceed());
  }

  /** @param {import('../rp2040/usb.mjs').UsbDeviceController} device */
  connect(device) {
    this.device = device;
    device.onReady = () => this.wake();
  }

  /** Adds a pipe. Call `wake` when it has work. */
  add(pipe) {
    pipe.refused = false;
    this.pipes.push(pipe);
    return pipe;
  }

  /** Frames start from now on. */
  start() {
    if (this.running) return;
    this.running = true;
    this.startFrame();
  }

  /** No more frames: the bus is idle, as it is when the host suspends it, and when the cable is pulled. */
  stop() {
    if (!this.running) return;
    this.running = false;
    this.frameAlarm.cancel();
    this.tokenAlarm.cancel();
    this.transactionAlarm.cancel();
    this.retryAlarm.cancel();
    this.busy = false;
    this.device?.idle();
  }

  startFrame() {
    this.frameStart = this.clock.nanos;
    this.frame = (this.frame + 1) & 0x7ff;
    this.device.startOfFrame(this.frame);
    this.frameAlarm.schedule(FRAME_NANOS);
    if (!this.busy) this.retryAlarm.schedule(FRAME_START * BYTE_NANOS);
  }

  /** Something may have changed: a pipe has work, or the device has a buffer. */
  wake() {
    this.woken = true;
    this.pipes.forEach((pipe) => (pipe.refused = false));
    if (this.running && !this.busy && !this.retryAlarm.scheduled) this.retryAlarm.schedule(0);
  }

  proceed() {
    if (!this.running || this.busy) return;
    const chosen = this.choose();
    if (!chosen) return;
    const { pipe, token } = chosen;
    const longest = OVERHEAD + (token.data?.length ?? LONGEST_PACKET);
    const left = this.frameStart + FRAME_NANOS - FRAME_END * BYTE_NANOS - this.clock.nanos;
    // The next frame goes on with it.
    if (longest * BYTE_NANOS > left) return;
    this.turn = this.pipes.indexOf(pipe) + 1;
    this.busy = true;
    this.current = { pipe, token };
    this.tokenAlarm.schedule(TOKEN * BYTE_NANOS);
  }

  endToken() {
    this.woken = false;
    const { token } = this.current;
    this.current.answer = this.device.token(token);
    this.transactionAlarm.schedule((lengthOf(token, this.current.answer) - TOKEN) * BYTE_NANOS);
  }

  /** Urgent pipes first, the others in turn. */
  choose() {
    const count = this.pipes.length;
    const inTurn = this.pipes.map((_, i) => this.pipes[(this.turn + i) % count]);
    for (const pipe of [...inTurn.filter(({ urgent }) => urgent), ...inTurn.filter(({ urgent }) => !urgent)]) {
      const token = pipe.refused ? undefined : pipe.next();
      if (token) return { pipe, token };
    }
    return undefined;
  }

  endTransaction() {
    const { pipe, token, answer } = this.current;
    this.busy = false;
    const accepted = answer === 'ack' || answer instanceof Uint8Array;
    if (accepted) {
      this.counters.accepted += 1;
      this.counters.bytes += (token.data ?? answer).length;
      const pid = answer instanceof Uint8Array ? this.device.pid(token.endpoint) : token.pid;
      this.device.commit(token, token.data, pid);
      // Others that were refused get another turn.
      this.pipes.forEach((other) => (other.refused = false));
      pipe.done(answer, { ...token, pid });
    } else {
      this.counters.refused += 1;
      // A packet is sent again at once. The host asks for one again after the next other transaction, or when the
      // device has it: tokens that would be refused in between are left out.
      if (token.kind === 'in' && answer === 'nak') pipe.refused = !this.woken;
      else this.pipes.forEach((other) => (other.refused = false));
      pipe.done(answer, token);
    }
    this.proceed();
  }
}

function lengthOf(token, answer) {
  if (answer instanceof Uint8Array) return OVERHEAD + answer.length;
  if (token.kind === 'in') return REFUSED_IN;
  return OVERHEAD + token.data.length;
}
