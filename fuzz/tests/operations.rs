//! Each named seed of `operations` has the outcome of its name.

mod seeds;

const EXPECTED: &[(&str, &[&str])] = &[
    (
        "free_blocks",
        &[
            "forward",
            "forward",
            "forward",
            "reject ports-exhausted",
            "forward",
            "forward",
            "forward",
            "reject ports-exhausted",
            "reject ports-exhausted",
            "reject ports-exhausted",
            "reject ports-exhausted",
            "reject ports-exhausted",
        ],
    ),
    ("free_clock_goes_back", &["forward", "forward"]),
    ("free_dmz", &["forward", "forward"]),
    ("free_drain", &["forward", "forward", "forward", "forward"]),
    (
        "free_drained_and_taken_back",
        &["forward", "forward", "forward"],
    ),
    ("free_error", &["forward", "forward", "forward"]),
    ("free_forward", &["forward", "forward"]),
    ("free_fragments", &["hold", "forward"]),
    ("free_hairpin", &["forward", "forward", "forward"]),
    (
        "free_limits",
        &[
            "forward",
            "forward",
            "reject host-limit",
            "reject host-limit",
            "reject host-limit",
        ],
    ),
    ("free_mtu", &["fragment", "reject packet-too-big"]),
    ("free_one_to_one", &["forward", "forward"]),
    (
        "free_quarantine",
        &["forward", "reject ports-exhausted", "forward"],
    ),
    ("free_random", &[]),
    ("free_router", &["forward", "local"]),
    ("free_tcp", &["forward", "forward", "forward", "forward"]),
    ("free_udp", &["forward", "forward", "forward"]),
    ("free_wrap", &["forward", "forward", "drop no-mapping"]),
    ("model_addresses", &["3 forwarded, 1 refused"]),
    ("model_forward", &["3 forwarded, 0 refused"]),
    ("model_forward_ends_sessions", &["3 forwarded, 0 refused"]),
    ("model_full", &["8 forwarded, 16 refused"]),
    ("model_overlapping", &["4 forwarded, 20 refused"]),
    ("model_reset", &["5 forwarded, 0 refused"]),
    ("model_tcp", &["6 forwarded, 0 refused"]),
    ("model_udp", &["2 forwarded, 1 refused"]),
];

#[test]
fn every_seed_has_the_outcome_of_its_name() {
    seeds::check("operations", nat_fuzz::operations::run, EXPECTED);
}
