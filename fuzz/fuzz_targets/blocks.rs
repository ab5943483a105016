//! Feeds bytes to `nat_fuzz::blocks`; see there for what is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    nat_fuzz::blocks::run(data);
});
