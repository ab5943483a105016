/**
 * The board for programs in other languages: commands and replies are plain objects, which serve.mjs carries as JSON
 * lines. Times are simulated microseconds.
 */
import { FirmwareStopped } from './simulation/firmware-stopped.mjs';

const toHex = (bytes) => Buffer.from(bytes).toString('hex');
const fromHex = (text) => new Uint8Array(Buffer.from(text, 'hex'));

export class Harness {
  /** @param {import('./rp2040/board.mjs').Rp2040Board} board */
  constructor(board) {
    this.board = board;
    this.frames = [];
    this.logRead = 0;
    board.ports.forEach((port, number) => {
      port.keep = false;
      port.onFrame = (frame, ns) => this.frames.push({ port: number, us: ns / 1e3, hex: toHex(frame) });
    });
  }

  /** @param {{op: string}} command @returns {object} the reply; `{ error }` if the command failed */
  handle(command) {
    const action = COMMANDS[command.op];
    if (!action) return { error: `no such op: ${command.op}` };
    try {
      return action(this, command);
    } catch (error) {
      return { error: error.message };
    }
  }

  port(number) {
    const port = this.board.ports[number];
    if (!port) throw new Error(`no such port: ${number}`);
    return port;
  }

  takeFrames() {
    return this.frames.splice(0);
  }
}

const COMMANDS = {
  run(harness, { us, frames }) {
    const { board } = harness;
    const until = frames ? () => harness.frames.length >= frames : undefined;
    let stopped;
    try {
      board.run({ us, until });
    } catch (error) {
      if (!(error instanceof FirmwareStopped)) throw error;
      stopped = error.reason;
    }
    const idle = board.idle / 1e3;
    return { us: board.ns / 1e3, cycles: board.cycles, idle_us: idle, frames: harness.takeFrames(), stopped };
  },

  send(harness, { port, hex, in_us: delay = 0, pad = true }) {
    const target = harness.port(port);
    const frame = fromHex(hex);
    if (delay > 0) harness.board.after(delay, () => target.send(frame, { pad }));
    else target.send(frame, { pad });
    return {};
  },

  link(harness, { port, up }) {
    harness.port(port).link(up);
    return {};
  },

  wedge(harness, { port, kind }) {
    harness.port(port).wedge(kind);
    return {};
  },

  reboot(harness) {
    harness.board.reboot();
    return {};
  },

  log(harness) {
    const { log } = harness.board;
    const text = log.slice(harness.logRead);
    harness.logRead = log.length;
    return { text };
  },

  state({ board }) {
    return {
      ports: board.ports.map((port) => ({ ...port.counters, unread: port.unread })),
      mistakes: board.mistakes,
      resets: board.resets,
      exceptions: board.exceptions,
      stack: board.stack,
      led: board.led.level,
    };
  },
};
