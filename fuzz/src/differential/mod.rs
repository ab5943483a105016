//! What leaves against what should: etherparse reads the packet that came in, the list of sessions
//! says what its ends become, and smoltcp writes that into a copy and sums it from scratch. The
//! copy and what left must be equal, byte for byte, and both parsers must take it.
//!
//! Inputs are scripts, as for [`crate::packet`].
//!
//! Not compared: the identification of what may be fragmented, which is drawn; the address of a
//! later fragment, which shows no port to look up, and so is only known to be one of those that are
//! possible; checksums that were wrong before.

mod expected;
mod lookup;

use nat_core::{Fragmenter, Fragments, Instant, Nat, Side, Tables, Verdict};

use crate::script::{Entry, Kind, Last, Script};
use crate::{packet, reference, word};
use expected::Path;
use lookup::Lookup;

/// Runs the script in `data`, and returns what became of each packet.
pub fn run(data: &[u8]) -> Vec<String> {
    let Some((&options, data)) = data.split_first() else {
        return Vec::new();
    };
    let (mut tables, mut fragments) = (Tables::new(), Fragments::new());
    let nat = packet::nat(&mut tables, &mut fragments, options);
    let mut run = Run {
        nat,
        now: Instant::from_secs(1),
        last: None,
    };
    Script::new(data)
        .filter_map(|entry| run.step(&entry))
        .map(|verdict| word(&verdict))
        .collect()
}

struct Run<'t> {
    nat: Nat<'t>,
    now: Instant,
    last: Last,
}

impl Run<'_> {
    fn step(&mut self, entry: &Entry<'_>) -> Option<Verdict> {
        let (sent, from) = entry.packet(&self.last)?;
        self.now = entry.time_after(self.now);
        if entry.fires_timers {
            self.nat.handle_timeout(self.now);
        }
        let mut lookup = Lookup::default();
        lookup.note(&self.nat);
        let mut buffer = sent.clone();
        let verdict = match entry.kind {
            Kind::Local => self.nat.process_local(&mut buffer, self.now),
            Kind::Answer | Kind::Error | Kind::From(_) => {
                self.nat.process(&mut buffer, from, self.now)
            }
        };
        lookup.note(&self.nat);
        assert_eq!(
            self.nat.audit(),
            Ok(()),
            "what is not as it should be in the tables"
        );
        let local = entry.kind == Kind::Local;
        match verdict {
            Verdict::Forward { to, len, .. } | Verdict::Fragment { to, len, .. } => {
                buffer.truncate(len);
                let path = Path::of(local, from, to);
                expected::check(&lookup, path, &sent, &buffer);
                check_fragments(&verdict, &buffer);
                self.last = Some((buffer, to));
            }
            Verdict::Local { len, side } => {
                // A ping of a host to an external address is the router's as it is.
                let translated = side == Side::Outside && (local || from == Side::Outside);
                let path = if translated {
                    Path::ToRouter
                } else {
                    Path::Untouched
                };
                expected::check(&lookup, path, &sent, &buffer[..len]);
            }
            Verdict::Drop(_) | Verdict::Hold | Verdict::Reject(_) => assert_eq!(sent, buffer),
        }
        Some(verdict)
    }
}

/// Fragmenter that smoltcp takes for fragments of this datagram, side by side.
fn check_fragments(verdict: &Verdict, datagram: &[u8]) {
    let Verdict::Fragment { mtu, .. } = *verdict else {
        return;
    };
    let mut fragmenter = Fragmenter::new(datagram, mtu);
    let (mut fragment, mut payload) = ([0; 1500], Vec::new());
    let start = reference::fragment_offset(datagram);
    while let Some(len) = fragmenter.emit(&mut fragment) {
        assert!(
            len <= usize::from(mtu),
            "a fragment of {len} bytes for an MTU of {mtu}"
        );
        assert_eq!(
            reference::fragment_offset(&fragment[..len]),
            start + payload.len(),
            "fragments side by side"
        );
        payload.extend_from_slice(reference::check_ipv4(&fragment[..len]));
    }
    assert_eq!(
        payload,
        reference::check_ipv4(datagram),
        "fragments carry what the datagram does"
    );
}
