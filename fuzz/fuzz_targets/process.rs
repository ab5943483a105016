//! Feeds a script of packets to `Nat::process`; see the crate docs for what is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    nat_fuzz::run(data);
});
