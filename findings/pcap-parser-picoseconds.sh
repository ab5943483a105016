#!/usr/bin/env bash
# pcap-parser 0.17.0: the fraction of a time stamp finer than 2^-32 s is cut to 32 bits.
#
# Guess:   with if_tsresol 12 (picoseconds), 1,500,000,000,000 ticks are 1.5 s.
# Instead: decode_ts gives the ticks after the second modulo 2^32, and decode_ts_f64 divides these by the resolution.
# Seen:
# | nanoseconds: (1, 500000000), 1.5
# | picoseconds: (1, 1783793664), 1.001783793664
. "$(dirname "$0")/crate.sh"

program pcapng <<'RUST'
mod pcapng;

use pcap_parser::{Block, PcapBlockOwned, PcapNGSlice};

const IF_TSRESOL: u16 = 9;

fn main() {
    show("nanoseconds", 9, 1_500_000_000);
    show("picoseconds", 12, 1_500_000_000_000);
}

fn show(name: &str, resolution: u8, ticks: u64) {
    let mut file = pcapng::File::new(pcapng::LITTLE_ENDIAN);
    file.interface(0, &[(IF_TSRESOL, &[resolution])]);
    file.packet(ticks, &[0; 60]);
    let mut per_second = 0;
    for block in PcapNGSlice::from_slice(&file.bytes).expect("a section") {
        match block.expect("a block") {
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                per_second = interface.ts_resolution().expect("a resolution");
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                println!("{name}: {:?}, {}", packet.decode_ts(0, per_second), packet.decode_ts_f64(0, per_second));
            }
            _ => {}
        }
    }
}
RUST
check 'pcap-parser = "=0.17.0"'
