//! The files that a replay writes.

use core::time::Duration;
use std::path::PathBuf;

use anyhow::Result;
use nat_core::{Side, Verdict};

use super::input::Packet;
use super::output::Output;
use super::verdict_lines::VerdictLines;
use crate::cli::ReplayOptions;

/// The requested files.
pub(crate) struct Outputs {
    lan: Option<Output>,
    wan: Option<Output>,
    json: Option<VerdictLines>,
}

impl Outputs {
    pub(crate) fn create(options: &ReplayOptions) -> Result<Self> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(Output::create).transpose();
        Ok(Self {
            lan: create(&options.lan_out)?,
            wan: create(&options.wan_out)?,
            json: options
                .json
                .as_deref()
                .map(VerdictLines::create)
                .transpose()?,
        })
    }

    pub(crate) fn packet(&mut self, to: Side, time: Duration, packet: &[u8]) -> Result<()> {
        let output = match to {
            Side::Inside => &mut self.lan,
            Side::Outside => &mut self.wan,
        };
        output
            .as_mut()
            .map_or(Ok(()), |output| output.write(time, packet))
    }

    pub(crate) fn verdict(&mut self, time: Duration, from: Side, verdict: &Verdict) -> Result<()> {
        self.json
            .as_mut()
            .map_or(Ok(()), |json| json.write(time, from, verdict))
    }

    /// Writes that `packet` was not given to the NAT, because its end was not captured.
    pub(crate) fn truncated(&mut self, packet: &Packet) -> Result<()> {
        let (time, from) = (packet.time, packet.arrival.from);
        self.json
            .as_mut()
            .map_or(Ok(()), |json| json.write_truncated(time, from))
    }

    /// Flushes and closes the files.
    pub(crate) fn finish(&mut self) -> Result<()> {
        for output in [self.lan.take(), self.wan.take()].into_iter().flatten() {
            output.finish()?;
        }
        self.json.take().map_or(Ok(()), VerdictLines::finish)
    }
}
