/**
 * What a host asks of a device with CDC-NCM, in the order of four operating systems, and how each of them builds blocks.
 *
 * - Linux: drivers/usb/core/hub.c, config.c, message.c, drivers/net/usb/cdc_ncm.c. Before it sets the configuration it
 *   reads the strings. A block above 1856 bytes is filled up to the longest; no block ends with a full packet.
 * - Windows 11: Microsoft's description of how USB devices are enumerated, and microsoft/NCM-Driver-for-Windows. It
 *   takes the longest possible configuration at once, and asks for descriptors that such a device need not have. Behind
 *   a block that ends with a full packet it sends a byte that the block does not count (zephyrproject-rtos/zephyr#100790,
 *   a capture).
 * - Windows 10: the same description, which holds since Windows 8, and an older version of the same driver, which a user
 *   has to choose by hand (hathach/tinyusb#2829). It sends nothing behind such a block (a report to Microsoft, question
 *   1531925; one report, without its capture). No trace of its order was found.
 * - macOS: that the parameters come before setting 1 (zephyrproject-rtos/zephyr#81960, a log), and that a device that
 *   does not offer the packet filter may be left at once (embassy-rs/embassy#6836, a capture). That it asks for two bytes
 *   of a string before it asks for the whole is from reports of users. No trace of the rest of its order was found.
 */
const IN = 0x80;
const CLASS_INTERFACE = 0x21;
const STANDARD_INTERFACE = 0x01;
const GET_DESCRIPTOR = 6;
const SET_ADDRESS = 5;
const SET_CONFIGURATION = 9;
const SET_INTERFACE = 11;
const GET_NTB_PARAMETERS = 0x80;
const SET_ETHERNET_PACKET_FILTER = 0x43;

const DEVICE = 1;
const CONFIGURATION = 2;
const STRING = 3;
const QUALIFIER = 6;
const ENGLISH = 0x409;
const OFFERS_PACKET_FILTER = 1;

const ADDRESS = 5;
const DEBOUNCE_MS = 100;
const RESET_MS = 50;

const descriptor = (type, length, { index = 0, language = 0 } = {}) => ({
  type: IN,
  request: GET_DESCRIPTOR,
  value: (type << 8) | index,
  index: language,
  length,
});
const string = (index, length = 255) => descriptor(STRING, length, { index, language: ENGLISH });
const setAddress = { type: 0, request: SET_ADDRESS, value: ADDRESS };
const setConfiguration = { type: 0, request: SET_CONFIGURATION, value: 1 };
const setInterface = (index, value) => ({ type: STANDARD_INTERFACE, request: SET_INTERFACE, value, index });
const ntbParameters = (index) => ({ type: IN | CLASS_INTERFACE, request: GET_NTB_PARAMETERS, index, length: 28 });

/** The data of an answer that must be one. */
function* ask(request) {
  const { data } = yield request;
  if (!data) throw new Error(`USB: no answer to ${JSON.stringify(request)}`);
  return data;
}

function* addressed() {
  yield setAddress;
  yield { address: ADDRESS };
  yield { wait: 10 };
}

const word = (data, at) => data[at] | (data[at + 1] << 8);

/** What the configuration says about the function. */
export function parseConfiguration(data) {
  const found = { endpoints: {}, alternates: 0, total: word(data, 2), attributes: data[7], milliamperes: 2 * data[8] };
  let current = {};
  for (let at = 0; at < data.length; at += data[at]) {
    const [length, type, subtype] = [data[at], data[at + 1], data[at + 2]];
    if (length < 2 || at + length > data.length) throw new Error('USB: a descriptor of an impossible length');
    if (type === 4) {
      current = { number: data[at + 2], setting: data[at + 3], kind: data[at + 5] };
      if (current.kind === 2) found.control = current.number;
      if (current.kind === 10) {
        found.data = current.number;
        found.alternates += 1;
      }
    } else if (type === 5) {
      const address = data[at + 2];
      const name = current.kind === 2 ? 'interrupt' : address & 0x80 ? 'in' : 'out';
      found.endpoints[name] = { endpoint: address & 15, packet: word(data, at + 4), interval: data[at + 6] };
      found.endpoints[name].setting = current.setting;
    } else if (type === 0x24 && subtype === 0x0f) {
      found.macString = data[at + 3];
      found.longestFrame = word(data, at + 8);
    } else if (type === 0x24 && subtype === 0x1a) {
      found.capabilities = data[at + 5];
    } else if (type === 0x24 && subtype === 0x06) {
      found.union = [data[at + 3], data[at + 4]];
    }
  }
  return found;
}

/** The characters of a string descriptor. */
export function parseString(data) {
  if (data[0] !== data.length || data[1] !== STRING) throw new Error('USB: a string of another length than it says');
  return Buffer.from(data.subarray(2)).toString('utf16le');
}

function parseParameters(data) {
  const view = new DataView(data.buffer);
  return {
    formats: view.getUint16(2, true),
    longestIn: view.getUint32(4, true),
    longestOut: view.getUint32(16, true),
    divisors: [view.getUint16(8, true), view.getUint16(20, true)],
    most: view.getUint16(26, true) || 40,
  };
}

function* linux() {
  yield { wait: DEBOUNCE_MS };
  yield { reset: RESET_MS };
  yield* ask(descriptor(DEVICE, 64));
  yield { reset: RESET_MS };
  yield* addressed();
  const device = yield* ask(descriptor(DEVICE, 18));
  const head = yield* ask(descriptor(CONFIGURATION, 9));
  const configuration = parseConfiguration(yield* ask(descriptor(CONFIGURATION, word(head, 2))));
  yield* ask(descriptor(STRING, 255));
  const product = parseString(yield* ask(string(device[15])));
  const manufacturer = parseString(yield* ask(string(device[14])));
  const serial = parseString(yield* ask(string(device[16])));
  yield* ask(setConfiguration);
  yield* ask(setInterface(configuration.data, 0));
  const parameters = parseParameters(yield* ask(ntbParameters(configuration.control)));
  yield* ask(setInterface(configuration.data, 1));
  const mac = parseString(yield* ask(string(configuration.macString)));
  return { device, configuration, product, manufacturer, serial, parameters, mac };
}

function* windows() {
  yield { wait: DEBOUNCE_MS };
  yield { reset: RESET_MS };
  yield* ask(descriptor(DEVICE, 64));
  yield { reset: RESET_MS };
  yield* addressed();
  const device = yield* ask(descriptor(DEVICE, 18));
  yield* ask(descriptor(CONFIGURATION, 255));
  // The descriptor of Microsoft's own, which only Microsoft's devices have.
  yield descriptor(STRING, 18, { index: 0xee });
  yield* ask(descriptor(STRING, 255));
  const serial = parseString(yield* ask(string(device[16])));
  yield descriptor(QUALIFIER, 10);
  const product = parseString(yield* ask(string(device[15])));
  yield* ask(descriptor(DEVICE, 18));
  const head = yield* ask(descriptor(CONFIGURATION, 9));
  const configuration = parseConfiguration(yield* ask(descriptor(CONFIGURATION, word(head, 2))));
  const manufacturer = parseString(yield* ask(string(device[14])));
  yield* ask(setConfiguration);
  yield* ask(setInterface(configuration.control, 0));
  yield* ask(setInterface(configuration.data, 0));
  const mac = parseString(yield* ask(string(configuration.macString)));
  const parameters = parseParameters(yield* ask(ntbParameters(configuration.control)));
  for (const divisor of parameters.divisors)
    if (divisor < 4 || divisor & (divisor - 1)) throw new Error(`USB: Windows does not accept a divisor of ${divisor}`);
  yield* ask(setInterface(configuration.data, 1));
  return { device, configuration, product, manufacturer, serial, parameters, mac };
}

function* giveUp(configuration) {
  yield* ask(setInterface(configuration.data, 0));
  throw new Error('USB: macOS does not use a device that offers no packet filter');
}

function* macos() {
  const twice = function* (index) {
    const [length] = yield* ask(string(index, 2));
    return parseString(yield* ask(string(index, length)));
  };
  yield { wait: DEBOUNCE_MS };
  yield { reset: RESET_MS };
  yield* ask(descriptor(DEVICE, 8));
  yield* addressed();
  const device = yield* ask(descriptor(DEVICE, 18));
  const [length] = yield* ask(descriptor(STRING, 2));
  yield* ask(descriptor(STRING, length));
  const product = yield* twice(device[15]);
  const manufacturer = yield* twice(device[14]);
  const serial = yield* twice(device[16]);
  const head = yield* ask(descriptor(CONFIGURATION, 9));
  const configuration = parseConfiguration(yield* ask(descriptor(CONFIGURATION, word(head, 2))));
  yield* ask(setConfiguration);
  const mac = yield* twice(configuration.macString);
  const parameters = parseParameters(yield* ask(ntbParameters(configuration.control)));
  yield* ask(setInterface(configuration.data, 1));
  // Of the attachments that it gives up otherwise, about one in three, this is one.
  if (!(configuration.capabilities & OFFERS_PACKET_FILTER)) yield* giveUp(configuration);
  yield { type: CLASS_INTERFACE, request: SET_ETHERNET_PACKET_FILTER, value: 0x0e, index: configuration.control };
  return { device, configuration, product, manufacturer, serial, parameters, mac };
}

/**
 * How each system enumerates, builds blocks, and ends one whose last packet is full: by a longer block, by an empty
 * packet, by a byte behind it, or not at all.
 */
export const SYSTEMS = {
  linux: { enumerate: linux, style: { padTo: 2048, padAbove: 1856 }, ending: 'longer block' },
  windows: { enumerate: windows, style: { tableLast: true }, ending: 'byte' },
  windows10: { enumerate: windows, style: { tableLast: true }, ending: 'none' },
  macos: { enumerate: macos, style: {}, ending: 'empty packet' },
};
