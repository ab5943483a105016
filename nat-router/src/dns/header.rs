//! Headers of messages, to change them.

use domain::base::header::HeaderSection;

/// The length of a header.
pub(super) const HEADER_LEN: usize = 12;

/// The header of a message, to change it; `None` if the message is too short.
pub(super) fn header_mut(message: &mut [u8]) -> Option<&mut HeaderSection> {
    (message.len() >= HEADER_LEN).then(|| HeaderSection::for_message_slice_mut(message))
}

/// Sets the number of a message.
pub(super) fn set_id(message: &mut [u8], id: u16) {
    if let Some(section) = header_mut(message) {
        section.header_mut().set_id(id);
    }
}
