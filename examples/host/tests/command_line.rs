//! What the command line refuses, and how.

use std::process::{Command, Output};

fn nat_host(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nat-host")).args(arguments.split_whitespace()).output().unwrap()
}

#[track_caller]
fn refused(arguments: &str, expected: &str) {
    let output = nat_host(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {message}");
    assert_eq!(message.lines().count(), 1, "{arguments}: {message}");
    assert!(message.starts_with("nat-host: ") && message.contains(expected), "{arguments}: {message}");
    assert!(output.stdout.is_empty(), "{arguments}");
}

const REPLAY: &str = "replay --lan-in missing.pcap --lan 192.168.77.1/24 --wan 198.51.100.77/24";

#[test]
fn bad_options_are_refused_in_one_line() {
    refused("replay", "required arguments were not provided");
    refused("bridge", "unrecognized subcommand 'bridge'");
    refused("--frobnicate", "unexpected argument '--frobnicate'");
    refused("demo --seed 1", "unexpected argument '--seed'");
    for (option, expected) in [
        ("--mapping address-and-port-dependent", "not implemented yet"),
        ("--mapping symmetric", "possible values"),
        ("--filtering none", "possible values"),
        ("--hairpin off", "possible values: unfiltered, filtered"),
        ("--profile aws", "possible values"),
        ("--forward 8080=192.168.77.10:80", "tcp:8080=192.168.77.10:80"),
        ("--seed 1234", "32 hexadecimal digits"),
        ("--seed 00000000000000000000000000000000", "predictable"),
        ("--wan-mtu 67", "67 is not in 68..=65535"),
        ("--lan-mtu many", "invalid digit"),
        ("--host-limit 0", "0 is not in 1..=65535"),
        ("--wan-address 198.51.100", "not an IPv4 address"),
        ("--mappings 0", "0 is not in 1..=262144"),
        ("--mappings 262145", "262145 is not in 1..=262144"),
        ("--sessions 262145", "262145 is not in 1..=262144"),
    ] {
        refused(&format!("{REPLAY} {option}"), expected);
    }
}

#[test]
fn port_forwards_that_cannot_work_are_named() {
    for (options, expected) in [
        (
            "--forward tcp:80=10.0.0.1:80",
            "--forward tcp:80=10.0.0.1:80: the target is not a host of the inside network",
        ),
        ("--forward tcp:80=192.168.77.1:80", "not a host of the inside network"),
        ("--forward tcp:80=192.168.77.10:80 --forward tcp:80=192.168.77.11:80", "forwarded already"),
    ] {
        refused(&format!("{REPLAY} {options}"), expected);
    }
}

#[test]
fn further_addresses_are_those_of_hosts_and_nobody_elses() {
    refused(&format!("{REPLAY} --wan-address 198.51.100.255"), "the WAN's own or its broadcast address");
    refused(&format!("{REPLAY} --wan-address 192.168.77.1"), "the router's address on the LAN");
}

#[test]
fn as_many_forwards_as_there_can_be_are_taken() {
    let forwards = |count: u16| -> String {
        (2000..2000 + count).map(|port| format!(" --forward tcp:{port}=192.168.77.10:{port}")).collect()
    };
    refused(&format!("{REPLAY}{}", forwards(32)), "missing.pcap");
    refused(&format!("{REPLAY}{}", forwards(33)), "--forward tcp:2032=192.168.77.10:2032: there are as many");
}

#[test]
fn nine_external_addresses_are_too_many() {
    let options: String = (1..9).map(|host| format!(" --wan-address 198.51.100.{host}")).collect();
    refused(&format!("{REPLAY}{options}"), "more than 8 external addresses");
}

#[cfg(target_os = "linux")]
#[test]
fn what_no_router_can_do_is_refused_before_a_device_is_touched() {
    let router = "router --lan nat-lan=192.168.77.1/24 --wan nat-wan=198.51.100.77/24";
    refused("router --lan 192.168.77.1/24 --wan nat-wan=dhcp", "expected NAME=ADDRESS");
    refused("router --lan nat-lan=192.168.77.1/24 --wan nat-lan=198.51.100.77/24", "same device");
    refused("router --lan nat-lan=192.168.77.1/24 --wan nat-wan=198.51.100.0/24", "address of the network");
    refused("router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp --gateway 198.51.100.1", "comes with the lease");
    refused(&format!("{router} --gateway 203.0.113.1"), "not another host of the WAN");
    refused(&format!("{router} --gateway 198.51.100.77"), "not another host of the WAN");
    refused(&format!("{router} --gateway 198.51.100.0"), "not another host of the WAN");
    refused(&format!("{router} --gateway 198.51.100.255"), "not another host of the WAN");
    refused(&format!("{router} --gateway 198.51.100.1 --wan-address 198.51.100.1"), "is the gateway's");
    refused(&format!("{router} --mapping-log missing/log.jsonl"), "cannot write missing/log.jsonl");
    refused(&format!("{router} --mapping address-and-port-dependent"), "not implemented yet");
    refused(&format!("{router} --forward tcp:80=10.0.0.1:80"), "not a host of the inside network");
    let twice = "--forward tcp:80=192.168.77.10:80 --forward tcp:80=192.168.77.11:80";
    refused(&format!("{router} {twice}"), "forwarded already");
}

#[test]
fn help_teaches_with_examples() {
    for (arguments, expected) in [
        ("--help", "sudo nat-host router --lan nat-lan=192.168.77.1/24"),
        ("help router", "ip addr add 192.168.77.10/24 dev nat-lan"),
        ("router --help", "--host-limit <SESSIONS>"),
        ("router --help", "--hairpin <KIND>"),
        ("replay --help", "[default: unfiltered] [possible values: unfiltered, filtered]"),
        ("router --help", "--mapping-log <FILE>"),
        ("replay --help", "--mapping-log <FILE>"),
        ("replay --help", "editcap -F pcap"),
        ("replay --help", "rounded up to the first of 8/16, 64/128, 512/1024, 8192/16384, 65535/65535, 131072/131072,"),
    ] {
        let output = nat_host(arguments);
        assert!(output.status.success(), "{arguments}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(expected), "{arguments}: {text}");
    }
}
