import { BLOCK_BROADCAST, BLOCK_IPV6, BLOCK_MULTICAST, MAC_FILTER } from './registers.mjs';

const ETHERTYPE_IPV6 = 0x86dd;

/**
 * Whether a socket in MACRAW mode takes the frame. Without MFEN everything is taken but what a blocking bit names.
 *
 * @param {Uint8Array} frame @param {number} mode Sn_MR @param {Uint8Array} address SHAR, 6 bytes
 */
export function passesFilter(frame, mode, address) {
  const broadcast = frame.subarray(0, 6).every((byte) => byte === 0xff);
  const multicast = Boolean(frame[0] & 1) && !broadcast;
  if (broadcast) return !(mode & BLOCK_BROADCAST);
  if (mode & BLOCK_IPV6 && ((frame[12] << 8) | frame[13]) === ETHERTYPE_IPV6) return false;
  if (multicast) return !(mode & BLOCK_MULTICAST);
  return !(mode & MAC_FILTER) || address.every((byte, i) => byte === frame[i]);
}
