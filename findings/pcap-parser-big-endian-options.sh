#!/usr/bin/env bash
# pcap-parser 0.17.0: numbers of 64 bits among the options of a big-endian interface are read as little-endian.
#
# Guess:   options have the byte order of their section, as all other fields.
# Instead: if_tsoffset (seconds to add to each time stamp) and if_speed (bits a second) come out with their bytes reversed.
# Seen:
# | little-endian: offset 3600, speed Some(Ok(1000000000))
# | big-endian: offset 1156862154280796160, speed Some(Ok(57027523489300480))
. "$(dirname "$0")/crate.sh"

program pcapng <<'RUST'
mod pcapng;

use pcap_parser::{Block, PcapBlockOwned, PcapNGSlice};

const IF_SPEED: u16 = 8;
const IF_TSOFFSET: u16 = 14;
const OFFSET: i64 = 3600;
const SPEED: u64 = 1_000_000_000;

fn main() {
    show("little-endian", pcapng::LITTLE_ENDIAN, SPEED.to_le_bytes(), OFFSET.to_le_bytes());
    show("big-endian", pcapng::BIG_ENDIAN, SPEED.to_be_bytes(), OFFSET.to_be_bytes());
}

fn show(name: &str, big_endian: bool, speed: [u8; 8], offset: [u8; 8]) {
    let mut file = pcapng::File::new(big_endian);
    file.interface(0, &[(IF_SPEED, &speed), (IF_TSOFFSET, &offset)]);
    for block in PcapNGSlice::from_slice(&file.bytes).expect("a section") {
        if let PcapBlockOwned::NG(Block::InterfaceDescription(interface)) = block.expect("a block") {
            println!("{name}: offset {}, speed {:?}", interface.ts_offset(), interface.if_speed());
        }
    }
}
RUST
check 'pcap-parser = "=0.17.0"'
