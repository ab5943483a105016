//! What passes on a wire: counted, ARP answers read along, and captured where asked.

use core::net::Ipv4Addr;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use etherparse::{ArpOperation, LaxNetSlice, LaxSlicedPacket};
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
    /// An observer that also writes what it sees to the capture file `path`.
    pub(super) fn capturing(path: &Path) -> anyhow::Result<Self> {
        let capture = Capture::create(path).with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(Self { capture: Some(capture), ..Self::default() })
    }

    /// How many frames `mac` has sent.
    pub(super) fn frames_from(&self, mac: Mac) -> u64 {
        self.frames_from.get(&mac).copied().unwrap_or(0)
    }

    /// Who has last answered that `address` is at its interface.
    pub(super) fn neighbour(&self, address: Ipv4Addr) -> Option<Mac> {
        self.neighbours.get(&address).copied()
    }

    /// Takes note of `frame`.
    pub(super) fn see(&mut self, frame: &[u8]) {
        if let Some(from) = frame.get(6..12).and_then(|mac| Mac::try_from(mac).ok()) {
            *self.frames_from.entry(from).or_default() += 1;
        }
        if let Some((address, mac)) = arp_answer(frame) {
            self.neighbours.insert(address, mac);
        }
        if let Some(capture) = &mut self.capture {
            capture.write(frame);
        }
    }

    /// Ends the capture, if there is one, and says whether all of it was written.
    pub(super) fn finish_capture(&mut self) -> anyhow::Result<()> {
        self.capture.take().map_or(Ok(()), Capture::finish)
    }
}

/// The address and interface that `frame` names, if it is an ARP reply.
fn arp_answer(frame: &[u8]) -> Option<(Ipv4Addr, Mac)> {
    let Some(LaxNetSlice::Arp(arp)) = LaxSlicedPacket::from_ethernet(frame).ok()?.net else {
        return None;
    };
    if arp.operation() != ArpOperation::REPLY {
        return None;
    }
    let address = <[u8; 4]>::try_from(arp.sender_protocol_addr()).ok()?;
    Some((address.into(), arp.sender_hw_addr().try_into().ok()?))
}

struct Capture {
    writer: PcapWriter<BufWriter<File>>,
    /// The first write that failed: told at the end, as nobody can be told in the middle of a frame.
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
        Ok(Self { writer, outcome: Ok(()) })
    }

    fn write(&mut self, frame: &[u8]) {
        if self.outcome.is_ok() {
            let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.outcome = self.writer.write_packet(&PcapPacket::new(time, frame.len() as u32, frame)).map(drop);
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        self.outcome.context("a frame could not be written to the capture")?;
        self.writer.into_writer().flush().context("the capture could not be written to its end")
    }
}
