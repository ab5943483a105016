//! What the state of a TCP session depends on: the flags and the numbers of a segment.

/// The kind of a segment by its flags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Syn,
    SynAck,
    Fin,
    Reset,
    Other,
}

/// The parts of a segment that concern sequence numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Segment {
    pub(crate) sequence: u32,
    /// The acknowledgment number, if the ACK flag is set.
    pub(crate) acknowledgment: Option<u32>,
    /// The sequence space that it takes: data, SYN and FIN.
    pub(crate) length: u32,
}

impl Segment {
    /// The sequence number after it.
    pub(crate) fn end(&self) -> u32 {
        self.sequence.wrapping_add(self.length)
    }
}
