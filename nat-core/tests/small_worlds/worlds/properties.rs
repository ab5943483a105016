//! What must never happen, in the words of the RFCs. It is judged by what goes in and comes out, and
//! by the list of sessions before and after.

use core::net::SocketAddrV4;

use nat_core::{Filtering, Instant, Nat, PortForward, SessionInfo, SessionState, Side, Verdict};

use super::action::Action;
use super::packet::{Headers, checksums_hold, quote};
use super::routes::Routes;
use super::scenario::{HOSTS, PORTS, Scenario};

/// A packet that has been processed.
pub(crate) struct Arrival<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) nat: &'a Nat<'static>,
    pub(crate) now: Instant,
    pub(crate) from: Side,
    pub(crate) sent: &'a [u8],
    pub(crate) verdict: Verdict,
    pub(crate) buffer: &'a [u8],
}

type Checked = Result<(), String>;

fn ensure(holds: bool, fault: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(fault()) }
}

/// Whether both are the same session.
pub(crate) fn same(one: &SessionInfo, other: &SessionInfo) -> bool {
    let key = |s: &SessionInfo| (s.protocol, s.inside, s.external, s.remote);
    key(one) == key(other)
}

/// Whether both ends have agreed to a session, or talk without TCP.
fn is_established(session: &SessionInfo) -> bool {
    use SessionState::{Established, InsideFin, OutsideFin};
    matches!(session.state, Established | InsideFin | OutsideFin)
}

/// Two inside endpoints never have one external endpoint; where ports overlap, not toward one remote
/// endpoint.
pub(crate) fn check_endpoints(overlapping: bool, sessions: &[SessionInfo]) -> Checked {
    for (number, one) in sessions.iter().enumerate() {
        for other in &sessions[number + 1..] {
            let alike = (one.protocol, one.external) == (other.protocol, other.external)
                && (!overlapping || one.remote == other.remote);
            ensure(!alike || one.inside == other.inside, || {
                format!("one external endpoint for two: {one:?}, {other:?}")
            })?;
        }
    }
    Ok(())
}

/// Time ends the sessions whose time is up, and no other. What the application changes ends only the
/// sessions that it concerns: with the primary address, port forwards move.
pub(crate) fn check_change(
    nat: &Nat<'_>,
    action: &Action,
    before: &[SessionInfo],
    after: &[SessionInfo],
) -> Checked {
    let concerns = |session: &SessionInfo| match action {
        Action::Send(_) => false,
        Action::Wait(_) => !after.iter().any(|other| same(session, other)),
        Action::SetAddresses(addresses) => {
            !addresses.contains(session.external.ip())
                || nat.port_forwards().any(|forward| meets(&forward, session))
        }
        Action::AddForward(forward) | Action::RemoveForward(forward) => meets(forward, session),
        Action::Clear => true,
    };
    for session in before {
        let found = after.iter().find(|other| same(session, other));
        let unchanged = found.is_some_and(|other| {
            (session.state, session.expires_at) == (other.state, other.expires_at)
        });
        ensure(unchanged || concerns(session), || {
            format!("{action:?} has changed {session:?} to {found:?}")
        })?;
    }
    let new = after.iter().find(|s| !before.iter().any(|b| same(s, b)));
    ensure(new.is_none(), || format!("{action:?} has begun {new:?}"))
}

/// Whether a port forward has the external port of a session, or its inside endpoint.
fn meets(forward: &PortForward, session: &SessionInfo) -> bool {
    session.external.port() == forward.external_port
        || session.inside == SocketAddrV4::new(forward.inside_address, forward.inside_port)
}

/// A held fragment leaves as its first did.
pub(crate) fn check_released(
    nat: &Nat<'_>,
    from: Side,
    verdict: &Verdict,
    buffer: &[u8],
) -> Checked {
    let Verdict::Forward { to, len, .. } = *verdict else {
        return ensure(matches!(verdict, Verdict::Drop(_)), || {
            format!("a held fragment got {verdict:?}")
        });
    };
    let packet = &buffer[..len];
    ensure(checksums_hold(packet), || "a checksum is wrong".into())?;
    let out = Headers::of(packet, from).ok_or("no packet came out")?;
    match to {
        Side::Outside => check_translated(nat, packet, &out),
        Side::Inside => ensure(HOSTS.contains(out.destination.ip()), || {
            format!("a held fragment went to {}", out.destination)
        }),
    }
}

/// Nothing leaves untranslated: the source is external, and no byte tells an inside address.
fn check_translated(nat: &Nat<'_>, packet: &[u8], out: &Headers) -> Checked {
    let source = *out.source.ip();
    ensure(nat.external_addresses().contains(&source), || {
        format!("it left from {source}")
    })?;
    let tells = |octets: &[u8]| HOSTS.iter().any(|host| host.octets() == octets);
    ensure(!packet.windows(4).any(tells), || {
        format!("an inside address left: {packet:02x?}")
    })
}

impl Arrival<'_> {
    pub(crate) fn check(
        &self,
        before: &[SessionInfo],
        after: &[SessionInfo],
        routes: &mut Routes,
    ) -> Checked {
        let sent = Headers::of(self.sent, self.from).ok_or("no packet went in")?;
        let checked = match self.verdict {
            Verdict::Forward { to, len, .. } => {
                self.check_forwarded(&sent, (to, len), (before, after), routes)
            }
            Verdict::Fragment { .. } => Err("no packet is too large".into()),
            Verdict::Drop(_) | Verdict::Reject(_) | Verdict::Hold | Verdict::Local { .. } => {
                self.check_refused(&sent, before, after)
            }
        };
        checked.map_err(|fault| format!("{fault}\n{sent:?}: {:?}", self.verdict))
    }

    /// A packet that is not forwarded changes nothing: neither itself nor a session.
    fn check_refused(
        &self,
        sent: &Headers,
        before: &[SessionInfo],
        after: &[SessionInfo],
    ) -> Checked {
        ensure(self.sent == self.buffer, || {
            "a refused packet was changed".into()
        })?;
        ensure(before == after, || {
            format!("a refused packet has changed {before:#?} to {after:#?}")
        })?;
        self.check_quota(sent, before)
    }

    /// A host that has no session gets one where a slot is reserved for it, whatever other hosts
    /// have.
    fn check_quota(&self, sent: &Headers, before: &[SessionInfo]) -> Checked {
        let host = sent.source.ip();
        let has_none = !before.iter().any(|session| session.inside.ip() == host);
        let entitled = self.scenario.reserves
            && self.from == Side::Inside
            && sent.may_open()
            && !self
                .nat
                .external_addresses()
                .contains(sent.destination.ip());
        ensure(!(entitled && has_none), || {
            format!("{host} was refused its first session beside {before:#?}")
        })
    }

    fn check_forwarded(
        &self,
        sent: &Headers,
        (to, len): (Side, usize),
        (before, after): (&[SessionInfo], &[SessionInfo]),
        routes: &mut Routes,
    ) -> Checked {
        let packet = self.buffer.get(..len).ok_or("it is longer than it was")?;
        ensure(checksums_hold(packet), || "a checksum is wrong".into())?;
        let out = Headers::of(packet, self.from).ok_or("no packet came out")?;
        ensure(out.ttl + 1 == sent.ttl, || {
            format!("its TTL is {}", out.ttl)
        })?;
        match (self.from, to) {
            (Side::Inside, Side::Outside) => self.check_out(sent, &out, packet, after)?,
            (Side::Outside, Side::Inside) => self.check_in(sent, &out, before, routes)?,
            (Side::Inside, Side::Inside) => self.check_hairpin(sent, &out, (before, after))?,
            (Side::Outside, Side::Outside) => return Err("it went back".into()),
        }
        if sent.is_first_fragment {
            routes.add(self.from, sent, self.now);
        }
        if sent.is_later_fragment {
            ensure(routes.has(self.from, sent, self.now), || {
                "a later fragment passed without its first".into()
            })?;
        }
        self.check_syn(sent, after)?;
        self.check_sessions(sent, &out, before, after)
    }

    /// A SYN from inside that goes on opens its connection, or belongs to an open one.
    fn check_syn(&self, sent: &Headers, after: &[SessionInfo]) -> Checked {
        use SessionState::{Closing, Reset};
        let own = after.iter().find(|session| is_senders(session, sent));
        let open = own.is_some_and(|session| !matches!(session.state, Closing | Reset));
        ensure(!sent.is_syn || self.from == Side::Outside || open, || {
            format!("a SYN went on, and its session is {own:?}")
        })
    }

    fn check_out(
        &self,
        sent: &Headers,
        out: &Headers,
        packet: &[u8],
        after: &[SessionInfo],
    ) -> Checked {
        check_translated(self.nat, packet, out)?;
        ensure(out.destination == sent.destination, || {
            format!("it went to {}", out.destination)
        })?;
        if sent.is_later_fragment || sent.is_error {
            return Ok(());
        }
        let own = after.iter().find(|session| is_senders(session, sent));
        let mapped = own.or_else(|| {
            after
                .iter()
                .find(|s| (s.protocol, s.inside) == (sent.protocol, sent.source))
        });
        let external = mapped.map_or(out.source, |session| session.external);
        ensure(out.source == external, || {
            format!("it left from {}, its session from {external}", out.source)
        })?;
        let forwarded = |port| (self.nat.port_forwards()).any(|f| f.external_port == port);
        let port = out.source.port();
        ensure(PORTS.contains(&port) || forwarded(port), || {
            format!("it left from port {port}")
        })?;
        Ok(())
    }

    /// Nothing unsolicited comes in.
    fn check_in(
        &self,
        sent: &Headers,
        out: &Headers,
        before: &[SessionInfo],
        routes: &Routes,
    ) -> Checked {
        ensure(out.source == sent.source, || {
            format!("it came from {}", out.source)
        })?;
        ensure(HOSTS.contains(out.destination.ip()), || {
            format!("it went to {}", out.destination)
        })?;
        if sent.is_error {
            return self.check_error_in(before);
        }
        if sent.is_later_fragment {
            return ensure(routes.has(self.from, sent, self.now), || {
                "a later fragment came in without its first".into()
            });
        }
        let solicited = before.iter().any(|session| {
            (session.protocol, session.external, session.inside)
                == (sent.protocol, sent.destination, out.destination)
                && self.lets_in(session, sent.source)
        });
        ensure(solicited || self.is_forwarded(sent, out), || {
            format!(
                "it was let in unsolicited, to {}: {before:#?}",
                out.destination
            )
        })
    }

    /// RFC 4787 section 5: whether a session lets a remote endpoint send to its mapping.
    fn lets_in(&self, session: &SessionInfo, remote: SocketAddrV4) -> bool {
        match self.scenario.mode.filtering() {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => session.remote.ip() == remote.ip(),
            Filtering::AddressAndPortDependent => session.remote == remote,
        }
    }

    fn is_forwarded(&self, sent: &Headers, out: &Headers) -> bool {
        let primary = self.nat.external_addresses().first();
        self.nat.port_forwards().any(|forward| {
            let target = SocketAddrV4::new(forward.inside_address, forward.inside_port);
            primary == Some(sent.destination.ip())
                && forward.external_port == sent.destination.port()
                && target == out.destination
        })
    }

    /// An ICMP error comes in only if it is about a packet of a session (RFC 5508 REQ-4).
    fn check_error_in(&self, before: &[SessionInfo]) -> Checked {
        let quoted =
            Headers::of(quote(self.buffer), Side::Inside).ok_or("the quote has no headers")?;
        let known = before.iter().any(|session| {
            (session.protocol, session.inside, session.remote)
                == (quoted.protocol, quoted.source, quoted.destination)
        });
        ensure(known, || {
            format!("an error about no session came in: {quoted:?}")
        })
    }

    /// A hairpinned packet goes to an inside endpoint that has the external endpoint it was sent to,
    /// before and after (RFC 4787 REQ-9).
    fn check_hairpin(
        &self,
        sent: &Headers,
        out: &Headers,
        (before, after): (&[SessionInfo], &[SessionInfo]),
    ) -> Checked {
        ensure(
            self.nat.external_addresses().contains(out.source.ip()),
            || format!("the receiver sees {}", out.source),
        )?;
        if sent.is_later_fragment || sent.is_error || self.is_forwarded(sent, out) {
            return Ok(());
        }
        let to = (sent.protocol, sent.destination, out.destination);
        let mapped = [before, after]
            .map(|sessions| (sessions.iter()).any(|s| (s.protocol, s.external, s.inside) == to));
        ensure(mapped == [true; 2], || {
            format!("{} is mapped: {mapped:?} before and after", out.destination)
        })
    }

    /// A packet changes only the sessions of its ends. From inside it may begin one, and evict one of
    /// the same host that is not established. ICMP errors and later fragments change none.
    fn check_sessions(
        &self,
        sent: &Headers,
        out: &Headers,
        before: &[SessionInfo],
        after: &[SessionInfo],
    ) -> Checked {
        if sent.is_error || sent.is_later_fragment {
            return ensure(before == after, || format!("{before:#?} became {after:#?}"));
        }
        let mut evicted = 0;
        for session in before {
            match after.iter().find(|other| same(session, other)) {
                Some(now) => ensure(self.concerns(session, sent, out) || session == now, || {
                    format!("it has changed {session:?} to {now:?}")
                })?,
                None => {
                    evicted += 1;
                    self.check_evicted(session, sent, (out, before))?;
                }
            }
        }
        ensure(evicted <= 1, || format!("it has ended {evicted} sessions"))?;
        let began = |session: &&SessionInfo| !before.iter().any(|other| same(session, other));
        for session in after.iter().filter(began) {
            let own = self.from == Side::Inside && is_senders(session, sent);
            ensure(own, || format!("it has begun {session:?}"))?;
        }
        Ok(())
    }

    /// Neither end of a hairpinned packet loses the session that the packet belongs to. A sender that
    /// had no external endpoint yet has no such session: it may draw the port of one that has ended.
    fn check_evicted(
        &self,
        session: &SessionInfo,
        sent: &Headers,
        (out, before): (&Headers, &[SessionInfo]),
    ) -> Checked {
        let senders_host = self.from == Side::Inside && session.inside.ip() == sent.source.ip();
        let was_known = before.iter().any(|s| {
            (s.protocol, s.inside, s.external) == (sent.protocol, sent.source, out.source)
        });
        let belongs = was_known && self.concerns(session, sent, out);
        ensure(senders_host && !belongs && !is_established(session), || {
            format!("it has evicted {session:?}")
        })
    }

    fn concerns(&self, session: &SessionInfo, sent: &Headers, out: &Headers) -> bool {
        let receivers = |remote: SocketAddrV4| {
            (session.protocol, session.external, session.remote)
                == (sent.protocol, sent.destination, remote)
        };
        match self.from {
            Side::Inside => is_senders(session, sent) || receivers(out.source),
            Side::Outside => receivers(sent.source),
        }
    }
}

fn is_senders(session: &SessionInfo, sent: &Headers) -> bool {
    (session.protocol, session.inside, session.remote)
        == (sent.protocol, sent.source, sent.destination)
}
