//! Each named seed does what its name says; so the fuzzer starts from packets that get somewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nat_core::Verdict;

const EXPECTED: &[(&str, &[&str])] = &[
    ("bad_header_checksum", &["drop bad-header-checksum"]),
    ("dhcp_lease", &["forward", "local"]),
    ("fragment", &["drop bad-fragment"]),
    ("hairpin", &["forward"]),
    ("icmp_echo", &["forward", "forward"]),
    ("icmp_frag_needed", &["forward", "forward"]),
    ("icmp_port_unreachable", &["forward", "forward"]),
    ("icmp_time_exceeded", &["forward", "forward"]),
    ("land", &["drop land"]),
    ("martian", &["drop martian"]),
    ("ping_router", &["local"]),
    ("port_forward", &["forward", "forward"]),
    ("router_dns", &["forward", "local"]),
    ("source_route", &["drop source-route"]),
    ("tcp_close", &["forward", "forward", "forward", "forward", "forward", "forward"]),
    ("tcp_gateway_idle", &["forward", "forward", "forward", "reject no-session"]),
    ("tcp_handshake", &["forward", "forward", "forward"]),
    ("tcp_mss", &["forward"]),
    ("tcp_reset", &["forward", "forward", "forward", "forward"]),
    ("tcp_simultaneous_open", &["forward", "forward"]),
    ("tcp_syn", &["forward"]),
    ("too_big", &["reject packet-too-big"]),
    ("ttl_expired", &["reject ttl-expired"]),
    ("udp_dns", &["forward", "forward"]),
    ("udp_expiry", &["forward", "drop no-mapping"]),
    ("udp_expiry_unnoticed", &["forward", "forward", "forward"]),
    ("udp_padded", &["forward"]),
    ("unsolicited", &["drop no-mapping"]),
];

#[test]
fn every_seed_gets_the_verdicts_of_its_name() {
    let expected: BTreeMap<_, _> = EXPECTED
        .iter()
        .map(|(name, words)| (name.to_string(), words.iter().map(|w| w.to_string()).collect()))
        .collect();
    let seen: BTreeMap<String, Vec<String>> = seeds().collect();
    assert_eq!(seen, expected);
}

fn seeds() -> impl Iterator<Item = (String, Vec<String>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds/process");
    fs::read_dir(folder).unwrap().map(|file| {
        let path = file.unwrap().path();
        let verdicts = nat_fuzz::run(&fs::read(&path).unwrap());
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), verdicts.iter().map(word).collect())
    })
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Drop(reason) => format!("drop {}", reason.as_str()),
        Verdict::Forward { .. } => "forward".to_owned(),
        Verdict::Fragment { .. } => "fragment".to_owned(),
        Verdict::Hold => "hold".to_owned(),
        Verdict::Local { .. } => "local".to_owned(),
        Verdict::Reject(reply) => format!("reject {}", reply.reason().as_str()),
    }
}
