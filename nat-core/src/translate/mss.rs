//! Clamps the maximum segment size of SYNs (RFC 9293 section 3.7.1) to what the links carry.

use crate::wire::checksum::Delta;
use crate::wire::tcp;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;

/// Lowers the MSS option of a SYN to `limit`. Does not change a segment without one, or with
/// malformed options.
pub(crate) fn clamp(header: &mut tcp::Header, body: &mut [u8], limit: u16) {
    let len = header.header_length().saturating_sub(tcp::Header::LEN);
    let Some(options) = body.get_mut(..len) else {
        return;
    };
    let Some(position) = find_value(options) else {
        return;
    };
    let Some(value) = options
        .get_mut(position..)
        .and_then(|bytes| bytes.first_chunk_mut::<2>())
    else {
        return;
    };
    let old = u16::from_be_bytes(*value);
    if old > limit {
        *value = limit.to_be_bytes();
        // A value at an odd position is in two words, so its bytes count swapped (RFC 1071 section
        // 2 B).
        let swapped = position % 2 == 1;
        let word = |value: u16| if swapped { value.swap_bytes() } else { value };
        header.update_checksum(Delta::default().and_u16(word(old), word(limit)));
    }
}

/// The position of the MSS option's value.
fn find_value(options: &[u8]) -> Option<usize> {
    let mut position = 0_usize;
    loop {
        match *options.get(position)? {
            END => return None,
            NO_OPERATION => position = position.checked_add(1)?,
            kind => {
                let value = position.checked_add(2)?;
                let len = usize::from(*options.get(value.checked_sub(1)?)?);
                if kind == MAXIMUM_SEGMENT_SIZE && len == 4 {
                    return Some(value);
                }
                // A length below 2 would not lead past the option, so the options are malformed.
                position = position.checked_add(len).filter(|_| len >= 2)?;
            }
        }
    }
}
