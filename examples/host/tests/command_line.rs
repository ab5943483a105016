//! Errors of the command line, and the help.

use core::time::Duration;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Instant;

/// The output of a command line that must end at once, so not of a running router.
#[track_caller]
fn nat_host(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nat-host"));
    command
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end: {arguments}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

#[track_caller]
fn refused(arguments: &str, expected: &str) {
    let output = nat_host(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {message}");
    assert_eq!(message.lines().count(), 1, "{arguments}: {message}");
    assert!(
        message.starts_with("nat-host: ") && message.contains(expected),
        "{arguments}: {message}"
    );
    assert!(output.stdout.is_empty(), "{arguments}");
}

#[cfg(target_os = "linux")]
const ROUTER: &str = "router --lan nat-lan=192.168.77.1/24 --wan nat-wan=198.51.100.77/24";
const REPLAY: &str = "replay --lan-in missing.pcap --lan 192.168.77.1/24 --wan 198.51.100.77/24";

#[test]
fn bad_options_are_rejected_in_one_line() {
    refused("replay", "required arguments were not provided");
    refused("bridge", "unrecognized subcommand 'bridge'");
    refused("--frobnicate", "unexpected argument '--frobnicate'");
    refused("demo --seed 1", "unexpected argument '--seed'");
    for (option, expected) in [
        ("--mapping symmetric", "possible values"),
        ("--filtering none", "possible values"),
        ("--hairpin off", "possible values: unfiltered, filtered"),
        ("--profile aws", "possible values"),
        (
            "--forward 8080=192.168.77.10:80",
            "tcp:8080=192.168.77.10:80",
        ),
        ("--seed 1234", "32 hexadecimal digits"),
        ("--seed 00000000000000000000000000000000", "predictable"),
        ("--wan-mtu 67", "67 is not in 68..=65535"),
        ("--lan-mtu many", "invalid digit"),
        ("--host-limit 0", "0 is not in 1..=65535"),
        ("--wan-address 198.51.100", "not an IPv4 address"),
        ("--mappings 0", "0 is not in 1..=262144"),
        ("--mappings 262145", "262145 is not in 1..=262144"),
        ("--sessions 262145", "262145 is not in 1..=262144"),
        ("--tcp-filtering none", "possible values"),
        ("--ports 0-80", "'0' is not a port"),
        (
            "--low-ports 80-79",
            "its first port is greater than its last",
        ),
        ("--reserved-ports all", "'all' is not a port"),
        ("--excluded-ports 25,none", "'none' is not a port"),
        ("--quarantine 1036801", "1036801 is not in 0..=1036800"),
        ("--tcp-quarantine -1", "unexpected argument '-1'"),
        ("--host-tcp-mappings 0", "0 is not in 1..=65535"),
        ("--mapping-sessions 65536", "65536 is not in 1..=65535"),
        (
            "--mapping-rate 20",
            "as in 100+20/s: 100 at once, then 20 a second",
        ),
        ("--session-rate 1+1001/s", "1 to 1000 a second"),
        ("--icmp-errors no", "a similar value exists: 'none'"),
        ("--icmp-error-rate 0+1/s", "lets nothing through"),
        (
            "--exhaustion-error silence",
            "possible values: administratively-prohibited, host-unreachable, none",
        ),
        ("--lan-ping maybe", "possible values: yes, no"),
        (
            "--timeout tcp=60",
            "'tcp' is not one of udp, dns, tcp-partially-open",
        ),
        (
            "--timeout udp=0",
            "not a number of seconds from 1 to 1036800",
        ),
        (
            "--timeout udp=60 --timeout udp=60",
            "--timeout udp is given twice",
        ),
        ("--dmz-host wan", "'wan' is not an IPv4 address"),
        (
            "--one-to-one 198.51.100.77",
            "as in 198.51.100.78=192.168.77.20",
        ),
        ("--untranslated 10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        ("--capture missing.pcap", "cannot be used with"),
        ("--lan-mac 02:00:00:00:00:01", "cannot be used with"),
    ] {
        refused(&format!("{REPLAY} {option}"), expected);
    }
}

/// Errors of the engine have the name of the option.
#[test]
fn invalid_configurations_name_the_option() {
    let needs = "nat-host: --filtering, --tcp-filtering: address-and-port-dependent mapping needs";
    for (options, expected) in [
        (
            "--mapping address-and-port-dependent --filtering address-dependent",
            needs,
        ),
        (
            "--mapping address-and-port-dependent --tcp-filtering endpoint-independent",
            needs,
        ),
        ("--profile gateway --filtering endpoint-independent", needs),
        (
            "--dmz-host 10.0.0.1",
            "--dmz-host: not a host of the inside network",
        ),
        (
            "--reserved-ports 1-65535",
            "--reserved-ports: leaves no port for mappings",
        ),
        (
            "--ports 5353-5353",
            "--excluded-ports: leaves no port for mappings",
        ),
    ] {
        refused(&format!("{REPLAY} {options}"), expected);
        #[cfg(target_os = "linux")]
        refused(&format!("{ROUTER} {options}"), expected);
    }
}

#[test]
fn invalid_rules_are_named() {
    let many = |rule: &dyn Fn(u8) -> String| -> String { (1..=9).map(rule).collect() };
    let addresses: String = (80..87)
        .map(|host| format!(" --wan-address 198.51.100.{host}"))
        .collect();
    let hosts = |host| {
        format!(
            " --one-to-one 198.51.100.{}=192.168.77.{}",
            78 + host,
            20 + host
        )
    };
    for (options, expected) in [
        (
            "--one-to-one 198.51.100.78=192.168.77.20",
            "78 is not an external address of the router; add --wan-address",
        ),
        (
            "--one-to-one 198.51.100.77=192.168.78.20",
            "--one-to-one 198.51.100.77=192.168.78.20: 192.168.78.20 is not a host of the inside network",
        ),
        (
            "--one-to-one 198.51.100.77=192.168.77.1",
            "192.168.77.1 is not a host of the inside network",
        ),
        (
            "--one-to-one 198.51.100.77=192.168.77.20 --one-to-one 198.51.100.77=192.168.77.21",
            "--one-to-one: an address is listed twice",
        ),
        (
            "--forward tcp:198.51.100.78:80=192.168.77.10:80",
            "add --wan-address 198.51.100.78",
        ),
        (
            &many(&|net| format!(" --untranslated 10.{net}.0.0/16")),
            "--untranslated: more than 8",
        ),
        (
            &format!("{addresses}{}", many(&hosts)),
            "198.51.100.79 is not an external address",
        ),
    ] {
        refused(&format!("{REPLAY} {options}"), expected);
    }
}

#[test]
fn invalid_networks_of_captures_are_rejected() {
    refused("replay --capture missing.pcap", "--lan <ADDRESS/LEN>");
    refused(
        "replay --capture missing.pcap --lan 10.0.0.0/8",
        "cannot open missing.pcap",
    );
    refused(
        "replay --capture missing.pcap --lan-mac 02:00:00:00:00:01",
        "cannot open missing.pcap",
    );
    let two = "replay --lan-in missing.pcap --wan 198.51.100.77/24 --lan";
    refused(
        &format!("{two} 192.168.77.0/24"),
        "192.168.77.0 is the address of the network, not of a host in it",
    );
}

#[test]
fn invalid_port_forwards_are_named() {
    for (options, expected) in [
        (
            "--forward tcp:80=10.0.0.1:80",
            "--forward tcp:80=10.0.0.1:80: the target is not a host of the inside network",
        ),
        (
            "--forward tcp:80=192.168.77.1:80",
            "not a host of the inside network",
        ),
        (
            "--forward tcp:80=192.168.77.10:80 --forward tcp:80=192.168.77.11:80",
            "forwarded already",
        ),
    ] {
        refused(&format!("{REPLAY} {options}"), expected);
    }
}

#[test]
fn secondary_addresses_must_be_free_host_addresses() {
    refused(
        &format!("{REPLAY} --wan-address 198.51.100.255"),
        "the network or broadcast address of the WAN",
    );
    refused(
        &format!("{REPLAY} --wan-address 192.168.77.1"),
        "the router's address on the LAN",
    );
}

#[test]
fn the_maximum_number_of_forwards_is_accepted() {
    let forwards = |count: u16| -> String {
        (2000..2000 + count)
            .map(|port| format!(" --forward tcp:{port}=192.168.77.10:{port}"))
            .collect()
    };
    refused(&format!("{REPLAY}{}", forwards(32)), "missing.pcap");
    refused(
        &format!("{REPLAY}{}", forwards(33)),
        "--forward tcp:2032=192.168.77.10:2032: there are as many",
    );
}

#[test]
fn nine_external_addresses_are_too_many() {
    let options: String = (1..9)
        .map(|host| format!(" --wan-address 198.51.100.{host}"))
        .collect();
    refused(
        &format!("{REPLAY}{options}"),
        "more than 8 external addresses",
    );
}

#[cfg(target_os = "linux")]
#[test]
fn invalid_router_options_are_rejected_before_a_device_is_touched() {
    refused(
        "router --lan 192.168.77.1/24 --wan nat-wan=dhcp",
        "expected NAME=ADDRESS",
    );
    refused(
        "router --lan nat-lan=192.168.77.1/24 --wan nat-lan=198.51.100.77/24",
        "same device",
    );
    refused(
        "router --lan nat-lan=192.168.77.1/24 --wan nat-wan=198.51.100.0/24",
        "address of the network",
    );
    refused(
        "router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp --gateway 198.51.100.1",
        "the gateway comes with the lease",
    );
    let dhcp_server = "router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp --dhcp-server";
    refused(
        &format!("{dhcp_server} 192.168.78.1-192.168.78.9"),
        "not of hosts of the inside network",
    );
    let wide = "router --lan nat-lan=10.77.0.1/16 --wan nat-wan=dhcp --dhcp-server";
    refused(
        &format!("{wide} 10.77.1.0-10.77.255.254"),
        "more addresses than the memory has hosts",
    );
    refused(
        &format!("{dhcp_server} 192.168.77.20-192.168.77.10"),
        "ends before it begins",
    );
    refused(
        &format!("{ROUTER} --gateway 203.0.113.1"),
        "not another host of the WAN",
    );
    refused(
        &format!("{ROUTER} --gateway 198.51.100.77"),
        "not another host of the WAN",
    );
    for gateway in [
        "198.51.100.77",
        "192.168.77.9",
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let alone = "router --lan nat-lan=192.168.77.1/24 --wan nat-wan=198.51.100.77/32";
        refused(
            &format!("{alone} --gateway {gateway}"),
            "not another host of the WAN",
        );
    }
    refused(
        &format!("{ROUTER} --gateway 198.51.100.0"),
        "not another host of the WAN",
    );
    refused(
        &format!("{ROUTER} --gateway 198.51.100.255"),
        "not another host of the WAN",
    );
    refused(
        &format!("{ROUTER} --gateway 198.51.100.1 --wan-address 198.51.100.1"),
        "is the gateway's",
    );
    refused(
        &format!("{ROUTER} --lan-mac 02:00:00:00:00"),
        "is not a MAC address, as in 02:00:00:00:00:01",
    );
    refused(
        &format!("{ROUTER} --wan-mac ff:ff:ff:ff:ff:ff"),
        "is not a unicast address",
    );
    refused(
        &format!("{ROUTER} --lan-mac 02:00:00:00:00:01 --wan-mac 02:00:00:00:00:01"),
        "are the same",
    );
    refused(
        &format!("{ROUTER} --tap-queue 0"),
        "0 is not in 1..=1000000",
    );
    refused(
        &format!("{ROUTER} --mapping-log missing/log.jsonl"),
        "cannot write missing/log.jsonl",
    );
    refused(
        &format!("{ROUTER} --profile gateway --tcp-filtering address-dependent"),
        "--filtering, --tcp-filtering: ",
    );
    refused(
        &format!("{ROUTER} --timeout icmp=0"),
        "not a number of seconds",
    );
    refused(
        &format!("{ROUTER} --forward tcp:80=10.0.0.1:80"),
        "not a host of the inside network",
    );
    let twice = "--forward tcp:80=192.168.77.10:80 --forward tcp:80=192.168.77.11:80";
    refused(&format!("{ROUTER} {twice}"), "forwarded already");
}

#[track_caller]
fn help(arguments: &str) -> String {
    let output = nat_host(arguments);
    assert!(output.status.success(), "{arguments}");
    String::from_utf8(output.stdout).unwrap()
}

/// The help text without line breaks.
#[test]
fn help_has_examples() {
    for (arguments, expected) in [
        (
            "--help",
            "sudo nat-host router --lan nat-lan=192.168.77.1/24",
        ),
        ("help router", "ip addr add 192.168.77.10/24 dev nat-lan"),
        (
            "help router",
            "--profile gateway --mapping endpoint-independent",
        ),
        ("router -h", "`nat-host help router` explains each option"),
        (
            "replay -h",
            "[default: unfiltered] [possible values: unfiltered, filtered]",
        ),
        ("router --help", "--mapping-log <FILE>"),
        ("replay --help", "--mapping-log <FILE>"),
        ("replay --help", "editcap -F pcap"),
        (
            "replay --help",
            "nat-host replay --capture home.pcapng --lan 192.168.1.0/24",
        ),
        (
            "replay --help",
            "replaces the destination by the external endpoint that the host has in this replay",
        ),
        ("replay --help", "With --capture optional: 198.51.100.77/24"),
        ("router --help", "[default: 10000]"),
        (
            "router --help",
            "derived from the machine (/etc/machine-id) and the device's name",
        ),
        (
            "replay --help",
            "rounded up to the first of these sizes that holds both: 8/16, 64/128, 512/1024, 8192/16384, 65535/65535, 131072/131072,",
        ),
        (
            "replay --help",
            "as in 100+20/s: 100 at once, then 20 a second",
        ),
        (
            "replay --help",
            "--profile rfc: udp=300 dns=30 tcp-partially-open=240 tcp-established=7440 tcp-closing=240",
        ),
        (
            "replay --help",
            "their network needs a route to the LAN through this router",
        ),
        (
            "replay --help",
            "A range of ports is forwarded to the same number of inside ports, from the given one up: udp:5000-5009=192.168.77.10:6000.",
        ),
    ] {
        let text = help(arguments)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(text.contains(expected), "{arguments}: {text}");
    }
}

/// Each option of one exists in the other.
#[test]
fn router_and_replay_have_the_same_options_of_the_nat() {
    let options = |subcommand: &str| {
        let text = help(&format!("{subcommand} -h"));
        let start = text.find("\nTranslation:\n").expect("the first heading");
        let lines = text[start..]
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with("--"));
        lines
            .map(|line| {
                line.split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(options("router"), options("replay"));
    for option in [
        "--profile",
        "--mapping",
        "--filtering",
        "--tcp-filtering",
        "--hairpin",
        "--wan-address",
        "--forward",
        "--one-to-one",
        "--dmz-host",
        "--untranslated",
        "--ports",
        "--low-ports",
        "--reserved-ports",
        "--excluded-ports",
        "--port-parity",
        "--quarantine",
        "--tcp-quarantine",
        "--quarantine-after-start",
        "--host-limit",
        "--host-mappings",
        "--host-tcp-mappings",
        "--host-udp-mappings",
        "--host-icmp-mappings",
        "--mapping-sessions",
        "--host-half-open",
        "--half-open",
        "--reserved",
        "--mapping-rate",
        "--session-rate",
        "--icmp-errors",
        "--icmp-error-rate",
        "--exhaustion-error",
        "--lan-resets",
        "--lan-ping",
        "--wan-ping",
        "--timeout",
        "--wan-mtu",
        "--lan-mtu",
        "--mss-clamp",
        "--mappings",
        "--sessions",
        "--seed",
    ] {
        assert!(
            options("router").iter().any(|listed| listed == option),
            "{option}"
        );
    }
}
