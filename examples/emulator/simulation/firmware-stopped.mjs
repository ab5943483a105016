const LOG_TAIL = 2000;

/** The firmware did something after which the run cannot continue. */
export class FirmwareStopped extends Error {
  /** @param {string} reason @param {{pc: number, function: string | undefined, log: string}} place */
  constructor(reason, { pc, function: name, log }) {
    super(`firmware stopped: ${reason}, at 0x${pc.toString(16)} in ${name ?? '?'}\n${log.slice(-LOG_TAIL)}`);
    this.reason = reason;
    this.pc = pc;
    this.function = name;
  }
}
