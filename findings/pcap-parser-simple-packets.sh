#!/usr/bin/env bash
# pcap-parser 0.17.0: of simple packet blocks, whole packets are told to be truncated, and truncated ones to be whole, with
# padding behind them.
#
# A simple packet block does not tell how much was captured: it is the lesser of the packet's length and the interface's
# snap length, padded to 4 bytes.
# Guess:   truncated() says whether bytes are missing, as it does of enhanced packet blocks; packet_data() is what was captured.
# Instead: truncated() is true where all bytes are there; packet_data() knows no snap length, so padding counts as captured.
# Seen:
# | 60 of 60 bytes captured: truncated true, packet_data of 60 bytes
# | 61 of 90 bytes captured: truncated false, packet_data of 64 bytes
. "$(dirname "$0")/crate.sh"

program pcapng <<'RUST'
mod pcapng;

use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, PcapBlockOwned, PcapNGSlice};

const SNAP_LEN: u32 = 61;

fn main() {
    for original_len in [60, 90] {
        let captured = vec![0xaa; original_len.min(SNAP_LEN) as usize];
        let mut file = pcapng::File::new(pcapng::LITTLE_ENDIAN);
        file.interface(SNAP_LEN, &[]);
        file.simple_packet(original_len, &captured);
        for block in PcapNGSlice::from_slice(&file.bytes).expect("a section") {
            if let PcapBlockOwned::NG(Block::SimplePacket(packet)) = block.expect("a block") {
                let (truncated, len) = (packet.truncated(), packet.packet_data().len());
                println!(
                    "{} of {original_len} bytes captured: truncated {truncated}, packet_data of {len} bytes",
                    captured.len(),
                );
            }
        }
    }
}
RUST
check 'pcap-parser = "=0.17.0"'
