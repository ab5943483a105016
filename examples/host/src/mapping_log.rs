//! The mapping log: one line of JSON for each event of mappings and port blocks, without
//! destinations (RFC 6888 REQ-12).

use core::time::Duration;
use std::path::Path;

use anyhow::Result;
use nat_core::{Event, MappingEvent, PortBlock, Refusal};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::json_lines::{JsonLines, seconds};
use crate::report;

/// The log file.
pub(crate) struct MappingLog(JsonLines);

impl MappingLog {
    /// Creates or overwrites the log at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        JsonLines::create(path).map(Self)
    }

    /// Opens the log at `path` to append to it.
    #[cfg(target_os = "linux")]
    pub(crate) fn append(path: &Path) -> Result<Self> {
        JsonLines::append(path).map(Self)
    }

    /// Appends `event` with the time `time`.
    pub(crate) fn write(&mut self, event: &Event, time: Duration) -> Result<()> {
        match event {
            Event::BlockAssigned(block) => {
                self.0
                    .write(&BlockLine::new("block-assigned", block, time)?)
            }
            Event::BlockReleased(block) => {
                self.0
                    .write(&BlockLine::new("block-released", block, time)?)
            }
            _ => EventLine::new(event, time)?.map_or(Ok(()), |line| self.0.write(&line)),
        }
    }

    /// Flushes the file.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

#[derive(Serialize)]
struct EventLine {
    time: Box<RawValue>,
    event: &'static str,
    protocol: &'static str,
    inside: String,
    external: Option<String>,
    forward: Option<bool>,
    reason: Option<&'static str>,
}

impl EventLine {
    /// The line of an event; `None` for unknown kinds.
    fn new(event: &Event, time: Duration) -> serde_json::Result<Option<Self>> {
        match event {
            Event::MappingCreated(mapping) => Self::of_mapping("created", mapping, time).map(Some),
            Event::MappingDeleted(mapping) => Self::of_mapping("deleted", mapping, time).map(Some),
            Event::SessionRefused(refusal) => Self::of_refusal(refusal, time).map(Some),
            _ => Ok(None),
        }
    }

    fn of_mapping(
        event: &'static str,
        mapping: &MappingEvent,
        time: Duration,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            time: seconds(time)?,
            event,
            protocol: report::protocol(mapping.protocol),
            inside: mapping.inside.to_string(),
            external: Some(mapping.external.to_string()),
            forward: Some(mapping.is_static),
            reason: None,
        })
    }

    fn of_refusal(refusal: &Refusal, time: Duration) -> serde_json::Result<Self> {
        Ok(Self {
            time: seconds(time)?,
            event: "refused",
            protocol: report::protocol(refusal.protocol),
            inside: refusal.inside.to_string(),
            external: None,
            forward: None,
            reason: Some(refusal.reason.as_str()),
        })
    }
}

#[derive(Serialize)]
struct BlockLine {
    time: Box<RawValue>,
    event: &'static str,
    inside: String,
    external: String,
    first_port: u16,
    last_port: u16,
}

impl BlockLine {
    fn new(event: &'static str, block: &PortBlock, time: Duration) -> serde_json::Result<Self> {
        Ok(Self {
            time: seconds(time)?,
            event,
            inside: block.inside.to_string(),
            external: block.external.to_string(),
            first_port: block.ports.first(),
            last_port: block.ports.last(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nat_core::{Cidr, Config, EventHook, Nat, PortRange, Seed, Side, Tables};

    use super::*;

    struct Hook(MappingLog);

    impl EventHook for Hook {
        fn on_event(&mut self, event: &Event) {
            self.0
                .write(event, Duration::from_millis(event.at().as_millis()))
                .unwrap();
        }
    }

    /// G14: assigning and releasing a block each write a line.
    #[test]
    fn blocks_have_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut hook = Hook(MappingLog::create(&path).unwrap());
        let mut config = Config::new(Cidr::new([192, 168, 77, 1].into(), 24).unwrap());
        config
            .external_addresses
            .push([198, 51, 100, 77].into())
            .unwrap();
        config.ports = PortRange::new(2000, 2999).unwrap();
        config.port_blocks = Some(100);
        let mut tables = Box::new(Tables::<4, 4, 4>::new());
        let mut nat = Nat::new(&mut tables, config, Seed::new(*b"a test's own key")).unwrap();
        nat.set_event_hook(&mut hook);
        // UDP from 192.168.77.10:5000 to 192.0.2.53:53.
        let mut packet =
            hex::decode("4500001c0000400040116ae9c0a84d0ac00002351388003500080000").unwrap();
        let _ = nat.process(&mut packet, Side::Inside, nat_core::Instant::from_secs(7));
        nat.clear(nat_core::Instant::from_secs(7));
        drop(nat);
        hook.0.flush().unwrap();
        let log = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("block")).collect();
        let block = r#""inside":"192.168.77.10","external":"198.51.100.77","first_port":2000,"last_port":2099}"#;
        let line = |event| format!(r#"{{"time":7.000000,"event":"{event}",{block}"#);
        assert_eq!(lines, [line("block-assigned"), line("block-released")]);
    }
}
