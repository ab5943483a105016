//! The event hook of a replay. The times are those of its captures.

use core::time::Duration;
use std::path::Path;

use anyhow::Result;
use nat_core::{Event, EventHook};

use crate::mapping_log::MappingLog;

/// Writes events, and keeps the first error until the end.
pub(crate) struct Recorder {
    log: MappingLog,
    result: Result<()>,
}

impl Recorder {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            log: MappingLog::create(path)?,
            result: Ok(()),
        })
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.result.and_then(|()| self.log.flush())
    }
}

impl EventHook for Recorder {
    fn on_event(&mut self, event: &Event) {
        if self.result.is_ok() {
            self.result = self
                .log
                .write(event, Duration::from_millis(event.at().as_millis()));
        }
    }
}
