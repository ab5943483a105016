//! Each named seed of `frames` has the outcome of its name.

mod seeds;

const EXPECTED: &[(&str, &[&str])] = &[
    (
        "address_changes",
        &[
            "outside udp",
            "outside arp",
            "outside arp",
            "drop flushed",
            "inside icmp",
        ],
    ),
    ("arp_of_the_router_itself", &["drop bad-source"]),
    ("arp_request", &["inside arp"]),
    ("bare_ip_outside", &["outside udp", "inside arp"]),
    ("corrupted_header", &["drop bad-header-checksum"]),
    (
        "fragmented_on_the_way_out",
        &["outside udp, outside udp, outside udp"],
    ),
    ("dhcp_client_with_a_wrong_length", &["outside udp"]),
    ("dhcp_server_with_an_inside_address", &["outside udp"]),
    ("driver_full", &["", "", "drop tx-full", "", "outside udp"]),
    ("handshake", &["outside tcp", "inside tcp"]),
    (
        "link_lost",
        &["", "drop link-down", "outside arp", "outside arp"],
    ),
    ("other_ethertype", &["drop other-ethertype"]),
    ("own_stack", &["to stack", "", "inside own"]),
    ("own_stack_outside", &["outside udp", "to stack", ""]),
    ("ping", &["outside icmp", "inside icmp"]),
    ("port_forward", &["inside udp"]),
    ("port_unreachable", &["outside udp", "inside icmp"]),
    ("reads_early", &["", "", "", "outside udp", "drop tx-full"]),
    ("runt", &["drop runt"]),
    ("session", &["outside udp", "inside udp"]),
    ("too_big", &["inside icmp"]),
    (
        "unknown_neighbour",
        &[
            "outside arp",
            "outside arp",
            "outside arp",
            "inside arp, drop arp-unresolved",
            "inside arp",
        ],
    ),
    ("unsolicited", &["drop no-mapping"]),
];

#[test]
fn every_seed_has_the_outcome_of_its_name() {
    seeds::check("frames", nat_fuzz::frames::run, EXPECTED);
}
