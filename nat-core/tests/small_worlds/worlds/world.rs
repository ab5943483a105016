//! A small engine with its clock, and the naive model beside it.

use core::hash::{Hash, Hasher};
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use std::collections::HashMap;

use nat_core::{Instant, Mapping, Nat, PortForward, SessionInfo, SessionProtocol, Side};

use super::action::{Action, Load, Number, Pause, Sending};
use super::modelled::{Model, Prediction};
pub(crate) use super::outcome::Outcome;
use super::outcome::{Effect, Report};
use super::packet::Packet;
use super::properties::{self, Arrival};
use super::routes::Routes;
use super::scenario::Scenario;
use super::visited::StateHasher;

/// The primary external address.
pub(crate) const N: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// Another one.
pub(crate) const N2: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// One that no world has, which the naive model may name.
pub(crate) const N3: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 3);

pub(crate) const fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

pub(crate) struct World {
    pub(crate) nat: Nat<'static>,
    pub(crate) now: Instant,
    /// The latest time that the engine has been given.
    pub(crate) engine_time: Instant,
    pub(crate) model: Option<Model>,
    /// The first fragments that were let through.
    routes: Routes,
    /// What is known of a session after its first packet, where that has fixed content.
    beginnings: HashMap<Beginning, u64>,
}

/// A first packet from inside: its load, and the port that it goes to.
type Beginning = (Load, u16);

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let now = scenario.start;
        let mut nat = scenario.engine();
        nat.handle_timeout(now);
        Self {
            nat,
            now,
            engine_time: now,
            model: scenario.model(),
            routes: Routes::default(),
            beginnings: HashMap::new(),
        }
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.nat.copy_from(&other.nat);
        (self.now, self.engine_time) = (other.now, other.engine_time);
        self.model.clone_from(&other.model);
        self.routes.clone_from(&other.routes);
    }

    /// The canonical form of the whole state, hashed. States of the same form are taken for one
    /// another: what follows is the same for both.
    pub(crate) fn canonical_hash(&self) -> u64 {
        let mut hasher = StateHasher::new();
        self.nat.hash_canonical(&mut hasher);
        (self.now.saturating_duration_since(self.engine_time)).hash(&mut hasher);
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
        let (effect, released, after) = match *action {
            Action::Send(sending) => self.send(scenario, &sending, &before)?,
            _ => {
                self.change(action)?;
                let after = self.live_sessions();
                properties::check_change(&self.nat, action, &before, &after)?;
                (Effect::Changed, 0, after)
            }
        };
        self.check_state()?;
        Ok(Report {
            effect,
            opened: count_missing(&after, &before),
            ended: count_missing(&before, &after),
            released,
        })
    }

    /// Checks what must hold in every state.
    fn check_state(&self) -> Result<(), String> {
        self.nat
            .audit()
            .map_err(|fault| format!("audit: {fault}"))?;
        properties::check_endpoints(overlaps(&self.nat), &self.sessions())?;
        if self.engine_time == self.now {
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
                (ends, s.is_static, s.expires_in)
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

    /// The sessions whose time is not up, whether or not the engine has been passed the time.
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
        sending: &Sending,
        before: &[SessionInfo],
    ) -> Result<(Effect, usize, Vec<SessionInfo>), String> {
        let Sending { from, load, .. } = *sending;
        let (packet, prediction) = self.packet(sending);
        let mut buffer = packet.clone();
        let verdict = self.nat.process(buffer.bytes_mut(), from, self.now);
        self.engine_time = self.now;
        let arrival = Arrival {
            scenario,
            nat: &self.nat,
            now: self.now,
            from,
            sent: packet.bytes(),
            verdict,
            buffer: buffer.bytes(),
        };
        let after = self.live_sessions();
        arrival.check(before, &after, &mut self.routes)?;
        let began = |session: &&SessionInfo| !before.iter().any(|b| properties::same(session, b));
        if let Some(begun) = after.iter().find(began) {
            self.check_begun(scenario, begun, load)?;
        }
        let released = self.release(from)?;
        let outcome = Outcome::of(&verdict, from, buffer.bytes());
        if let (Some(model), Some(prediction)) = (&mut self.model, &prediction) {
            model.conclude(prediction, &outcome)?;
        }
        Ok((Effect::of(&verdict, from), released, after))
    }

    /// Of a session that has just begun, the engine knows what the packet says that has begun it, as
    /// if nothing had been before.
    fn check_begun(
        &mut self,
        scenario: &Scenario,
        begun: &SessionInfo,
        load: Load,
    ) -> Result<(), String> {
        let is_plain = match load {
            Load::Meaning(what) => what.protocol() != SessionProtocol::Tcp,
            Load::Segment(number) => matches!(number, Number::Syn | Number::OtherSyn),
            Load::Error(_) | Load::Fragment(..) => false,
        };
        if !is_plain {
            return Ok(());
        }
        let expected = self
            .beginnings
            .entry((load, begun.remote.port()))
            .or_insert_with(|| scenario.beginning(load, begun.remote.port()));
        if known_of(&self.nat, begun) == *expected {
            Ok(())
        } else {
            Err(format!(
                "more or less than its first packet says is known of {begun:?}"
            ))
        }
    }

    /// The packet, and what the model expects of it.
    fn packet(&mut self, sending: &Sending) -> (Packet, Option<Prediction>) {
        if let (Some(model), Load::Meaning(what)) = (&mut self.model, sending.load) {
            let prediction = model.predict(sending, what);
            return (prediction.packet.clone(), Some(prediction));
        }
        let packet = sending.packet();
        (
            packet.expect("without a model, segments have fixed numbers"),
            None,
        )
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
            Action::Send(_) => return Ok(()),
            Action::Wait(pause) => return self.wait(pause),
            Action::SetAddresses(addresses) => {
                let set = self.nat.set_external_addresses(addresses, now);
                set.map_err(|error| error.to_string())?;
                self.with_model(|model| model.naive.set_addresses(addresses));
            }
            Action::AddForward(forward) => self.add_forward(&forward)?,
            Action::RemoveForward(forward) => self.remove_forward(&forward)?,
            Action::Clear => {
                self.nat.clear(now);
                self.with_model(|model| model.naive.clear());
            }
        }
        self.engine_time = now;
        // What is overdue ends now: changes by the application end nothing by their time.
        self.nat.handle_timeout(now);
        self.with_model(Model::forget_ended);
        Ok(())
    }

    fn add_forward(&mut self, forward: &PortForward) -> Result<(), String> {
        self.nat.handle_timeout(self.now);
        let added = self.nat.add_port_forward(*forward);
        let Some(model) = &mut self.model else {
            return Ok(());
        };
        let expected = model.naive.add_port_forward(forward);
        if added == expected {
            Ok(())
        } else {
            Err(format!("{added:?}, the model expects {expected:?}"))
        }
    }

    fn remove_forward(&mut self, forward: &PortForward) -> Result<(), String> {
        let removed = self.nat.remove_port_forward(forward, self.now);
        let model = self.model.as_mut();
        if model.is_none_or(|model| model.naive.remove_port_forward(forward) == removed) {
            Ok(())
        } else {
            Err(format!("removed: {removed}"))
        }
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
        self.engine_time = self.now;
        self.nat.handle_timeout(self.now);
        let next = self.nat.poll_timeout();
        if next.is_some_and(|next| next <= self.now) {
            return Err(format!("handle_timeout left work that was due at {next:?}"));
        }
        Ok(())
    }
}

/// How many sessions of one list are not in another.
fn count_missing(sessions: &[SessionInfo], other: &[SessionInfo]) -> usize {
    let missing = |session: &&SessionInfo| !other.iter().any(|o| properties::same(session, o));
    sessions.iter().filter(missing).count()
}

/// A hash of all that the engine knows of a session.
pub(crate) fn known_of(nat: &Nat<'_>, session: &SessionInfo) -> u64 {
    let mut hasher = StateHasher::new();
    let ends = [session.inside, session.remote];
    nat.hash_sessions_between(session.protocol, ends, &mut hasher);
    hasher.finish()
}

fn overlaps(nat: &Nat<'_>) -> bool {
    nat.config().mapping == Mapping::AddressAndPortDependent
}
