//! Frames of the application's own making, such as the answer of a DHCP server to a client without
//! an address.

use nat_core::{Side, Width};

use crate::FrameDrop;
use crate::control::{Control, Inner};
use crate::ethernet::Header;
use crate::local::MTU;

/// Memory for one frame. All zeros at first, or the memory of the router would lie in flash, too.
pub(crate) struct FrameBuffer {
    frame: [u8; MTU],
    len: usize,
}

impl FrameBuffer {
    pub(crate) const fn new() -> Self {
        Self {
            frame: [0; MTU],
            len: 0,
        }
    }

    pub(crate) fn frame(&mut self) -> &mut [u8] {
        self.frame.get_mut(..self.len).unwrap_or_default()
    }
}

/// The frame that waits to be sent. Its memory is lent to the router while the driver copies it.
pub(crate) enum ApplicationFrame<'d> {
    None(&'d mut FrameBuffer),
    Waits(Side, &'d mut FrameBuffer),
    Lent,
}

impl<'d> ApplicationFrame<'d> {
    /// Whether a frame waits that is to leave by `side`.
    pub(crate) fn waits(&self, side: Side) -> bool {
        matches!(self, Self::Waits(to, _) if *to == side)
    }

    /// Lends the memory of the frame that is to leave by `side`.
    pub(crate) fn lend(&mut self, side: Side) -> Option<&'d mut FrameBuffer> {
        if !self.waits(side) {
            return None;
        }
        match core::mem::replace(self, Self::Lent) {
            Self::None(buffer) | Self::Waits(_, buffer) => Some(buffer),
            Self::Lent => None,
        }
    }

    /// Takes the memory back.
    pub(crate) fn give_back(&mut self, buffer: &'d mut FrameBuffer) {
        *self = Self::None(buffer);
    }
}

impl<W: Width> Inner<'_, W> {
    /// Drops and counts the application's frame if it is to leave by `side`.
    pub(crate) fn drop_application_frame(&mut self, side: Side, reason: FrameDrop) {
        if let Some(buffer) = self.application_frame.lend(side) {
            self.application_frame.give_back(buffer);
            self.stats.side_mut(side).drop_frame(reason);
        }
    }

    fn put_application_frame(&mut self, side: Side, frame: &[u8]) -> Result<(), FrameDrop> {
        if !self.is_up(side) {
            return Err(FrameDrop::LinkDown);
        }
        let ApplicationFrame::None(buffer) = &mut self.application_frame else {
            return Err(FrameDrop::TxFull);
        };
        buffer
            .frame
            .get_mut(..frame.len())
            .ok_or(FrameDrop::Giant)?
            .copy_from_slice(frame);
        buffer.len = frame.len();
        if let ApplicationFrame::None(buffer) =
            core::mem::replace(&mut self.application_frame, ApplicationFrame::Lent)
        {
            self.application_frame = ApplicationFrame::Waits(side, buffer);
        }
        self.waker.wake();
        Ok(())
    }
}

impl<W: Width> Control<'_, W> {
    /// Sends `frame` on `side`: a whole Ethernet frame without its check sequence, 14 to [`MTU`]
    /// bytes long, or on a side without Ethernet an IPv4 datagram.
    ///
    /// It leaves as it is, before anything else that waits for that side. Neither the NAT nor ARP
    /// have a say, so its addresses, lengths and checksums are the caller's business. It is for
    /// what no socket can send, such as the answer of a DHCP server to a station that has no
    /// address yet (RFC 2131 section 4.1).
    ///
    /// One frame can wait, for both sides together. It is copied, and leaves in the next pass of
    /// the runner in which the driver has room. A driver without room for 10 ms drops it
    /// ([`FrameDrop::TxFull`]), as does one whose link goes down ([`FrameDrop::LinkDown`]) or
    /// that carries no such long frames ([`FrameDrop::Giant`]); these are counted.
    ///
    /// # Errors
    ///
    /// The frame is not sent, and not counted, when the link of `side` is down
    /// ([`FrameDrop::LinkDown`]), another frame still waits ([`FrameDrop::TxFull`]), or the
    /// length is out of range ([`FrameDrop::Runt`], [`FrameDrop::Giant`]).
    pub fn send_frame(&self, side: Side, frame: &[u8]) -> Result<(), FrameDrop> {
        if frame.len() < Header::LEN {
            return Err(FrameDrop::Runt);
        }
        self.shared
            .with(|inner| inner.put_application_frame(side, frame))
    }
}
