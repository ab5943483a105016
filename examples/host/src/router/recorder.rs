//! The events of the router, at the times of the system's clock.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use nat_core::{Event, EventHook};

use crate::mapping_log::MappingLog;

/// Writes each event at once. A failure is told, and ends the log but not the router.
pub(crate) struct Recorder(Option<MappingLog>);

impl Recorder {
    pub(crate) fn append(path: &Path) -> Result<Self> {
        Ok(Self(Some(MappingLog::append(path)?)))
    }
}

impl EventHook for Recorder {
    fn on_event(&mut self, event: &Event) {
        let Some(log) = &mut self.0 else { return };
        // Events happen when they are told. The engine's own clock starts with the program, and
        // stands still with the system.
        let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        if let Err(error) = log.write(event, time).and_then(|()| log.flush()) {
            eprintln!("nat-host: {error:#}");
            self.0 = None;
        }
    }
}
