/**
 * Ways in which a chip can fail, for tests of the driver.
 *
 * `answers`: what every SPI read returns, for any address. `deaf`: commands are not taken, nothing is received and
 * INTn stays high. `clearedBy`: what makes the chip work again.
 */
export const FAULTS = {
  /** The bus floats high: brown-out, or a chip that has hung itself up. */
  ones: { answers: 0xff, deaf: true, clearedBy: 'RSTn' },
  /** The bus is stuck low. */
  zeros: { answers: 0x00, deaf: true, clearedBy: 'RSTn' },
  /** Registers can be read and written, but nothing works behind them. */
  deaf: { deaf: true, clearedBy: 'RSTn' },
  /** A SEND is taken and never completes. */
  sends: { holdsSends: true, clearedBy: 'MR' },
  /** The socket closes by itself, once; OPEN ends the failure. */
  closed: { closesSocket: true, clearedBy: 'OPEN' },
  /** INTn stays high whatever happens: a broken wire. */
  interrupt: { interruptHigh: true, clearedBy: 'nothing' },
  /** There is no chip. */
  missing: { answers: 0xff, deaf: true, clearedBy: 'nothing' },
};

export const NO_FAULT = { clearedBy: 'nothing' };

/** @param {string | null} kind a key of FAULTS, or null for a chip that works */
export function faultNamed(kind) {
  if (kind === null) return NO_FAULT;
  if (!Object.hasOwn(FAULTS, kind)) {
    throw new Error(`no such fault: ${kind}; there are ${Object.keys(FAULTS).join(', ')}`);
  }
  return FAULTS[kind];
}
