//! Memory that the libraries borrow for ever, given back after each input: millions of them run in
//! one process.

/// Calls `with` with `value` in a place that lives as long as it is asked to.
///
/// Nothing of the borrow may outlive `with`: neither what it returns nor what it leaves elsewhere
/// may hold on to it.
#[allow(
    unsafe_code,
    reason = "firmware has a static for this, and an input needs a fresh one"
)]
pub(crate) fn lend<T: 'static, R: 'static>(
    value: Box<T>,
    with: impl FnOnce(&'static mut T) -> R,
) -> R {
    let place = Box::into_raw(value);
    // SAFETY: `place` comes from a box and is given to nobody else; `with` keeps nothing of the
    // borrow, as it must.
    let result = with(unsafe { &mut *place });
    // SAFETY: the only borrow has ended with `with`, and the memory is that of the box above.
    drop(unsafe { Box::from_raw(place) });
    result
}
