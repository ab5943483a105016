/** Connects a W5500 to SPI1 and to three pins, and reports what a scope would show to be wrong. */
const SPI_ALTERNATE = 5;
/** In megahertz: the datasheet guarantees 33.3 and calls 80 theoretical. */
const HIGHEST_SCK = 33.34;

/** @typedef {{sck: string, mosi: string, miso: string, cs: string, reset: string, interrupt: string}} Pins such as 'A5' */

/**
 * @param {{gpio: object, spi: object}} machine
 * @param {Pins} pins
 * @param {import('../w5500/chip.mjs').W5500} chip
 */
export function connectW5500({ gpio, spi }, pins, chip) {
  spi.exchange = (byte) => chip.exchange(byte);
  const select = (high) => {
    if (high) {
      if (spi.moving) chip.mistake('SCSn raised while a byte is on the wire');
      chip.deselect();
    } else {
      checkBus({ gpio, spi }, pins, chip);
      chip.select();
    }
  };
  gpio.connect(pins.cs, { idle: 1, onLevel: select });
  gpio.connect(pins.reset, { idle: 1, onLevel: (high) => chip.setResetPin(high) });
  gpio.connect(pins.interrupt, { idle: 1 });
  chip.onInterrupt = (level) => gpio.drive(pins.interrupt, level);
  chip.onInterrupt(chip.interruptLevel);
}

function checkBus({ gpio, spi }, pins, chip) {
  for (const name of ['sck', 'mosi', 'miso']) {
    if (gpio.alternateOf(pins[name]) !== SPI_ALTERNATE) chip.mistake(`${name} (P${pins[name]}) is not an SPI pin`);
  }
  if (spi.polarityAndPhase !== 0 && spi.polarityAndPhase !== 3) chip.mistake('SPI mode is neither 0 nor 3');
  const megahertz = spi.frequency / 1e6;
  if (megahertz > HIGHEST_SCK) chip.mistake(`SCK of ${megahertz.toFixed(2)} MHz is above 33.3`);
}
