import { ipBytes } from './address.mjs';

/** The Internet checksum (RFC 1071) of the parts in turn; each but the last has an even number of bytes. */
export function checksum(...parts) {
  let sum = 0;
  for (const part of parts) {
    const even = part.length & ~1;
    for (let at = 0; at < even; at += 2) sum += (part[at] << 8) | part[at + 1];
    if (part.length & 1) sum += part[even] << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** The pseudo header of UDP and TCP checksums (RFC 768, RFC 9293). */
export function pseudoHeader({ src, dst, protocol }, length) {
  return Buffer.from([...ipBytes(src), ...ipBytes(dst), 0, protocol, length >> 8, length & 0xff]);
}
