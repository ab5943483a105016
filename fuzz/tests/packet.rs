//! Each named seed of `packet` has the outcome of its name, and `differential`, which reads the
//! same scripts, agrees.

mod seeds;

const EXPECTED: &[(&str, &[&str])] = &[
    ("bad_header_checksum", &["drop bad-header-checksum"]),
    ("dhcp_answer_from_another_port", &["forward", "local"]),
    ("dhcp_lease", &["forward", "local"]),
    ("dhcp_too_big", &["fragment", "drop packet-too-big"]),
    (
        "error_with_an_impossible_quote_length",
        &["drop bad-total-length", "forward"],
    ),
    ("fragment", &["drop bad-fragment"]),
    ("hairpin", &["forward"]),
    ("icmp_echo", &["forward", "forward"]),
    ("icmp_frag_needed", &["forward", "forward"]),
    ("icmp_from_inside", &["forward", "forward"]),
    (
        "icmp_interface_information",
        &["forward", "forward", "forward"],
    ),
    ("icmp_port_unreachable", &["forward", "forward"]),
    ("icmp_time_exceeded", &["forward", "forward"]),
    ("land", &["drop land"]),
    ("martian", &["drop martian"]),
    ("ping_router", &["local"]),
    ("port_forward", &["forward", "forward"]),
    ("router_dns", &["forward", "local"]),
    ("source_route", &["drop source-route"]),
    (
        "tcp_close",
        &[
            "forward", "forward", "forward", "forward", "forward", "forward",
        ],
    ),
    (
        "tcp_gateway_idle",
        &["forward", "forward", "forward", "reject no-session"],
    ),
    ("tcp_handshake", &["forward", "forward", "forward"]),
    ("tcp_mss", &["forward"]),
    ("tcp_mss_at_odd_place", &["forward"]),
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
fn every_seed_has_the_outcome_of_its_name() {
    seeds::check("packet", nat_fuzz::packet::run, EXPECTED);
}

#[test]
fn the_same_scripts_have_the_same_outcome_where_they_are_compared_with_other_parsers() {
    seeds::check("differential", nat_fuzz::differential::run, EXPECTED);
}
