/** RNG (RM0433, chapter 34). A number is ready at once. */
import { NotModelled } from '../registers.mjs';

const RNG_LINE = 80;
const [ENABLE, INTERRUPT, NO_CLOCK_CHECK] = [1 << 2, 1 << 3, 1 << 5];
const READY = 1;

/** @param {import('../bus.mjs').Bus} bus @param {{nvic: object, rcc: object, words: () => number}} machine */
export function attachRng(bus, { nvic, rcc, words }) {
  const block = bus.add('RNG', 0x48021800);
  const runs = () => {
    if (control.has(ENABLE) && !rcc.hasHsi48) throw new NotModelled('the RNG without its clock, HSI48');
    return control.has(ENABLE);
  };
  const drive = () => nvic.setLine(RNG_LINE, runs() && control.has(INTERRUPT));
  const control = block.register('CR', 0x00, { known: ENABLE | INTERRUPT | NO_CLOCK_CHECK, write: drive });
  block.register('SR', 0x04, { known: 0, read: () => (runs() ? READY : 0) });
  block.register('DR', 0x08, { read: () => (runs() ? words() : 0) });
  block.onReset = drive;
}
