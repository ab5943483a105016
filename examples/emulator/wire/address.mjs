/** Addresses are text in the tests and bytes on the wire. */
export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';

/** @param {string} text such as '02:00:5e:00:00:01' */
export const macBytes = (text) => Buffer.from(text.replaceAll(':', ''), 'hex');

export const macText = (bytes) => Buffer.from(bytes).toString('hex').match(/../g).join(':');

/** @param {string} text such as '192.0.2.1' */
export const ipBytes = (text) => Buffer.from(text.split('.').map(Number));

export const ipText = (bytes) => `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;

/** The address as an unsigned number. */
export const ipNumber = (text) => ipBytes(text).readUInt32BE(0);

export function ipOfNumber(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number >>> 0);
  return ipText(bytes);
}

/** Whether both addresses lie in one network with this many bits. */
export function sameNetwork(one, other, bits) {
  return bits === 0 || ipNumber(one) >>> (32 - bits) === ipNumber(other) >>> (32 - bits);
}
