#!/usr/bin/env bash
# rp2040js 1.4.1 (npm): AVAILABLE of a USB buffer is cleared as soon as firmware sets it.
#
# Guess:   the RP2040 clears AVAILABLE when the host has sent a packet into the buffer, or has taken the one in it (datasheet of
#          the RP2040, section 4.1.2.5.1). Until then the buffer is the controller's, and drivers wait for that.
# Instead: it is cleared in the write that sets it, in both directions, although no host has done anything. A driver that goes by
#          it reads a buffer that nobody has filled yet, as a packet of the length that it has offered.
# Seen:
# | OUT buffer of endpoint 1, 64 bytes offered, no packet from a host: AVAILABLE 0, FULL 0, length 64
# | IN buffer of endpoint 1, 3 bytes offered, no token from a host: AVAILABLE 0, FULL 0, length 3
. "$(dirname "$0")/crate.sh"

echo '{ "private": true, "type": "module" }' >"$folder/package.json"
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact rp2040js@1.4.1 >"$folder/errors" 2>&1 || {
    echo "$script: the package cannot be installed" >&2
    exit 2
}
cat >"$folder/finding.mjs" <<'JS'
import { RP2040 } from 'rp2040js';

const DPRAM = 0x50100000;
const [EP1_IN_CONTROL, EP1_OUT_CONTROL, EP1_IN, EP1_OUT] = [0x08, 0x0c, 0x88, 0x8c];
const [ENABLE, INTERRUPT] = [0x80000000, 1 << 29];
const [AVAILABLE, FULL] = [1 << 10, 1 << 15];

const chip = new RP2040();
const silent = () => {};
chip.logger = { debug: silent, info: silent, warn: silent, error: silent };
const write = (at, value) => chip.writeUint32(DPRAM + at, value >>> 0);
const show = (what, at) => {
  const value = chip.readUint32(DPRAM + at);
  const bit = (mask) => (value & mask ? 1 : 0);
  console.log(`${what}: AVAILABLE ${bit(AVAILABLE)}, FULL ${bit(FULL)}, length ${value & 0x3ff}`);
};

write(EP1_OUT_CONTROL, ENABLE | INTERRUPT | 0x1c0);
write(EP1_OUT, AVAILABLE | 64);
show('OUT buffer of endpoint 1, 64 bytes offered, no packet from a host', EP1_OUT);
write(EP1_IN_CONTROL, ENABLE | INTERRUPT | 0x180);
write(EP1_IN, AVAILABLE | FULL | 3);
show('IN buffer of endpoint 1, 3 bytes offered, no token from a host', EP1_IN);
// It goes on with the timers of the transfers.
process.exit(0);
JS
node "$folder/finding.mjs" | tee "$folder/printed"
expected
