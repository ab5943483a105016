/**
 * Connects a W5500 to an SPI of the RP2040 and to five of its pins: paces the bytes, and reports what a scope would
 * show to be wrong.
 */
const LOW = 0;
const SPI_FUNCTION = 1;
/** In megahertz: the datasheet guarantees 33.3 and calls 80 theoretical. */
const HIGHEST_SCK = 33.34;
/** In mode 0 the PL022 raises its own select between words, which costs about one and a half periods of SCK. */
const MODE_0_GAP_BITS = 1.5;
const PHASE_SECOND_EDGE = 0x80;

/** @typedef {{sck: number, mosi: number, miso: number, cs: number, reset: number, interrupt: number}} Pins GPIOs */

/**
 * @param {object} mcu an RP2040 of the package
 * @param {number} number of the SPI, 0 or 1
 * @param {Pins} pins
 * @param {import('../w5500/chip.mjs').W5500} chip
 */
export function connectW5500(mcu, number, pins, chip) {
  const spi = mcu.spi[number];
  const transfer = paceBytes(mcu, spi, chip);
  mcu.gpio[pins.cs].addListener((state) => {
    const select = state === LOW;
    if (select === chip.selected) return;
    if (!select && transfer.scheduled) chip.mistake('SCSn raised while a byte is on the wire');
    if (select) {
      checkBus(mcu, spi, pins, chip);
      chip.select();
    } else {
      chip.deselect();
    }
  });
  mcu.gpio[pins.reset].addListener((state) => chip.setResetPin(state !== LOW));
  // Inputs of the package start low, which INTn is not unless the chip asks for something.
  chip.onInterrupt = (level) => mcu.gpio[pins.interrupt].setInputValue(level);
  chip.onInterrupt(chip.interruptLevel);
}

/** The package finishes a byte at once; here it takes as long as its bits. */
function paceBytes(mcu, spi, chip) {
  let answer = 0;
  const transfer = mcu.clock.createAlarm(() => spi.completeTransmit(answer));
  spi.onTransmit = (byte) => {
    answer = chip.exchange(byte);
    const bits = 8 + (spi.control0 & PHASE_SECOND_EDGE ? 0 : MODE_0_GAP_BITS);
    transfer.schedule((bits * 1e9) / spi.clockFrequency);
  };
  return transfer;
}

function checkBus(mcu, spi, pins, chip) {
  for (const name of ['sck', 'mosi', 'miso']) {
    const muxed = mcu.gpio[pins[name]].functionSelect === SPI_FUNCTION;
    if (!muxed) chip.mistake(`${name} (GPIO${pins[name]}) is not an SPI pin`);
  }
  const polarityAndPhase = (spi.control0 >> 6) & 3;
  if (polarityAndPhase !== 0 && polarityAndPhase !== 3) chip.mistake('SPI mode is neither 0 nor 3');
  if (spi.dataBits !== 8) chip.mistake(`SPI words of ${spi.dataBits} bits`);
  const megahertz = spi.clockFrequency / 1e6;
  if (megahertz > HIGHEST_SCK) chip.mistake(`SCK of ${megahertz.toFixed(2)} MHz is above 33.3`);
}
