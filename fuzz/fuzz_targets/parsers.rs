//! Feeds bytes to `nat_fuzz::parsers`; see there for what is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    nat_fuzz::parsers::run(data);
});
