//! The event hook of the router. The times are those of the system clock.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use nat_core::{Event, EventHook};

use crate::mapping_log::MappingLog;

/// Writes each event at once. After an error, which is printed, nothing more is written.
pub(crate) struct Recorder(Option<MappingLog>);

impl Recorder {
    pub(crate) fn append(path: &Path) -> Result<Self> {
        Ok(Self(Some(MappingLog::append(path)?)))
    }
}

impl EventHook for Recorder {
    fn on_event(&mut self, event: &Event) {
        let Some(log) = &mut self.0 else { return };
        // Events are reported when they happen. The engine's clock starts with the program, and stops
        // while the system is suspended.
        let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        if let Err(error) = log.write(event, time).and_then(|()| log.flush()) {
            eprintln!("nat-host: {error:#}");
            self.0 = None;
        }
    }
}
