/** GPIO, the ports that SYSCFG gives to the lines of EXTI, and EXTI (RM0433, chapters 11, 12 and 20). */
const PORTS = 'ABCDEFGHIJK';
const PINS = 16;
const [OUTPUT, ALTERNATE] = [1, 2];
const PULL_UP = 1;
const MODER_RESET = { A: 0xabffffff, B: 0xfffffebf };
const OSPEEDR_RESET = { A: 0x0c000000, B: 0x000000c0 };
const PUPDR_RESET = { A: 0x64000000, B: 0x00000100 };
/** Interrupt lines of EXTI by the first of its lines that they serve. */
const EXTI_LINES = [
  { first: 0, count: 1, interrupt: 6 },
  { first: 1, count: 1, interrupt: 7 },
  { first: 2, count: 1, interrupt: 8 },
  { first: 3, count: 1, interrupt: 9 },
  { first: 4, count: 1, interrupt: 10 },
  { first: 5, count: 5, interrupt: 23 },
  { first: 10, count: 6, interrupt: 40 },
];

class Port {
  constructor(bus, letter, index) {
    this.letter = letter;
    const block = bus.add(`GPIO${letter}`, 0x58020000 + 0x400 * index);
    const update = () => this.update();
    this.mode = block.register('MODER', 0x00, { reset: MODER_RESET[letter] ?? 0xffffffff, write: update });
    block.register('OTYPER', 0x04, { known: 0xffff });
    block.register('OSPEEDR', 0x08, { reset: OSPEEDR_RESET[letter] ?? 0 });
    this.pull = block.register('PUPDR', 0x0c, { reset: PUPDR_RESET[letter] ?? 0, write: update });
    block.register('IDR', 0x10, { known: 0, read: () => this.read() });
    this.output = block.register('ODR', 0x14, { known: 0xffff, write: update });
    block.register('BSRR', 0x18, { read: () => 0, write: (value) => this.setAndReset(value) });
    this.alternates = [block.register('AFRL', 0x20), block.register('AFRH', 0x24)];
    /** Pins with something connected: `{ idle, onLevel, level, input }` by number. */
    this.connected = new Map();
    block.onReset = update;
  }

  setAndReset(value) {
    this.output.value = (this.output.value & ~(value >>> 16)) | (value & 0xffff);
    this.update();
  }

  modeOf(pin) {
    return this.mode.field(2 * pin, 2);
  }

  /** The alternate function of a pin, or undefined if it has none. */
  alternateOf(pin) {
    return this.modeOf(pin) === ALTERNATE ? this.alternates[pin >> 3].field(4 * (pin & 7), 4) : undefined;
  }

  /** Level of a pin: what drives it, or its pull resistor. */
  levelOf(pin) {
    if (this.modeOf(pin) === OUTPUT) return (this.output.value >>> pin) & 1;
    const connected = this.connected.get(pin);
    return connected?.input ?? connected?.idle ?? Number(this.pull.field(2 * pin, 2) === PULL_UP);
  }

  read() {
    return Array.from({ length: PINS }, (_, pin) => this.levelOf(pin) << pin).reduce((bits, bit) => bits | bit);
  }

  update() {
    for (const [pin, connected] of this.connected) {
      const level = this.levelOf(pin);
      if (level === connected.level) continue;
      connected.level = level;
      connected.onLevel?.(level === 1);
    }
  }
}

export class Gpio {
  /** @param {import('../bus.mjs').Bus} bus @param {{nvic: object}} machine */
  constructor(bus, { nvic }) {
    this.nvic = nvic;
    this.ports = new Map([...PORTS].map((letter, index) => [letter, new Port(bus, letter, index)]));
    this.declareSyscfg(bus.add('SYSCFG', 0x58000400));
    this.declareExti(bus.add('EXTI', 0x58000000));
  }

  declareSyscfg(block) {
    /** Bits 21 to 23: the interface of the Ethernet PHY. */
    this.mode = block.register('PMCR', 0x04, { known: 7 << 21 });
    this.sources = [0, 1, 2, 3].map((n) => block.register(`EXTICR${n + 1}`, 0x08 + 4 * n, { known: 0xffff }));
  }

  declareExti(block) {
    const drive = () => this.driveExti();
    this.rising = block.register('RTSR1', 0x00, { known: 0xffff });
    this.falling = block.register('FTSR1', 0x04, { known: 0xffff });
    this.enabled = block.register('CPUIMR1', 0x80, { reset: 0xffc00000, write: drive });
    this.pending = block.clearedByOnes('CPUPR1', 0x88, { changed: drive });
  }

  port(name) {
    return this.ports.get(name[0]);
  }

  /**
   * Connects something to a pin, such as 'D14'.
   *
   * @param {string} name
   * @param {{idle?: 0 | 1, onLevel?: (level: boolean) => void}} options `idle`: the level while the pin is no output
   */
  connect(name, { idle = 0, onLevel } = {}) {
    this.port(name).connected.set(Number(name.slice(1)), { idle, onLevel, level: idle, input: undefined });
  }

  /** What is connected drives the pin. */
  drive(name, high) {
    const port = this.port(name);
    const pin = Number(name.slice(1));
    const before = port.levelOf(pin);
    port.connected.get(pin).input = Number(high);
    const level = port.levelOf(pin);
    if (level !== before) this.noteEdge(port, pin, level);
  }

  noteEdge(port, pin, level) {
    const source = this.sources[pin >> 2].field(4 * (pin & 3), 4);
    if (PORTS[source] !== port.letter || !(level ? this.rising : this.falling).has(1 << pin)) return;
    this.pending.value = (this.pending.value | (1 << pin)) >>> 0;
    this.driveExti();
  }

  driveExti() {
    const active = this.pending.value & this.enabled.value;
    for (const { first, count, interrupt } of EXTI_LINES) {
      this.nvic.setLine(interrupt, ((active >>> first) & ((1 << count) - 1)) !== 0);
    }
  }

  /** Whether the chip leaves a pin to others: an input, or analog. */
  isInput(name) {
    const mode = this.port(name).modeOf(Number(name.slice(1)));
    return mode !== OUTPUT && mode !== ALTERNATE;
  }

  /** The alternate function of a pin, or undefined. */
  alternateOf(name) {
    return this.port(name).alternateOf(Number(name.slice(1)));
  }
}
