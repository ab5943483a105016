//! Each named seed of `parsers` has the outcome of its name.

mod seeds;

const EXPECTED: &[(&str, &[&str])] = &[
    ("answer", &["answer", "answer"]),
    ("answer_into_an_empty_buffer", &["none", "none"]),
    ("bad_header_checksum", &["drop bad-header-checksum"]),
    (
        "checksum_without_reserved_bit",
        &["drop bad-header-checksum"],
    ),
    ("echo", &["forward"]),
    ("first_fragment", &["drop bad-fragment"]),
    ("frame_arp_cut_short", &["drop bad-arp"]),
    (
        "frame_arp_of_our_own",
        &["inside arp", "drop duplicate-address"],
    ),
    ("frame_arp_request", &["inside arp"]),
    ("frame_ipv6", &["drop ipv6"]),
    ("frame_outside", &["drop no-mapping"]),
    ("frame_priority_tag", &["outside udp"]),
    ("frame_runt", &["drop runt"]),
    ("frame_udp", &["outside udp"]),
    ("frame_vlan", &["drop vlan"]),
    ("ipv6", &["drop bad-version"]),
    ("later_fragment", &["hold"]),
    ("mss", &["forward"]),
    ("mss_behind_end_of_options", &["forward"]),
    ("option_of_no_length", &["forward"]),
    ("other_protocol", &["reject unknown-protocol"]),
    ("fragments", &["5 fragments"]),
    ("fragments_of_a_truncated_datagram", &["0 fragments"]),
    ("port_forward", &["forward"]),
    ("quote", &["forward"]),
    ("quote_cut_short", &["drop bad-quote"]),
    ("quote_of_other_version", &["drop bad-quote"]),
    ("quote_of_ping", &["forward"]),
    ("quote_of_tcp", &["forward"]),
    ("quote_with_extension", &["forward"]),
    ("record_route", &["drop record-route"]),
    ("router_alert", &["forward"]),
    ("router_dns", &["forward"]),
    ("source_route", &["drop source-route"]),
    ("tcp_no_flags", &["drop bad-tcp-flags"]),
    ("tcp_syn", &["forward"]),
    ("truncated", &["drop truncated"]),
    ("udp", &["forward"]),
    ("udp_length_beyond_packet", &["drop bad-transport-length"]),
    ("unsolicited", &["drop no-mapping"]),
];

#[test]
fn every_seed_has_the_outcome_of_its_name() {
    seeds::check("parsers", nat_fuzz::parsers::run, EXPECTED);
}
