//! Soon.
pub fn run(_: &[u8]) -> Vec<String> {
    Vec::new()
}
