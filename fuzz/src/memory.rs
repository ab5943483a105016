//! Memory that the libraries borrow for ever, given back after each input: millions of them run in
//! one process.

/// Calls `with` with `value` at an address that stays valid during the call.
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
    let address = Box::into_raw(value);
    // SAFETY: `address` comes from a box and is not shared; `with` keeps nothing of the borrow, as it
    // must.
    let result = with(unsafe { &mut *address });
    // SAFETY: the only borrow has ended with `with`, and the memory is that of the box above.
    drop(unsafe { Box::from_raw(address) });
    result
}
