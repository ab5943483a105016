//! The packets of a capture that have arrived at the router, one at hand.

use core::time::Duration;
use std::path::{Path, PathBuf};

use anyhow::{Error, Result, bail};

use super::capture::{Next, Reader, Record};
use super::direction::{Arrival, Direction, MIN_HEADER};
use super::link::{self, Content};
use super::tally::{Skipped, Tally};

/// A capture that is read, with its next packet at hand.
pub(crate) struct Input {
    path: PathBuf,
    reader: Reader,
    direction: Direction,
    at_hand: Option<Packet>,
    bytes: Vec<u8>,
    tally: Tally,
    /// What ended the file before its end. What was read before it counts.
    failure: Option<Error>,
}

/// What is known of the packet at hand besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) time: Duration,
    pub(crate) arrival: Arrival,
    /// Whether its end is missing, because less was captured than there was.
    pub(crate) truncated: bool,
}

impl Input {
    /// Opens the capture at `path` and reads up to its first packet.
    pub(crate) fn open(path: &Path, direction: Direction) -> Result<Self> {
        Self::new(path, Reader::open(path)?, direction)
    }

    /// The capture of the name `path` that `reader` reads.
    fn new(path: &Path, reader: Reader, direction: Direction) -> Result<Self> {
        if let Some(link_type) = reader
            .link_type()
            .filter(|link_type| !link::is_supported(*link_type))
        {
            bail!(
                "{}: link type {link_type} at byte offset 20 is not supported: Ethernet, Linux cooked, loopback, PPP, \
                 HDLC, 802.11 and raw IPv4 are",
                path.display()
            );
        }
        let path = path.to_owned();
        let (at_hand, bytes, tally, failure) = (None, Vec::new(), Tally::default(), None);
        let mut input = Self {
            path,
            reader,
            direction,
            at_hand,
            bytes,
            tally,
            failure,
        };
        input.advance();
        Ok(input)
    }

    /// The current packet; `None` after the last.
    pub(crate) fn packet(&self) -> Option<Packet> {
        self.at_hand
    }

    /// The captured bytes of the current packet. Padding may follow them.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Reads up to the next packet. An error ends the file, and [`Self::finish`] returns it.
    pub(crate) fn advance(&mut self) {
        self.at_hand = None;
        while self.at_hand.is_none() {
            match self.reader.next() {
                Ok(Next::Record(record)) => {
                    match take(&mut self.direction, &record, &mut self.bytes) {
                        Ok(packet) => {
                            self.tally.arrived(packet.truncated);
                            self.at_hand = Some(packet);
                        }
                        Err(why) => self.tally.skipped(why),
                    }
                }
                Ok(Next::Unusable(why)) => self.tally.skipped(Skipped::Unusable(why)),
                Ok(Next::End) => return,
                Err(error) => {
                    self.failure = Some(error.context(self.path.display().to_string()));
                    return;
                }
            }
        }
    }

    /// The counts of the capture as one line, and the error if there was one.
    pub(crate) fn finish(self) -> (String, Result<()>) {
        let Self {
            path,
            tally,
            failure,
            ..
        } = self;
        let path = path.display();
        let line = if tally.lacks_ipv4() {
            format!("{path}: no IPv4: {tally}")
        } else {
            format!("{path}: {tally}")
        };
        let result = match failure {
            Some(error) => Err(error),
            None if tally.is_foreign() => Err(Error::msg(format!("{path}: {}", tally.kinds()))),
            None => Ok(()),
        };
        (line, result)
    }
}

/// Copies the packet of `record` into `bytes`, or returns why it is skipped.
fn take(
    direction: &mut Direction,
    record: &Record<'_>,
    bytes: &mut Vec<u8>,
) -> Result<Packet, Skipped> {
    let frame = link::open(record.link_type, record.data);
    let packet = match frame.content {
        Content::Ipv4(packet) => packet,
        Content::Other(kind) => return Err(Skipped::Link(kind)),
    };
    let arrival = direction.sort(link::is_raw(record.link_type), frame.stations, packet)?;
    bytes.clear();
    bytes.extend_from_slice(packet);
    Ok(Packet {
        time: record.time,
        arrival,
        truncated: record.truncated && is_incomplete(packet),
    })
}

/// Whether the length in the packet's header is greater than what was captured.
fn is_incomplete(packet: &[u8]) -> bool {
    match packet {
        [_, _, high, low, ..] => {
            usize::from(u16::from_be_bytes([*high, *low])).max(MIN_HEADER) > packet.len()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use nat_core::{Cidr, Side};

    use super::*;
    use crate::replay::direction::{Addresses, BothSides};
    use crate::replay::translations::{Endpoints, Translations};

    /// More rounds than a test should take: `NAT_HOST_MUTATIONS=10000000 cargo test -p nat-host
    /// damage`.
    const ROUNDS: &str = "NAT_HOST_MUTATIONS";

    fn block(block_type: u32, body: &[u8]) -> Vec<u8> {
        let len = (12 + body.len() as u32).to_le_bytes();
        [&block_type.to_le_bytes()[..], &len, body, &len].concat()
    }

    /// A packet of 60 bytes between these addresses.
    fn packet(protocol: u8, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let header = [0x45, 0, 0, 60, 0, 1, 0, 0, 64, protocol, 0, 0];
        let mut packet = [&header[..], &source, &destination, &[3; 40]].concat();
        packet[28..48].copy_from_slice(&[
            0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 192, 168, 77, 10, 203, 0, 113, 5,
        ]);
        packet
    }

    fn packets() -> Vec<Vec<u8>> {
        let (host, server) = ([192, 168, 77, 10], [203, 0, 113, 5]);
        let both = |protocol| {
            [
                packet(protocol, host, server),
                packet(protocol, server, host),
            ]
        };
        [1, 6, 17, 47].into_iter().flat_map(both).collect()
    }

    /// What may stand before a packet, by link type.
    fn headers() -> Vec<(u32, Vec<u8>)> {
        let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        vec![
            (
                1,
                [&[2; 12][..], &[0x81, 0, 0, 1, 0x88, 0x47, 0, 0, 1, 64]].concat(),
            ),
            (
                1,
                [&[2; 12][..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 64, 0, 0x21]].concat(),
            ),
            (0, vec![2, 0, 0, 0]),
            (113, [&[0, 0, 0, 1, 0, 6][..], &[2; 8], &[8, 0]].concat()),
            (
                276,
                [&[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6][..], &[2; 8]].concat(),
            ),
            (9, vec![0xff, 3, 0, 0x21]),
            (107, [&[0x18, 0x41, 3, 0, 0x80][..], &snap[3..]].concat()),
            (117, [&[61, 2][..], &[0; 62]].concat()),
            (
                127,
                [
                    &[0, 0, 17, 0, 3, 0, 0, 0][..],
                    &[0; 8],
                    &[0x20, 0x88, 2],
                    &[2; 26],
                    &snap,
                ]
                .concat(),
            ),
            (192, vec![0, 0, 8, 0, 101, 0, 0, 0]),
            (239, vec![2, 0, 0, 5, 64, 0, 9, 0]),
            (
                258,
                [&12_u32.to_le_bytes()[..], &[0; 4], &101_u32.to_le_bytes()].concat(),
            ),
            (
                6,
                [&[0x10, 0x40][..], &[2; 6], &[0x82; 6], &[2, 0], &snap].concat(),
            ),
            (101, vec![]),
        ]
    }

    fn pcap(link_type: u32, header: &[u8]) -> Vec<u8> {
        let file = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, link_type]
            .map(u32::to_le_bytes)
            .concat();
        let record = |packet: &Vec<u8>| {
            let len = (header.len() + packet.len()) as u32;
            [
                &[1, 2, len, len].map(u32::to_le_bytes).concat(),
                header,
                packet,
            ]
            .concat()
        };
        [file, packets().iter().flat_map(record).collect()].concat()
    }

    /// One interface for each link type.
    fn pcapng() -> Vec<u8> {
        let section = [0x1a2b_3c4d, 1, u32::MAX, u32::MAX]
            .map(u32::to_le_bytes)
            .concat();
        let interface =
            |(link_type, _): &(u32, Vec<u8>)| block(1, &[link_type.to_le_bytes(), [0; 4]].concat());
        let mut file = block(0x0a0d_0d0a, &section);
        file.extend(headers().iter().flat_map(interface));
        for (i, (_, header)) in headers().iter().enumerate() {
            let data = [&header[..], &packets()[i % packets().len()]].concat();
            let len = data.len() as u32;
            let numbers = [i as u32, 0, 1_000_000, len, len]
                .map(u32::to_le_bytes)
                .concat();
            let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
            file.extend(block(
                if i % 2 == 0 { 6 } else { 2 },
                &[numbers, data, padding].concat(),
            ));
        }
        file
    }

    /// Changes a few bytes, most of them to what is likely to matter, and sometimes the length.
    fn damage(random: &mut fastrand::Rng, file: &mut Vec<u8>) {
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..file.len());
            match random.u8(..8) {
                0 => file.truncate(at.max(1)),
                1 => file.insert(at, random.u8(..)),
                2 => drop(file.remove(at)),
                3 => file[at] ^= 1 << random.u8(..8),
                4 => file[at] = 0xff,
                5 => file[at] = 0,
                6 => file[at] = file[at].wrapping_add(random.u8(..8)).wrapping_sub(4),
                _ => file[at] = random.u8(..),
            }
            if file.is_empty() {
                file.push(0);
            }
        }
    }

    fn both() -> Direction {
        let lan = Cidr::new([192, 168, 77, 1].into(), 24).unwrap();
        let addresses = Addresses {
            lan,
            router: lan.address(),
            external: vec![[198, 51, 100, 77].into()],
        };
        Direction::Both(BothSides::new(addresses, vec![]))
    }

    /// Reads all of `file`; returns how many packets there were, or `None` if it was refused.
    fn read(file: &[u8]) -> Option<usize> {
        let reader = Reader::new(Cursor::new(file.to_vec())).ok()?;
        let mut input = Input::new("capture".as_ref(), reader, both()).ok()?;
        let mut translations = Translations::new([198, 51, 100, 77].into());
        let mut packets = 0;
        while let Some(packet) = input.packet() {
            packets += 1;
            let bytes = input.bytes_mut();
            assert!(bytes.len() <= file.len(), "a packet longer than its file");
            match packet.arrival.from {
                Side::Inside => translations.learn(Endpoints::of(bytes), bytes),
                Side::Outside => translations.readdress(bytes),
            }
            input.advance();
        }
        let (line, _) = input.finish();
        assert!(
            line.contains(&format!("{packets} processed")) || line.contains(" truncated "),
            "{packets}: {line}"
        );
        Some(packets)
    }

    fn files() -> Vec<Vec<u8>> {
        let classic = headers()
            .into_iter()
            .map(|(link_type, header)| pcap(link_type, &header));
        classic.chain([pcapng()]).collect()
    }

    #[test]
    fn files_without_damage_are_read_to_their_end() {
        let (expected, interfaces) = (packets().len(), headers().len());
        let (last, classic) = (files().len() - 1, files());
        for (i, file) in classic.iter().enumerate() {
            assert_eq!(
                read(file),
                Some(if i == last { interfaces } else { expected }),
                "{i}"
            );
        }
    }

    /// Whatever a file says, it is read or refused: no panic, no endless loop, no packet that is
    /// not in it.
    #[test]
    fn files_with_random_damage_are_read_or_refused() {
        let rounds = std::env::var(ROUNDS)
            .ok()
            .and_then(|rounds| rounds.parse().ok())
            .unwrap_or(4_000_u64);
        let files = files();
        let mut refused = 0;
        for seed in 0..rounds {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut file = files[random.usize(..files.len())].clone();
            damage(&mut random, &mut file);
            refused += u64::from(read(&file).is_none());
        }
        assert!(
            refused > 0 && refused < rounds / 2,
            "{refused} of {rounds} refused"
        );
    }
}
