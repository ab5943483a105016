/** A second checker, which shares no code with anything here: Wireshark. */
import { spawnSync } from 'node:child_process';

const CHECKSUMS = ['ip', 'tcp', 'udp', 'icmp'];
const PREFERENCES = ['ip.check_checksum:TRUE', 'tcp.check_checksum:TRUE', 'udp.check_checksum:TRUE'];
const BAD = 0;

/**
 * @param {string} capture path of a pcap file
 * @param {string} mac of the board: what the test itself has sent may be broken
 * @returns {string[]} a line for each frame of the board that is malformed or has a wrong checksum
 */
export function malformedFrames(capture, mac) {
  const wrong = ['_ws.malformed', ...CHECKSUMS.map((name) => `${name}.checksum.status == ${BAD}`)];
  const options = PREFERENCES.flatMap((preference) => ['-o', preference]);
  const filter = `eth.src == ${mac} && (${wrong.join(' || ')})`;
  const run = spawnSync('tshark', ['-n', ...options, '-r', capture, '-Y', filter], { encoding: 'utf8' });
  if (run.error) throw new Error(`tshark is needed to check the captures: ${run.error.message}`);
  if (run.status !== 0) throw new Error(`tshark: ${run.stderr}`);
  return run.stdout.split('\n').filter((line) => line !== '');
}
