//! What hosts inside are told about packets that go no further.

use crate::packet::Summary;
use crate::policy::Ends;
use crate::reply::{Error, Reply};
use crate::state::Origin;
use crate::table::Width;
use crate::wire::ipv4;
use crate::{DropReason, ExhaustionError, Nat, Verdict};

impl<W: Width> Nat<'_, W> {
    /// Refuses a session for want of room, ports or leave.
    pub(super) fn refuse_session(&mut self, ip: &ipv4::Header, origin: Origin, reason: DropReason) -> Verdict {
        match self.config.exhaustion_error {
            ExhaustionError::AdministrativelyProhibited => {
                self.refuse(ip, origin, reason, Error::AdministrativelyProhibited)
            }
            ExhaustionError::HostUnreachable => self.refuse(ip, origin, reason, Error::HostUnreachable),
            ExhaustionError::None => Verdict::Drop(reason),
        }
    }

    /// A RST for a segment from inside that belongs to no session.
    pub(super) fn reset(&mut self, summary: &Summary) -> Verdict {
        let Summary { source, destination, .. } = summary;
        let ports = [source.port, destination.port];
        let ends = Ends { source: source.address, destination: destination.address, ports };
        if self.reset_limit.take(self.flows.key(), ends, self.now) {
            Verdict::Reject(Reply::reset(DropReason::NoSession, source.address))
        } else {
            self.withhold(DropReason::NoSession)
        }
    }

    /// The silent drop of a packet whose answer is beyond its limit.
    pub(super) fn withhold(&mut self, reason: DropReason) -> Verdict {
        self.stats.answers_withheld = self.stats.answers_withheld.wrapping_add(1);
        Verdict::Drop(reason)
    }
}
