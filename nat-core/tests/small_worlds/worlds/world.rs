//! A small engine with its clock, and the naive model beside it.

use core::hash::{Hash, Hasher};
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{DropReason, Instant, Nat, SessionInfo, Side, Verdict};

use super::action::{Action, Load, Pause};
use super::modelled::{Model, Prediction};
use super::packet::{Headers, Packet};
use super::properties::{self, Arrival, Routes};
use super::scenario::Scenario;
use super::visited::StateHasher;
use super::what::What;

/// The primary external address.
pub(crate) const N: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// Another one.
pub(crate) const N2: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// One that no world has, which the naive model may name.
pub(crate) const N3: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 3);

pub(crate) const fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Forwarded(Headers),
    Dropped(DropReason),
    Rejected(DropReason, ()),
    Held,
    Local,
}

/// What a step did, for the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Out,
    In,
    Hairpin,
    Dropped,
    Answered,
    Held,
    Local,
    /// Time passed, or the application changed something.
    Changed,
}

/// What a step did, with how many sessions began and ended, and how many held fragments left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) effect: Effect,
    pub(crate) opened: usize,
    pub(crate) ended: usize,
    pub(crate) released: usize,
}

pub(crate) struct World {
    pub(crate) nat: Nat<'static>,
    pub(crate) now: Instant,
    /// The latest time that the engine has been given.
    pub(crate) told: Instant,
    pub(crate) model: Option<Model>,
    /// The first fragments that were let through.
    routes: Routes,
}

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let now = scenario.start;
        let mut nat = scenario.engine();
        nat.handle_timeout(now);
        Self {
            nat,
            now,
            told: now,
            model: scenario.model(),
            routes: Routes::default(),
        }
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.nat.copy_from(&other.nat);
        (self.now, self.told) = (other.now, other.told);
        self.model.clone_from(&other.model);
        self.routes.clone_from(&other.routes);
    }

    /// The canonical form of the whole state, hashed. States of the same form are taken for one
    /// another: what follows is the same for both.
    pub(crate) fn canonical_hash(&self) -> u64 {
        let mut hasher = StateHasher::new();
        self.nat.hash_canonical(&mut hasher);
        (self.now.saturating_duration_since(self.told)).hash(&mut hasher);
        self.routes.hash_canonical(self.now, &mut hasher);
        if let Some(model) = &self.model {
            model.hash_canonical(&mut hasher);
        }
        hasher.finish()
    }

    /// Performs `action`, with external ports drawn from `draw` on, and checks all that must hold
    /// after it. The error says what does not.
    pub(crate) fn perform(
        &mut self,
        scenario: &Scenario,
        action: &Action,
        draw: u64,
    ) -> Result<Report, String> {
        self.nat.draw_ports_from(draw);
        let before = self.live_sessions();
        let (effect, released) = match *action {
            Action::Send {
                from,
                source,
                destination,
                load,
            } => self.send(scenario, from, (source, destination), load)?,
            _ => {
                self.change(action)?;
                let after = self.live_sessions();
                properties::check_change(action, &before, &after)?;
                (Effect::Changed, 0)
            }
        };
        self.check_state()?;
        let after = self.live_sessions();
        let missing = |from: &[SessionInfo], of: &[SessionInfo]| {
            let gone = |info: &&SessionInfo| !of.iter().any(|other| properties::same(info, other));
            from.iter().filter(gone).count()
        };
        Ok(Report {
            effect,
            opened: missing(&after, &before),
            ended: missing(&before, &after),
            released,
        })
    }

    /// Checks what must hold in every state.
    fn check_state(&self) -> Result<(), String> {
        self.nat
            .audit()
            .map_err(|fault| format!("audit: {fault}"))?;
        properties::check_endpoints(scenario_overlaps(&self.nat), &self.sessions())?;
        if self.told == self.now {
            self.check_timeout()?;
            self.compare_with_model()?;
        }
        Ok(())
    }

    /// The engine asks to be woken for the session that ends first, and for nothing else.
    fn check_timeout(&self) -> Result<(), String> {
        let first = self.nat.sessions().map(|session| session.expires_at).min();
        let due = self.nat.poll_timeout();
        if due == first {
            Ok(())
        } else {
            Err(format!(
                "poll_timeout is {due:?}, the first session ends at {first:?}"
            ))
        }
    }

    fn compare_with_model(&self) -> Result<(), String> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let mut sessions = self.sessions();
        sessions.sort_by_key(|s| (s.protocol as u8, s.inside, s.external, s.remote));
        let engine: Vec<_> = sessions
            .iter()
            .map(|s| {
                let ends = (s.protocol as u8, s.inside, s.external, s.remote, s.state);
                (ends, s.port_forward, s.expires_in)
            })
            .collect();
        let model = model.naive.sessions();
        if engine == model {
            Ok(())
        } else {
            Err(format!("the engine has {engine:#?}\nthe model {model:#?}"))
        }
    }

    pub(crate) fn sessions(&self) -> Vec<SessionInfo> {
        self.nat.sessions().collect()
    }

    /// The sessions whose time is not up, whether or not the engine has been told the time.
    fn live_sessions(&self) -> Vec<SessionInfo> {
        let mut sessions = self.sessions();
        sessions.retain(|session| session.expires_at > self.now);
        for session in &mut sessions {
            session.expires_in = session.expires_at.saturating_duration_since(self.now);
        }
        sessions
    }

    fn send(
        &mut self,
        scenario: &Scenario,
        from: Side,
        (source, destination): (SocketAddrV4, SocketAddrV4),
        load: Load,
    ) -> Result<(Effect, usize), String> {
        let (packet, prediction) = self.packet(from, (source, destination), load);
        let before = self.live_sessions();
        let mut buffer = packet.clone();
        let verdict = self.nat.process(buffer.bytes_mut(), from, self.now);
        self.told = self.now;
        let arrival = Arrival {
            scenario,
            nat: &self.nat,
            now: self.now,
            from,
            sent: packet.bytes(),
            verdict,
            buffer: buffer.bytes(),
        };
        arrival.check(&before, &self.live_sessions(), &mut self.routes)?;
        let released = self.release(from)?;
        let outcome = outcome(&verdict, from, buffer.bytes());
        if let (Some(model), Some(prediction)) = (&mut self.model, &prediction) {
            model.conclude(prediction, &outcome)?;
        }
        Ok((effect(&verdict, from), released))
    }

    /// The packet, and what the model expects of it.
    fn packet(
        &mut self,
        from: Side,
        (source, destination): (SocketAddrV4, SocketAddrV4),
        load: Load,
    ) -> (Packet, Option<Prediction>) {
        let ends = (source, destination);
        let packet = match load {
            Load::Meaning(what) => {
                if let Some(model) = &mut self.model {
                    let prediction = model.predict(from, ends, what);
                    return (prediction.packet.clone(), Some(prediction));
                }
                match what {
                    What::Udp => Packet::udp(source, destination, b"question"),
                    What::OtherUdp => Packet::udp(source, destination, b"another"),
                    What::Echo => Packet::echo(source, destination, from),
                    _ => unreachable!("without a model, segments have fixed numbers"),
                }
            }
            Load::Segment(number) => Packet::tcp(source, destination, number.segment()),
            Load::Error(protocol) => {
                let quoted = match protocol {
                    nat_core::SessionProtocol::Udp => Packet::udp(destination, source, b"question"),
                    _ => Packet::tcp(destination, source, super::action::Number::Data.segment()),
                };
                Packet::error_about(*source.ip(), &quoted)
            }
            Load::Fragment(part, id) => Packet::fragment(source, destination, part, id),
        };
        (packet, None)
    }

    /// Takes the fragments that have waited for the last packet. Returns how many.
    fn release(&mut self, from: Side) -> Result<usize, String> {
        let mut released = 0;
        let mut buffer = [0; 160];
        while let Some(verdict) = self.nat.release(&mut buffer, self.now) {
            released += 1;
            properties::check_released(&self.nat, from, &verdict, &buffer)?;
        }
        Ok(released)
    }

    fn change(&mut self, action: &Action) -> Result<(), String> {
        let now = self.now;
        match *action {
            Action::Send { .. } => return Ok(()),
            Action::Wait(pause) => return self.wait(pause),
            Action::SetAddresses(addresses) => {
                let set = self.nat.set_external_addresses(addresses, now);
                set.map_err(|error| error.to_string())?;
                self.with_model(|model| model.naive.set_addresses(addresses));
            }
            Action::AddForward(forward) => {
                self.nat.handle_timeout(now);
                let added = self.nat.add_port_forward(forward);
                if let Some(model) = &mut self.model {
                    let expected = model.naive.add_port_forward(&forward);
                    if added != expected {
                        return Err(format!("{added:?}, the model expects {expected:?}"));
                    }
                }
            }
            Action::RemoveForward(forward) => {
                let removed = self.nat.remove_port_forward(&forward, now);
                if let Some(model) = &mut self.model
                    && model.naive.remove_port_forward(&forward) != removed
                {
                    return Err(format!("removed: {removed}"));
                }
            }
            Action::Clear => {
                self.nat.clear(now);
                self.with_model(|model| model.naive.clear());
            }
        }
        self.told = now;
        // What is overdue ends now: changes by the application end nothing by their time.
        self.nat.handle_timeout(now);
        self.with_model(Model::forget_ended);
        Ok(())
    }

    fn with_model(&mut self, change: impl FnOnce(&mut Model)) {
        if let Some(model) = &mut self.model {
            change(model);
        }
    }

    fn wait(&mut self, pause: Pause) -> Result<(), String> {
        const MILLISECOND: Duration = Duration::from_millis(1);
        let due = self.nat.poll_timeout();
        let until_due = due.map_or(Duration::ZERO, |due| {
            due.saturating_duration_since(self.now)
        });
        let duration = match pause {
            Pause::JustBeforeTimeout => until_due.saturating_sub(MILLISECOND),
            Pause::Timeout | Pause::TimeoutUnnoticed => until_due,
            Pause::For(duration) => duration,
        };
        self.now = self.now.saturating_add(duration);
        self.with_model(|model| {
            model.naive.wait(duration);
            model.forget_ended();
        });
        if pause == Pause::TimeoutUnnoticed {
            return Ok(());
        }
        self.told = self.now;
        self.nat.handle_timeout(self.now);
        let next = self.nat.poll_timeout();
        if next.is_some_and(|next| next <= self.now) {
            return Err(format!("handle_timeout left work that was due at {next:?}"));
        }
        Ok(())
    }
}

fn scenario_overlaps(nat: &Nat<'_>) -> bool {
    nat.config().mapping == nat_core::Mapping::AddressAndPortDependent
}

fn outcome(verdict: &Verdict, from: Side, buffer: &[u8]) -> Outcome {
    match verdict {
        Verdict::Drop(reason) => Outcome::Dropped(*reason),
        Verdict::Reject(reply) => Outcome::Rejected(reply.reason(), ()),
        Verdict::Hold => Outcome::Held,
        Verdict::Local { .. } => Outcome::Local,
        Verdict::Forward { len, .. } | Verdict::Fragment { len, .. } => {
            Headers::of(&buffer[..*len], from).map_or(Outcome::Local, Outcome::Forwarded)
        }
    }
}

fn effect(verdict: &Verdict, from: Side) -> Effect {
    match verdict {
        Verdict::Drop(_) => Effect::Dropped,
        Verdict::Reject(_) => Effect::Answered,
        Verdict::Hold => Effect::Held,
        Verdict::Local { .. } => Effect::Local,
        Verdict::Forward { to, .. } | Verdict::Fragment { to, .. } => match (from, to) {
            (_, Side::Outside) => Effect::Out,
            (Side::Inside, Side::Inside) => Effect::Hairpin,
            (Side::Outside, Side::Inside) => Effect::In,
        },
    }
}
