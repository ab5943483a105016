//! Names in the uncompressed wire format: labels with a length byte each, up to the root.

/// The byte of the root, with which every name ends.
const ROOT: u8 = 0;

/// The name, and each name that it is below, without the root.
pub(super) fn suffixes(name: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = Some(name);
    core::iter::from_fn(move || {
        let current = rest.take()?;
        let (len, after) = current.split_first()?;
        if *len == ROOT {
            return None;
        }
        rest = after.get(usize::from(*len)..);
        Some(current)
    })
}

/// The labels of a name, without that of the root.
pub(super) fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    suffixes(name).filter_map(|suffix| {
        let (len, after) = suffix.split_first()?;
        after.get(..usize::from(*len))
    })
}

/// Whether a name is the one that `dotted` describes, in any case.
pub(super) fn is_name(name: &[u8], dotted: &str) -> bool {
    let mut expected = dotted.split('.').map(str::as_bytes);
    let mut labels = labels(name);
    loop {
        match (labels.next(), expected.next()) {
            (Some(label), Some(expected)) if label.eq_ignore_ascii_case(expected) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// The part of `name` that is the name `dotted`, if `name` is below it or is it.
pub(super) fn zone<'a>(name: &'a [u8], dotted: &str) -> Option<&'a [u8]> {
    suffixes(name).find(|suffix| is_name(suffix, dotted))
}

/// Appends the labels of `dotted`, and not the root. `None` if there is no room, or a label is empty
/// or too long.
pub(super) fn push<const N: usize>(name: &mut heapless::Vec<u8, N>, dotted: &[u8]) -> Option<()> {
    for label in dotted.split(|byte| *byte == b'.') {
        let len = u8::try_from(label.len()).ok();
        let len = len.filter(|len| (1..64).contains(len))?;
        name.push(len).ok()?;
        name.extend_from_slice(label).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn wire(dotted: &str) -> Vec<u8> {
        let mut name = heapless::Vec::<u8, 255>::new();
        push(&mut name, dotted.as_bytes()).expect("a name");
        name.push(ROOT).expect("room");
        name.to_vec()
    }

    #[test]
    fn a_name_is_compared_without_regard_to_case_and_by_labels() {
        let name = wire("Www.Example.COM");
        assert!(is_name(&name, "www.example.com"));
        for other in [
            "ww.example.com",
            "example.com",
            "a.www.example.com",
            "www.example.co",
        ] {
            assert!(!is_name(&name, other), "{other}");
        }
        assert_eq!(zone(&name, "example.com"), Some(&name[4..]));
        assert_eq!(zone(&name, "ample.com"), None);
        assert_eq!(labels(&name).count(), 3);
        assert_eq!(labels(&[0]).count(), 0);
    }

    #[test]
    fn malformed_names_have_the_labels_that_are_there() {
        assert_eq!(labels(&[]).count(), 0);
        assert_eq!(labels(&[5, b'a']).count(), 0);
        assert_eq!(labels(&[1, b'a']).count(), 1);
        assert_eq!(labels(&[0xc0, 0x0c]).count(), 0);
    }
}
