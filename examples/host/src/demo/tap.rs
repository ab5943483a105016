//! Observes a wire: counts frames, reads ARP replies, and writes a capture with `--pcap`.

use core::net::Ipv4Addr;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use etherparse::{ArpOperation, ArpPacketSlice, Ethernet2Slice, LaxNetSlice, LaxSlicedPacket};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, PcapResult, TsResolution};

use super::addresses::Mac;

/// An observer of one segment.
#[derive(Default)]
pub(super) struct Tap {
    frames_from: HashMap<Mac, u64>,
    neighbours: HashMap<Ipv4Addr, Mac>,
    capture: Option<Capture>,
}

impl Tap {
    /// An observer that also writes all frames to the capture file `path`.
    pub(super) fn capturing(path: &Path) -> anyhow::Result<Self> {
        let capture =
            Capture::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            capture: Some(capture),
            ..Self::default()
        })
    }

    /// How many frames `mac` has sent, without ARP probes and announcements of its own address.
    /// Those are sent up to some seconds after a lease, independent of traffic (RFC 5227 section 2).
    pub(super) fn frames_from(&self, mac: Mac) -> u64 {
        self.frames_from.get(&mac).copied().unwrap_or(0)
    }

    /// The sender of the last ARP reply for `address`.
    pub(super) fn neighbour(&self, address: Ipv4Addr) -> Option<Mac> {
        self.neighbours.get(&address).copied()
    }

    /// Counts `frame` and writes it to the capture.
    pub(super) fn see(&mut self, frame: &[u8]) {
        if let Some(from) = source(frame)
            && !is_about_its_sender(frame)
        {
            *self.frames_from.entry(from).or_default() += 1;
        }
        if let Some((address, mac)) = arp_answer(frame) {
            self.neighbours.insert(address, mac);
        }
        if let Some(capture) = &mut self.capture {
            capture.write(frame);
        }
    }

    /// Ends the capture, if there is one. Fails if some of it could not be written.
    pub(super) fn finish_capture(&mut self) -> anyhow::Result<()> {
        self.capture.take().map_or(Ok(()), Capture::finish)
    }
}

fn arp_packet(frame: &[u8]) -> Option<ArpPacketSlice<'_>> {
    match LaxSlicedPacket::from_ethernet(frame).ok()?.net? {
        LaxNetSlice::Arp(arp) => Some(arp),
        _ => None,
    }
}

/// Whether `frame` is an ARP probe (sender address zero) or an announcement (sender and target
/// address are the same).
fn is_about_its_sender(frame: &[u8]) -> bool {
    arp_packet(frame).is_some_and(|arp| {
        let sender = arp.sender_protocol_addr();
        sender == [0; 4] || sender == arp.target_protocol_addr()
    })
}

/// The sender's IP and MAC address, if `frame` is an ARP reply.
fn arp_answer(frame: &[u8]) -> Option<(Ipv4Addr, Mac)> {
    let arp = arp_packet(frame)?;
    if arp.operation() != ArpOperation::REPLY {
        return None;
    }
    let address = <[u8; 4]>::try_from(arp.sender_protocol_addr()).ok()?;
    Some((address.into(), arp.sender_hw_addr().try_into().ok()?))
}

/// The station that sent `frame`; `None` for a runt.
pub(super) fn source(frame: &[u8]) -> Option<Mac> {
    let header = Ethernet2Slice::from_slice_without_fcs(frame).ok()?;
    Some(header.source())
}

struct Capture {
    writer: PcapWriter<BufWriter<File>>,
    /// The first write error. It is reported at the end, because the observer cannot return errors.
    outcome: PcapResult<()>,
}

impl Capture {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let header = PcapHeader {
            datalink: DataLink::ETHERNET,
            ts_resolution: TsResolution::MicroSecond,
            ..PcapHeader::default()
        };
        let writer = PcapWriter::with_header(BufWriter::new(File::create(path)?), header)?;
        Ok(Self {
            writer,
            outcome: Ok(()),
        })
    }

    fn write(&mut self, frame: &[u8]) {
        if self.outcome.is_ok() {
            let time = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            self.outcome = self
                .writer
                .write_packet(&PcapPacket::new(time, frame.len() as u32, frame))
                .map(drop);
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        self.outcome
            .context("a frame could not be written to the capture")?;
        self.writer
            .into_writer()
            .flush()
            .context("the capture could not be written to its end")
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{ArpEthIpv4Packet, ArpPacket, EtherType, PacketBuilder};

    use super::*;

    const STATION: Mac = [2, 0, 0, 0, 0, 0xa];
    const ADDRESS: [u8; 4] = [192, 0, 2, 10];

    fn query(sender_ipv4: [u8; 4], target_ipv4: [u8; 4]) -> Vec<u8> {
        let arp: ArpPacket = ArpEthIpv4Packet {
            operation: ArpOperation::REQUEST,
            sender_mac: STATION,
            sender_ipv4,
            target_mac: [0; 6],
            target_ipv4,
        }
        .into();
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(STATION, [0xff; 6])
            .arp(arp)
            .write(&mut frame)
            .unwrap();
        let header = Ethernet2Slice::from_slice_without_fcs(&frame).unwrap();
        assert_eq!(header.ether_type(), EtherType::ARP);
        frame
    }

    #[test]
    fn probes_and_announcements_are_not_counted_and_queries_are() {
        let mut tap = Tap::default();
        tap.see(&query([0; 4], ADDRESS));
        tap.see(&query(ADDRESS, ADDRESS));
        assert_eq!(tap.frames_from(STATION), 0);
        tap.see(&query(ADDRESS, [192, 0, 2, 1]));
        assert_eq!(tap.frames_from(STATION), 1);
    }
}
