//! `replay`: processes captures with the NAT. Their timestamps are the clock.

mod capture;
mod direction;
mod input;
mod inputs;
mod lan;
mod link;
mod link_type;
mod output;
mod outputs;
mod recorder;
mod tally;
mod translations;
mod verdict_lines;

use core::time::Duration;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use nat_core::{
    Config, Fragmenter, Fragments, Instant, MAX_HELD_LEN, Nat, Quarantine, Reply, Seed, Side,
    Tables, Verdict, Width,
};
use static_cell::ConstStaticCell;

use crate::cli::{ReplayOptions, refusal};
use crate::engine::{self, FRAGMENTED, FREED, HELD, TablesTask};
use crate::report;
use direction::Addresses;
use input::Packet;
use inputs::Inputs;
use outputs::Outputs;
use recorder::Recorder;
use translations::{Endpoints, Translations};

pub(crate) use lan::{Networks, networks};
pub(crate) use link::Mac;

static FRAGMENTS: ConstStaticCell<Fragments<FRAGMENTED, HELD>> =
    ConstStaticCell::new(Fragments::new());

/// Fixed, so that the same captures give the same translations.
const DEFAULT_SEED: Seed = Seed::new(*b"nat-host replay.");

/// Processes every packet of the input captures, and writes the requested outputs.
pub(crate) fn run(options: &ReplayOptions) -> Result<()> {
    let networks = networks(options)?;
    let task = ReplayTask { options, networks };
    engine::with_tables(options.nat.capacity()?, task)
}

struct ReplayTask<'a> {
    options: &'a ReplayOptions,
    networks: Networks,
}

impl TablesTask for ReplayTask<'_> {
    fn run<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, W: Width>(
        self,
        tables: &mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        quarantine: &mut Quarantine<FREED, W>,
    ) -> Result<()> {
        let Self { options, networks } = self;
        let config = options.config(networks)?;
        // Errors of the configuration are reported before a file is touched.
        let mut check = new_nat(options, &mut *tables, config.clone())?;
        options.nat.add_forwards(&mut check)?;
        let inputs = Inputs::open(options, addresses(networks, &config))?;
        refuse_overwriting(options)?;
        let outputs = Outputs::create(options)?;
        let mut recorder = options
            .mapping_log
            .as_deref()
            .map(Recorder::create)
            .transpose()?;
        let nat = new_nat(options, tables, config)?;
        let mut nat = nat
            .with_fragments(FRAGMENTS.take())
            .with_quarantine(quarantine);
        if let Some(recorder) = &mut recorder {
            nat.set_event_hook(recorder);
        }
        options.nat.add_forwards(&mut nat)?;
        let replay = Replay {
            nat,
            outputs,
            translations: Translations::new(networks.wan.address()),
        };
        let (summary, result) = replay.run(inputs)?;
        recorder.map_or(Ok(()), Recorder::finish)?;
        print_summary(options, &summary)?;
        result
    }
}

fn new_nat<'t, const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, W: Width>(
    options: &ReplayOptions,
    tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
    config: Config,
) -> Result<Nat<'t, W>> {
    let seed = options.nat.seed().unwrap_or(DEFAULT_SEED);
    Nat::new(tables, config, seed).map_err(refusal)
}

fn print_summary(options: &ReplayOptions, summary: &str) -> Result<()> {
    let capacity = options.nat.capacity()?;
    // A closed standard output is no error: the files are written.
    let _ = writeln!(io::stdout(), "tables: {capacity}\n\n{summary}");
    Ok(())
}

/// The addresses by which packets of the captures are assigned to a side.
fn addresses(networks: Networks, config: &Config) -> Addresses {
    let external = config.external_addresses.iter().copied().collect();
    Addresses {
        lan: networks.hosts,
        router: networks.lan.address(),
        external,
    }
}

/// A running replay.
struct Replay<'t, W: Width> {
    nat: Nat<'t, W>,
    outputs: Outputs,
    translations: Translations,
}

impl<W: Width> Replay<'_, W> {
    /// Processes every packet. Returns the summary, and the error of a capture that could not be read
    /// to its end.
    fn run(mut self, mut inputs: Inputs) -> Result<(String, Result<()>)> {
        while let Some((input, packet)) = inputs.next() {
            if packet.truncated {
                self.outputs.truncated(&packet)?;
            } else {
                self.process(input.bytes_mut(), packet)?;
            }
            input.advance();
        }
        self.outputs.finish()?;
        let (captures, result) = inputs.finish();
        Ok((
            format!("{captures}\n\n{}", report::summary(&self.nat.stats())),
            result,
        ))
    }

    fn process(&mut self, bytes: &mut [u8], packet: Packet) -> Result<()> {
        let Packet { time, arrival, .. } = packet;
        let now = Instant::from_millis(u64::try_from(time.as_millis())?);
        self.run_timers(now)?;
        if arrival.to_host {
            self.translations.readdress(bytes);
        }
        let before = Endpoints::of(bytes).filter(|_| arrival.from == Side::Inside);
        let verdict = self.nat.process(bytes, arrival.from, now);
        self.outputs.verdict(time, arrival.from, &verdict)?;
        if let Verdict::Forward {
            to: Side::Outside, ..
        }
        | Verdict::Fragment {
            to: Side::Outside, ..
        } = verdict
        {
            self.translations.learn(before, bytes);
        }
        carry_out(verdict, bytes, arrival.from, time, &mut self.outputs)?;
        // Fragments that were held until this packet leave with it.
        let mut waiting = [0; MAX_HELD_LEN];
        while let Some(verdict) = self.nat.release(&mut waiting, now) {
            carry_out(verdict, &waiting, arrival.from, time, &mut self.outputs)?;
        }
        Ok(())
    }

    fn run_timers(&mut self, now: Instant) -> Result<()> {
        let mut done = None;
        while let Some(due) = self.nat.poll_timeout().filter(|due| *due <= now) {
            ensure!(
                done < Some(due),
                "the engine's timer at {} ms stays due: please report it",
                due.as_millis()
            );
            self.nat.handle_timeout(due);
            done = Some(due);
        }
        Ok(())
    }
}

fn carry_out(
    verdict: Verdict,
    packet: &[u8],
    from: Side,
    time: Duration,
    outputs: &mut Outputs,
) -> Result<()> {
    match verdict {
        Verdict::Forward { to, len, .. } => outputs.packet(
            to,
            time,
            packet.get(..len).context("verdict beyond packet")?,
        ),
        Verdict::Fragment { to, len, mtu, .. } => {
            let mut fragments =
                Fragmenter::new(packet.get(..len).context("verdict beyond packet")?, mtu);
            let mut buffer = vec![0; usize::from(mtu)];
            while let Some(len) = fragments.emit(&mut buffer) {
                outputs.packet(
                    to,
                    time,
                    buffer.get(..len).context("fragment beyond buffer")?,
                )?;
            }
            Ok(())
        }
        Verdict::Reject(reply) => {
            let mut answer = [0; Reply::MAX_LEN];
            let len = reply
                .emit(packet, &mut answer)
                .context("answer longer than its limit")?;
            outputs.packet(
                from,
                time,
                answer.get(..len).context("answer beyond buffer")?,
            )
        }
        Verdict::Drop(_) | Verdict::Hold | Verdict::Local { .. } => Ok(()),
    }
}

/// Rejects an output file that is also an input: it would be overwritten before it is read.
fn refuse_overwriting(options: &ReplayOptions) -> Result<()> {
    let outputs = [
        &options.lan_out,
        &options.wan_out,
        &options.json,
        &options.mapping_log,
    ]
    .into_iter()
    .flatten();
    let inputs = [&options.lan_in, &options.wan_in, &options.capture];
    let mut taken: Vec<&PathBuf> = inputs.into_iter().flatten().collect();
    // Devices such as /dev/null may be written more than once.
    for output in outputs.filter(|path| path.is_file() || !path.exists()) {
        if taken
            .iter()
            .any(|path| *path == output || same_file::is_same_file(path, output).unwrap_or(false))
        {
            bail!("{} would be overwritten", output.display());
        }
        taken.push(output);
    }
    Ok(())
}
