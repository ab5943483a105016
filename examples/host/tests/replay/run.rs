//! One run of `nat-host replay` on captures made for it.

use core::time::Duration;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::{Command, Output};

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use pcap_file::{DataLink, Endianness, TsResolution};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) type Record = (Duration, Vec<u8>);

/// The input captures and the options.
pub(crate) struct Replay {
    pub(crate) resolution: TsResolution,
    pub(crate) endianness: Endianness,
    pub(crate) datalink: DataLink,
    lan: Vec<Record>,
    wan: Vec<Record>,
    options: Vec<String>,
}

impl Replay {
    pub(crate) fn new() -> Self {
        Self {
            resolution: TsResolution::MicroSecond,
            endianness: Endianness::Little,
            datalink: DataLink::RAW,
            lan: Vec::new(),
            wan: Vec::new(),
            options: Vec::new(),
        }
    }

    pub(crate) fn lan(mut self, at: Duration, packet: &[u8]) -> Self {
        self.lan.push((at, packet.to_vec()));
        self
    }

    pub(crate) fn wan(mut self, at: Duration, packet: &[u8]) -> Self {
        self.wan.push((at, packet.to_vec()));
        self
    }

    pub(crate) fn options(mut self, options: &str) -> Self {
        self.options.extend(options.split(' ').map(str::to_owned));
        self
    }

    /// Runs the program, which must succeed.
    #[track_caller]
    pub(crate) fn run(&self) -> Outcome {
        let files = Files::new();
        self.write(&files.path("lan-in"), &self.lan);
        self.write(&files.path("wan-in"), &self.wan);
        files.outcome(
            &["lan-in", "wan-in", "lan-out", "wan-out", "json"],
            &self.options,
        )
    }

    pub(crate) fn write(&self, path: &PathBuf, records: &[Record]) {
        let header = PcapHeader {
            ts_resolution: self.resolution,
            endianness: self.endianness,
            datalink: self.datalink,
            ..PcapHeader::default()
        };
        let mut writer =
            PcapWriter::with_header(BufWriter::new(File::create(path).unwrap()), header).unwrap();
        for (time, packet) in records {
            writer
                .write_packet(&PcapPacket::new(*time, packet.len() as u32, packet))
                .unwrap();
        }
    }
}

/// The outputs.
pub(crate) struct Outcome {
    pub(crate) lan: Vec<Record>,
    pub(crate) wan: Vec<Record>,
    pub(crate) verdicts: Vec<Value>,
    pub(crate) lines: Vec<String>,
    pub(crate) summary: String,
}

impl Outcome {
    /// Verdict, side and reason of each packet, as in `forward wan` or `drop no-mapping`.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let words = |line: &Value| {
            ["verdict", "to", "reason"]
                .iter()
                .filter_map(|key| word(&line[key]))
                .collect::<Vec<_>>()
        };
        self.verdicts
            .iter()
            .map(|line| words(line).join(" "))
            .collect()
    }
}

/// A directory with captures, removed at the end.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `replay` with the files of these options, and further options. It must succeed.
    #[track_caller]
    pub(crate) fn outcome(&self, files: &[&str], options: &[String]) -> Outcome {
        let output = self.replay(files, options);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = fs::read_to_string(self.path("json")).unwrap();
        Outcome {
            lan: read(&self.path("lan-out")),
            wan: read(&self.path("wan-out")),
            verdicts: lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            lines: lines.lines().map(str::to_owned).collect(),
            summary: String::from_utf8(output.stdout).unwrap(),
        }
    }

    /// Runs `replay` with the files of these options, and further options.
    pub(crate) fn replay(&self, files: &[&str], options: &[String]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nat-host"));
        command.args([
            "replay",
            "--lan",
            "192.168.77.1/24",
            "--wan",
            "198.51.100.77/24",
        ]);
        for file in files {
            command.arg(format!("--{file}")).arg(self.path(file));
        }
        command.args(options).output().unwrap()
    }
}

fn read(path: &PathBuf) -> Vec<Record> {
    let mut reader = PcapReader::new(File::open(path).unwrap()).unwrap();
    let header = reader.header();
    assert_eq!(
        (header.datalink, header.ts_resolution),
        (DataLink::RAW, TsResolution::MicroSecond)
    );
    let mut records = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.unwrap();
        records.push((packet.timestamp, packet.data.into_owned()));
    }
    records
}
