//! Captures through the NAT: their timestamps are the clock.

mod capture;
mod recorder;
mod verdict_lines;

use core::time::Duration;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use nat_core::{Fragments, Instant, MAX_HELD_LEN, Nat, Pieces, Quarantine, Reply, Seed, Side, Tables, Verdict, Width};
use static_cell::ConstStaticCell;

use crate::cli::{ReplayOptions, refusal};
use crate::engine::{self, FRAGMENTED, FREED, HELD, TablesTask};
use crate::report;
use capture::{Arrivals, Capture, Output};
use recorder::Recorder;
use verdict_lines::VerdictLines;

static FRAGMENTS: ConstStaticCell<Fragments<FRAGMENTED, HELD>> = ConstStaticCell::new(Fragments::new());

/// Fixed, so that the same captures give the same translations.
const DEFAULT_SEED: Seed = Seed::new(*b"nat-host replay.");

/// Judges every packet of the input captures and writes what the options ask for.
pub(crate) fn run(options: &ReplayOptions) -> Result<()> {
    engine::with_tables(options.nat.capacity()?, Judge { options })
}

struct Judge<'a> {
    options: &'a ReplayOptions,
}

impl TablesTask for Judge<'_> {
    fn run<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, W: Width>(
        self,
        tables: &mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        quarantine: &mut Quarantine<FREED, W>,
    ) -> Result<()> {
        let Self { options } = self;
        let (config, seed) = (options.config()?, options.nat.seed().unwrap_or(DEFAULT_SEED));
        // What the engine refuses is told before a file is touched.
        options.nat.add_forwards(&mut Nat::new(&mut *tables, config.clone(), seed).map_err(refusal)?)?;
        let inputs = Inputs::open(options)?;
        refuse_overwriting(options)?;
        let outputs = Outputs::create(options)?;
        let mut recorder = options.mapping_log.as_deref().map(Recorder::create).transpose()?;
        let mut nat = Nat::new(tables, config, seed)
            .map_err(refusal)?
            .with_fragments(FRAGMENTS.take())
            .with_quarantine(quarantine);
        if let Some(recorder) = &mut recorder {
            nat.set_event_hook(recorder);
        }
        let summary = judge_all(nat, inputs, outputs, options)?;
        recorder.map_or(Ok(()), Recorder::finish)?;
        // That nobody reads it is no failure: the files are written.
        let _ = writeln!(io::stdout(), "tables: {}\n\n{summary}", options.nat.capacity()?);
        Ok(())
    }
}

/// Judges every packet. Returns the counters.
fn judge_all(
    mut nat: Nat<'_, impl Width>,
    mut inputs: Inputs,
    mut outputs: Outputs,
    options: &ReplayOptions,
) -> Result<String> {
    options.nat.add_forwards(&mut nat)?;
    while let Some((from, capture, time)) = inputs.next() {
        judge(&mut nat, from, capture.packet_mut(), time, &mut outputs)?;
        capture.advance()?;
    }
    outputs.finish()?;
    Ok(report::summary(nat.stats()))
}

fn judge(
    nat: &mut Nat<'_, impl Width>,
    from: Side,
    packet: &mut [u8],
    time: Duration,
    outputs: &mut Outputs,
) -> Result<()> {
    let now = Instant::from_millis(u64::try_from(time.as_millis())?);
    let mut done = None;
    while let Some(due) = nat.poll_timeout().filter(|due| *due <= now) {
        ensure!(done < Some(due), "the engine's timer of {} ms stays due: please report it", due.as_millis());
        nat.handle_timeout(due);
        done = Some(due);
    }
    let verdict = nat.process(packet, from, now);
    outputs.verdict(time, from, &verdict)?;
    carry_out(verdict, packet, from, time, outputs)?;
    // Fragments that have waited for this packet leave with it.
    let mut waiting = [0; MAX_HELD_LEN];
    while let Some(verdict) = nat.release(&mut waiting, now) {
        carry_out(verdict, &waiting, from, time, outputs)?;
    }
    Ok(())
}

fn carry_out(verdict: Verdict, packet: &[u8], from: Side, time: Duration, outputs: &mut Outputs) -> Result<()> {
    match verdict {
        Verdict::Forward { to, len } => outputs.packet(to, time, packet.get(..len).context("verdict beyond packet")?),
        Verdict::Fragment { to, len, mtu } => {
            let mut pieces = Pieces::new(packet.get(..len).context("verdict beyond packet")?, mtu);
            let mut piece = vec![0; usize::from(mtu)];
            while let Some(len) = pieces.emit(&mut piece) {
                outputs.packet(to, time, piece.get(..len).context("fragment beyond buffer")?)?;
            }
            Ok(())
        }
        Verdict::Reject(reply) => {
            let mut answer = [0; Reply::MAX_LEN];
            let len = reply.emit(packet, &mut answer).context("answer longer than its limit")?;
            outputs.packet(from, time, answer.get(..len).context("answer beyond buffer")?)
        }
        Verdict::Drop(_) | Verdict::Hold | Verdict::Local { .. } => Ok(()),
    }
}

/// Both captures, merged by timestamp.
struct Inputs {
    lan: Option<Capture>,
    wan: Option<Capture>,
}

impl Inputs {
    fn open(options: &ReplayOptions) -> Result<Self> {
        let open = |path: &Option<PathBuf>, arrivals: Arrivals| {
            path.as_deref().map(|path| Capture::open(path, arrivals)).transpose()
        };
        let (lan, external) = (options.lan.0, options.config()?.external_addresses);
        let from_lan = move |source| lan.contains(source) && source != lan.address();
        let from_wan = move |source| !external.contains(&source);
        Ok(Self { lan: open(&options.lan_in, Box::new(from_lan))?, wan: open(&options.wan_in, Box::new(from_wan))? })
    }

    /// The capture whose record is next: the earlier one, or the LAN's if both are of the same time.
    ///
    /// Only the next record of each is compared, so records of one capture never overtake each other even where its
    /// timestamps step back.
    fn next(&mut self) -> Option<(Side, &mut Capture, Duration)> {
        let time = |capture: &Option<Capture>| capture.as_ref().and_then(Capture::time);
        match (time(&self.lan), time(&self.wan)) {
            (Some(lan), wan) if wan.is_none_or(|wan| lan <= wan) => Some((Side::Inside, self.lan.as_mut()?, lan)),
            (_, Some(wan)) => Some((Side::Outside, self.wan.as_mut()?, wan)),
            _ => None,
        }
    }
}

/// The files that were asked for.
struct Outputs {
    lan: Option<Output>,
    wan: Option<Output>,
    json: Option<VerdictLines>,
}

impl Outputs {
    fn create(options: &ReplayOptions) -> Result<Self> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(Output::create).transpose();
        Ok(Self {
            lan: create(&options.lan_out)?,
            wan: create(&options.wan_out)?,
            json: options.json.as_deref().map(VerdictLines::create).transpose()?,
        })
    }

    fn packet(&mut self, to: Side, time: Duration, packet: &[u8]) -> Result<()> {
        let output = match to {
            Side::Inside => &mut self.lan,
            Side::Outside => &mut self.wan,
        };
        output.as_mut().map_or(Ok(()), |output| output.write(time, packet))
    }

    fn verdict(&mut self, time: Duration, from: Side, verdict: &Verdict) -> Result<()> {
        self.json.as_mut().map_or(Ok(()), |json| json.write(time, from, verdict))
    }

    fn finish(self) -> Result<()> {
        for output in [self.lan, self.wan].into_iter().flatten() {
            output.finish()?;
        }
        self.json.map_or(Ok(()), VerdictLines::finish)
    }
}

/// An output that is an input would destroy the capture before it is read.
fn refuse_overwriting(options: &ReplayOptions) -> Result<()> {
    let outputs = [&options.lan_out, &options.wan_out, &options.json, &options.mapping_log].into_iter().flatten();
    let mut taken: Vec<&PathBuf> = [&options.lan_in, &options.wan_in].into_iter().flatten().collect();
    // Devices, such as /dev/null, lose nothing by being written.
    for output in outputs.filter(|path| path.is_file() || !path.exists()) {
        if taken.iter().any(|path| *path == output || same_file::is_same_file(path, output).unwrap_or(false)) {
            bail!("{} would be written over", output.display());
        }
        taken.push(output);
    }
    Ok(())
}
