#!/usr/bin/env bash
# pcap-file 2.0.0: time stamps of pcapng are nanoseconds, whatever the interface says.
#
# The unit is if_tsresol of the interface, and microseconds without that option (pcapng, Interface Description Block). The
# crate has the field as a Duration. The candidate 3.0.0-rc.3 goes by the interface.
# Guess:   1,500,000 ticks of an interface without if_tsresol are 1.5 s, and a Duration of 1.5 s is written as so many.
# Instead: read, they are 1.5 ms; written, 1.5 s are 1,500,000,000 ticks, and no option says that these are nanoseconds.
# Seen:
# | microseconds by default: 1.5ms
# | microseconds by if_tsresol 6: 1.5ms
# | nanoseconds by if_tsresol 9: 1.5s
# | 1.5 s written to an interface without if_tsresol: 1500000000 ticks
. "$(dirname "$0")/crate.sh"

program pcapng <<'RUST'
mod pcapng;

use std::time::Duration;

use pcap_file::{DataLink, Endianness};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;
use pcap_file::pcapng::{Block, PcapNgBlock, PcapNgReader, PcapNgWriter};

const IF_TSRESOL: u16 = 9;

fn main() {
    read("microseconds by default", &[], 1_500_000);
    read("microseconds by if_tsresol 6", &[(IF_TSRESOL, &[6])], 1_500_000);
    read("nanoseconds by if_tsresol 9", &[(IF_TSRESOL, &[9])], 1_500_000_000);
    write();
}

fn read(name: &str, options: &[(u16, &[u8])], ticks: u64) {
    let mut file = pcapng::File::new(pcapng::LITTLE_ENDIAN);
    file.interface(0, options);
    file.packet(ticks, &[0; 60]);
    let mut reader = PcapNgReader::new(&file.bytes[..]).expect("a section");
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.expect("a block") {
            println!("{name}: {:?}", packet.timestamp);
        }
    }
}

fn write() {
    let interface = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options: Vec::new() };
    let packet = EnhancedPacketBlock {
        interface_id: 0,
        timestamp: Duration::from_millis(1500),
        original_len: 60,
        data: vec![0; 60].into(),
        options: Vec::new(),
    };
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), Endianness::Big).expect("a section");
    writer.write_block(&interface.into_block()).expect("an interface");
    writer.write_block(&packet.into_block()).expect("a packet");
    let bytes = writer.into_inner();
    // The packet's block is the last: 32 bytes before and behind its data of 60, the time 12 bytes after its start.
    let block = &bytes[bytes.len() - 92..];
    let word = |at: usize| u32::from_be_bytes(block[at..at + 4].try_into().expect("4 bytes"));
    let ticks = u64::from(word(12)) << 32 | u64::from(word(16));
    println!("1.5 s written to an interface without if_tsresol: {ticks} ticks");
}
RUST
check 'pcap-file = "=2.0.0"'
