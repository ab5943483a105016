//! The fast path of packets from inside that begin a session and its mapping.
//!
//! It leaves out the slow path's ways for packets that are not plain. What a session needs, and
//! whether it may begin, is decided and committed as there.

use crate::state::tcp::Tcp;
use crate::state::{Inside, InsideTuple, Origin, Proto};
use crate::table::Width;
use crate::translate::fast_header::{FastHeader, Halfword};
use crate::{Nat, Side, Verdict};

use crate::nat::admit::Received;
use crate::nat::view::View;

impl<W: Width> Nat<'_, W> {
    /// Begins the session of a translated packet from inside that has no mapping. `None` if the
    /// packet is not plain; then nothing has changed.
    #[inline(never)]
    pub(super) fn fast_opening<H: Halfword>(
        &mut self,
        header: FastHeader<'_, H>,
        proto: Proto,
    ) -> Option<Verdict> {
        let begin = self.view().plain_beginning(&header, proto)?;
        let inside = Inside {
            origin: Origin::Host,
            endpoint: header.source(),
        };
        let tuple = InsideTuple {
            proto,
            inside,
            remote: header.destination(),
            // `fast_outbound` has left untranslated packets to the slow path.
            untranslated: false,
        };
        let external = self.settle(|view, search| {
            view.decide_session(&tuple, &begin, (None, Received::NONE), search)
        });
        match external {
            Ok(external) => {
                self.state.clock.note_packet();
                Some(self.fast_send(header, proto, external))
            }
            Err(reason) => {
                let verdict = self.refuse_session(&tuple, reason);
                self.count_slow(&header, Side::Inside, &verdict);
                Some(verdict)
            }
        }
    }
}

impl<W: Width> View<'_, W> {
    /// The first state of the session that a packet from inside begins, if the packet is plain and
    /// the slow path would let it begin one.
    fn plain_beginning<H: Halfword>(self, header: &FastHeader<'_, H>, proto: Proto) -> Option<Tcp> {
        let policy = &self.policy;
        // The MSS is a TCP option, which only the slow path reads.
        let clamped = proto == Proto::Tcp && policy.config.mss_clamp;
        let (source, destination) = (header.source().address, header.destination().address);
        if clamped || policy.pool.is_empty() || !self.is_plain_way_out(source, destination) {
            return None;
        }
        // A SYN-ACK may begin a session too, but only the slow path asks whether a SYN was let in.
        let begin = self.begins(&header.content(proto)?)?;
        // Last, because it reads the whole packet. A wrong one is for the slow path to refuse.
        header.transport_checksum_holds(proto).then_some(begin)
    }
}
