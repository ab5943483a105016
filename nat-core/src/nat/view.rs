//! Look-ups.

pub(super) mod receiver;
