//! The queue for a frame that the application has made, such as a DHCP server's reply to a client
//! without an address.

use nat_core::Side;

use crate::FrameDrop;
use crate::stack_interface::MAX_FRAME_LEN;

/// Memory for one frame. All zeros when new: otherwise the router's memory would take flash, too.
pub(crate) struct FrameBuffer {
    frame: [u8; MAX_FRAME_LEN],
    len: usize,
}

impl FrameBuffer {
    pub(crate) const fn new() -> Self {
        Self {
            frame: [0; MAX_FRAME_LEN],
            len: 0,
        }
    }

    pub(crate) fn frame(&mut self) -> &mut [u8] {
        self.frame.get_mut(..self.len).unwrap_or_default()
    }

    fn fill(&mut self, frame: &[u8]) -> Result<(), FrameDrop> {
        self.frame
            .get_mut(..frame.len())
            .ok_or(FrameDrop::Giant)?
            .copy_from_slice(frame);
        self.len = frame.len();
        Ok(())
    }
}

/// A queue of one frame. Its memory is lent to the router while the driver copies the frame.
pub(crate) enum ApplicationFrame<'d> {
    None(&'d mut FrameBuffer),
    Queued(Side, &'d mut FrameBuffer),
    Lent,
}

impl<'d> ApplicationFrame<'d> {
    /// Whether a frame is queued for `side`.
    pub(crate) fn is_queued(&self, side: Side) -> bool {
        matches!(self, Self::Queued(to, _) if *to == side)
    }

    /// Copies `frame` into the queue.
    ///
    /// # Errors
    ///
    /// [`FrameDrop::TxFull`] if there is a frame in it, [`FrameDrop::Giant`] if `frame` is too
    /// long.
    pub(crate) fn put(&mut self, side: Side, frame: &[u8]) -> Result<(), FrameDrop> {
        let Self::None(buffer) = self else {
            return Err(FrameDrop::TxFull);
        };
        buffer.fill(frame)?;
        // It is `None`, as found above. The pattern avoids a panic.
        if let Self::None(buffer) = core::mem::replace(self, Self::Lent) {
            *self = Self::Queued(side, buffer);
        }
        Ok(())
    }

    /// Takes the frame for `side` out, with its memory. [`Self::give_back`] must be called with
    /// the memory later.
    pub(crate) fn lend(&mut self, side: Side) -> Option<&'d mut FrameBuffer> {
        if !self.is_queued(side) {
            return None;
        }
        match core::mem::replace(self, Self::Lent) {
            Self::None(buffer) | Self::Queued(_, buffer) => Some(buffer),
            Self::Lent => None,
        }
    }

    /// Takes the memory back. The queue is empty then.
    pub(crate) fn give_back(&mut self, buffer: &'d mut FrameBuffer) {
        *self = Self::None(buffer);
    }
}
