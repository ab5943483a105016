/**
 * The LAN8742A behind the management bus, as far as firmware sees it: reset, negotiation, and the state of the link
 * (datasheet DS00001989A, section 4.2).
 */
const [CONTROL, STATUS, ID1, ID2] = [0, 1, 2, 3];
const PLAIN = new Set([4, 13, 14, 18, 27, 29, 31]);
const [RESET, NEGOTIATE, POWER_DOWN, ISOLATE, RESTART] = [1 << 15, 1 << 12, 1 << 11, 1 << 10, 1 << 9];
const CONTROL_AFTER_RESET = 0x3000;
/** 100 and 10 Mbit/s, both duplex modes, negotiation, extended registers. */
const ABILITIES = 0x7809;
const [NEGOTIATED, LINK] = [1 << 5, 1 << 2];
/** From the reset until the registers can be used again. */
const RESET_NANOS = 10e3;

export class Phy {
  /**
   * @param {object} clock
   * @param {{address?: number, linkDelayUs?: number}} [options] `linkDelayUs`: the time a negotiation takes
   */
  constructor(clock, { address = 0, linkDelayUs = 0 } = {}) {
    Object.assign(this, { clock, address, linkDelayUs });
    this.cable = true;
    this.linkUp = false;
    /** Nothing answers. */
    this.missing = false;
    this.negotiated = clock.createAlarm(() => this.setLink(true));
    this.reset();
  }

  reset() {
    this.readyAt = this.clock.nanos + RESET_NANOS;
    this.values = new Map([
      [CONTROL, CONTROL_AFTER_RESET],
      [ID1, 0x0007],
      [ID2, 0xc131],
    ]);
    this.setLink(false);
    this.negotiate();
  }

  setCable(connected) {
    this.cable = connected;
    this.negotiate();
  }

  negotiate() {
    const control = this.values.get(CONTROL);
    this.negotiated.cancel();
    if (!this.cable || control & (POWER_DOWN | ISOLATE) || !(control & NEGOTIATE)) this.setLink(false);
    else if (this.linkUp) return;
    else if (this.linkDelayUs > 0) this.negotiated.schedule(this.linkDelayUs * 1e3);
    else this.setLink(true);
  }

  setLink(up) {
    this.linkUp = up;
    // A loss shows until it is read, even if the link is back.
    if (!up) this.lost = true;
  }

  /** @returns {number} all ones if no PHY has this address */
  read(address, register) {
    if (this.missing || address !== this.address) return 0xffff;
    if (register === CONTROL && this.clock.nanos < this.readyAt) return this.values.get(CONTROL) | RESET;
    if (register === STATUS) return this.readStatus();
    return this.values.get(register) ?? 0;
  }

  readStatus() {
    const up = this.linkUp && !this.lost;
    this.lost = false;
    return ABILITIES | (this.linkUp ? NEGOTIATED : 0) | (up ? LINK : 0);
  }

  /** @returns {boolean} false for a register that is not modelled */
  write(address, register, value) {
    if (this.missing || address !== this.address) return true;
    if (register !== CONTROL) {
      this.values.set(register, value);
      return PLAIN.has(register);
    }
    if (value & RESET) {
      this.reset();
      return true;
    }
    this.values.set(CONTROL, value & ~RESTART);
    if (value & RESTART) this.setLink(false);
    this.negotiate();
    return true;
  }
}
