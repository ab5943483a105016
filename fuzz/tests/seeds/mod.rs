//! Holds what became of each seed to what its name promises; so the fuzzer starts from inputs that
//! get somewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Runs all seeds of `target`, and compares the words that come out with those that `expected` has
/// for each name.
pub fn check(target: &str, run: impl Fn(&[u8]) -> Vec<String>, expected: &[(&str, &[&str])]) {
    let expected: BTreeMap<String, Vec<String>> = expected
        .iter()
        .map(|(name, words)| {
            (
                name.to_string(),
                words.iter().map(|word| word.to_string()).collect(),
            )
        })
        .collect();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let seen: BTreeMap<_, _> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                run(&fs::read(&path).unwrap()),
            )
        })
        .collect();
    let differing: Vec<_> = seen
        .iter()
        .filter(|(name, words)| expected.get(*name) != Some(words))
        .collect();
    assert!(
        differing.is_empty(),
        "other words than expected: {differing:#?}"
    );
    assert_eq!(seen.len(), expected.len(), "names without a seed");
}
