/** The management bus of the Ethernet MAC, by which firmware reaches the PHY (RM0433, section 58.6.1). */
import { NotModelled } from '../registers.mjs';

const BUSY = 1 << 0;
const CLAUSE_45 = 1 << 1;
const READ = 3;
const WRITE = 1;
/** Divisors of the AHB clock by the codes of CR. */
const DIVISORS = [42, 62, 16, 26, 102, 124];
const FRAME_BITS = 64;
const FASTEST_MDC = 2.5e6;

/**
 * @param {import('../registers.mjs').Block} block of the MAC
 * @param {object} machine `clock`, `rcc`, `phy`, `mistake(text)`, `skipToNextEvent()`
 */
export function attachMdio(block, { clock, rcc, phy, mistake, skipToNextEvent }) {
  const done = clock.createAlarm(() => {
    const [address, register] = [command.field(21, 5), command.field(16, 5)];
    if (command.field(2, 2) === READ) data.value = phy.read(address, register);
    else if (!phy.write(address, register, data.value & 0xffff))
      throw new NotModelled(`register ${register} of the PHY`);
    command.value &= ~BUSY;
  });
  const start = (value) => {
    if (!(value & BUSY)) return;
    const operation = command.field(2, 2);
    if (value & CLAUSE_45 || (operation !== READ && operation !== WRITE))
      throw new NotModelled('MDIO but by clause 22');
    const divisor = DIVISORS[command.field(8, 4)];
    if (!divisor) throw new NotModelled(`divisor ${command.field(8, 4)} of MDC`);
    const mdc = rcc.ahb / divisor;
    if (mdc > FASTEST_MDC) mistake(`MDC of ${(mdc / 1e6).toFixed(2)} MHz is above 2.5`);
    done.schedule((FRAME_BITS * 1e9) / mdc);
  };
  const read = () => {
    if (command.value & BUSY) skipToNextEvent();
    return command.value;
  };
  const command = block.register('MACMDIOAR', 0x200, { write: start, read });
  const data = block.register('MACMDIODR', 0x204);
}
