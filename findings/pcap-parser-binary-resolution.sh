#!/usr/bin/env bash
# pcap-parser 0.17.0: a time stamp resolution that is a power of 2 is refused.
#
# The highest bit of if_tsresol makes the other bits an exponent of 2 instead of 10 (pcapng, Interface Description Block).
# Guess:   0x89 is 2^9 = 512 ticks a second.
# Instead: the exponent is compared with its limit while the highest bit is still set, so that every power of 2 is "invalid".
# Seen:
# | if_tsresol 0x09: Some(1000000000)
# | if_tsresol 0x89: None
# | if_tsresol 0xa0: None
. "$(dirname "$0")/crate.sh"

program pcapng <<'RUST'
mod pcapng;

use pcap_parser::{Block, PcapBlockOwned, PcapNGSlice};

const IF_TSRESOL: u16 = 9;

fn main() {
    for resolution in [0x09, 0x89, 0xa0] {
        let mut file = pcapng::File::new(pcapng::LITTLE_ENDIAN);
        file.interface(0, &[(IF_TSRESOL, &[resolution])]);
        for block in PcapNGSlice::from_slice(&file.bytes).expect("a section") {
            if let PcapBlockOwned::NG(Block::InterfaceDescription(interface)) = block.expect("a block") {
                println!("if_tsresol {resolution:#04x}: {:?}", interface.ts_resolution());
            }
        }
    }
}
RUST
check 'pcap-parser = "=0.17.0"'
