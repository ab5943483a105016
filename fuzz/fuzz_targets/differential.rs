//! Feeds bytes to `nat_fuzz::differential`; see there for what is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    nat_fuzz::differential::run(data);
});
