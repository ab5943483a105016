//! Each named seed of `differential` gets the verdicts of its name; they are those of `packet`.

mod seeds;

#[test]
fn every_seed_of_packet_is_translated_as_expected() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/packet");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        assert_eq!(nat_fuzz::differential::run(&data), nat_fuzz::packet::run(&data), "{path:?}");
    }
}
