//! What is taken of an offer.

use core::net::Ipv4Addr;
use std::vec::Vec;

use edge_dhcp::{DhcpOption, MessageType};
use nat_core::Cidr;

use super::super::lease::{Lease, Refusal};
use super::super::reply::Reply;
use super::world::*;
use crate::dhcp::field;

fn read_at(address: Ipv4Addr, options: &[DhcpOption<'_>]) -> Result<Lease, Refusal> {
    let message = reply(7, MessageType::Offer, SERVER, address, options);
    Lease::read(&Reply::parse(&message, SERVER).expect("a reply"), None)
}

fn read(options: &[DhcpOption<'_>]) -> Lease {
    read_at(OFFERED, options).expect("a lease")
}

const fn raw(code: u8, data: &[u8]) -> DhcpOption<'_> {
    DhcpOption::Unrecognized(code, data)
}

const fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, last)
}

#[test]
fn of_several_routers_the_first_that_can_be_one_is_taken() {
    assert_eq!(
        read(&[raw(3, &[198, 51, 100, 1, 198, 51, 100, 2])]).gateway,
        Some(at(1))
    );
    // Nowhere, all, a group, this machine and the client itself are none.
    let list = [
        0, 0, 0, 0, 255, 255, 255, 255, 224, 0, 0, 1, 127, 0, 0, 1, 198, 51, 100, 60, 198, 51, 100,
        9,
    ];
    assert_eq!(read(&[raw(3, &list)]).gateway, Some(at(9)));
    assert_eq!(
        read(&[raw(3, &[198, 51, 100, 1, 198])]).gateway,
        Some(at(1)),
        "a list that is cut off"
    );
    assert_eq!(read(&[]).gateway, None);
}

/// RFC 3442.
#[test]
fn classless_routes_win_over_routers() {
    let router = raw(3, &[198, 51, 100, 1]);
    let gateway = |routes: &[u8]| read(&[router, raw(121, routes)]).gateway;
    assert_eq!(gateway(&[0, 198, 51, 100, 5]), Some(at(5)));
    assert_eq!(
        read(&[raw(121, &[0, 198, 51, 100, 5])]).gateway,
        Some(at(5))
    );
    let with_others = [
        8, 10, 198, 51, 100, 7, 32, 192, 0, 2, 1, 198, 51, 100, 8, 0, 198, 51, 100, 5,
    ];
    assert_eq!(gateway(&with_others), Some(at(5)));
    assert_eq!(
        gateway(&[1, 0, 198, 51, 100, 5, 1, 128, 198, 51, 100, 6]),
        Some(at(5)),
        "two halves"
    );
    assert_eq!(
        gateway(&[8, 10, 198, 51, 100, 7]),
        None,
        "routers are ignored, and there is no default route"
    );
    // The gateway is a neighbour by a route of its own, as in clouds.
    assert_eq!(
        gateway(&[32, 203, 0, 113, 1, 0, 0, 0, 0, 0, 203, 0, 113, 1]),
        Some(Ipv4Addr::new(203, 0, 113, 1))
    );
    // What is malformed is as if it were not there.
    for malformed in [
        &[][..],
        &[0],
        &[0, 1, 2, 3],
        &[33, 1, 2, 3, 4, 5, 198, 51, 100, 7],
        &[0, 198, 51, 100, 5, 24, 1],
    ] {
        assert_eq!(gateway(malformed), Some(at(1)), "{malformed:?}");
    }
}

#[test]
fn the_network_is_that_of_the_mask_or_of_the_class() {
    let network = |address: Ipv4Addr, mask: Option<[u8; 4]>| {
        let mask = mask.map(|mask| DhcpOption::SubnetMask(mask.into()));
        read_at(address, &mask.into_iter().collect::<Vec<_>>())
            .expect("a lease")
            .address
    };
    let cidr = |address: Ipv4Addr, bits| Cidr::new(address, bits).unwrap();
    for bits in 1..=30_u8 {
        let mask = u32::MAX << (32 - bits);
        assert_eq!(
            network(at(61), Some(mask.to_be_bytes())),
            cidr(at(61), bits),
            "/{bits}"
        );
    }
    assert_eq!(network(OFFERED, Some([255; 4])), cidr(OFFERED, 32));
    // RFC 3021: both addresses of a /31 are hosts.
    for last in [60, 61] {
        assert_eq!(
            network(at(last), Some([255, 255, 255, 254])),
            cidr(at(last), 31)
        );
    }
    // RFC 791 section 3.2, where there is no mask, or none that can be.
    for mask in [
        None,
        Some([0; 4]),
        Some([255, 0, 255, 0]),
        Some([0, 255, 255, 255]),
    ] {
        assert_eq!(
            network(Ipv4Addr::new(10, 1, 2, 3), mask),
            cidr(Ipv4Addr::new(10, 1, 2, 3), 8)
        );
        assert_eq!(
            network(Ipv4Addr::new(172, 16, 2, 3), mask),
            cidr(Ipv4Addr::new(172, 16, 2, 3), 16)
        );
        assert_eq!(network(OFFERED, mask), cidr(OFFERED, 24));
    }
    // The first and the last address of a network are no host's: such a client is alone there.
    for last in [0, 255] {
        assert_eq!(
            network(at(last), Some([255, 255, 255, 0])),
            cidr(at(last), 32)
        );
    }
}

#[test]
fn addresses_that_no_host_can_have_are_refused() {
    for address in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255; 4],
    ] {
        assert_eq!(
            read_at(address.into(), &[]),
            Err(Refusal::Address),
            "{address:?}"
        );
    }
}

#[test]
fn five_dns_servers_are_taken_and_the_mtu_is_no_less_than_576() {
    let seven: Vec<_> = (1..=7).flat_map(|last| [9, 9, 9, last]).collect();
    let expected: Vec<_> = (1..=5).map(|last| Ipv4Addr::new(9, 9, 9, last)).collect();
    assert_eq!(read(&[raw(6, &seven)]).dns_servers.as_slice(), expected);
    assert_eq!(
        read(&[raw(6, &[0, 0, 0, 0, 9, 9, 9, 1])]).dns_servers,
        [Ipv4Addr::new(9, 9, 9, 1)]
    );
    for (given, taken) in [
        (1400_u16, 1400),
        (576, 576),
        (575, 576),
        (0, 576),
        (65_535, 65_535),
    ] {
        assert_eq!(read(&[raw(26, &given.to_be_bytes())]).mtu, Some(taken));
    }
    assert_eq!((read(&[]).mtu, read(&[raw(26, &[5])]).mtu), (None, None));
}

#[test]
fn a_lease_without_a_time_lasts_an_hour() {
    for (options, seconds) in [
        (&[][..], Some(3600)),
        (&[raw(51, &[0, 0, 1, 0])], Some(256)),
        (&[raw(51, &[0, 0, 0, 1])], Some(10)),
        (&[raw(51, &[0xff; 4])], None),
    ] {
        assert_eq!(read(options).seconds, seconds);
    }
}

/// RFC 2131 section 4.1: the fields `file` and `sname` may hold options.
#[test]
fn options_are_found_in_the_fields_file_and_sname() {
    let message = |overload: Option<u8>| {
        let overload = overload.map(|value| [value]);
        let options: Vec<_> = overload.iter().map(|value| raw(52, value)).collect();
        let mut message = reply(7, MessageType::Offer, SERVER, OFFERED, &options);
        field::write(&mut message, &field::SNAME, &[6, 4, 9, 9, 9, 9, 255]);
        field::write(&mut message, &field::FILE, &[0, 3, 4, 198, 51, 100, 5, 255]);
        message
    };
    for (overload, gateway, dns) in [
        (None, false, false),
        (Some(1), true, false),
        (Some(2), false, true),
        (Some(3), true, true),
    ] {
        let message = message(overload);
        let lease = Lease::read(&Reply::parse(&message, SERVER).unwrap(), None).unwrap();
        assert_eq!(
            (lease.gateway.is_some(), !lease.dns_servers.is_empty()),
            (gateway, dns),
            "overload {overload:?}"
        );
    }
}

/// RFC 3396: parts of an option are put together, those in the field `options` first, then `file`,
/// then `sname`.
#[test]
fn split_options_are_put_together() {
    let lease = read(&[raw(3, &[198, 51]), raw(6, &[9, 9, 9, 9]), raw(3, &[100, 5])]);
    assert_eq!(lease.gateway, Some(at(5)));
    let routes: Vec<_> = (0..60)
        .flat_map(|n| [32, 10, 0, 0, n, 198, 51, 100, 7])
        .chain([0, 198, 51, 100, 5])
        .collect();
    let parts: Vec<_> = routes.chunks(250).map(|part| raw(121, part)).collect();
    assert_eq!(read(&parts).gateway, Some(at(5)));
    let mut message = reply(
        7,
        MessageType::Offer,
        SERVER,
        OFFERED,
        &[raw(52, &[3]), raw(3, &[198])],
    );
    field::write(&mut message, &field::FILE, &[3, 1, 51, 255]);
    field::write(&mut message, &field::SNAME, &[3, 2, 100, 5, 255]);
    assert_eq!(
        Lease::read(&Reply::parse(&message, SERVER).unwrap(), None)
            .unwrap()
            .gateway,
        Some(at(5))
    );
}

#[test]
fn what_is_no_message_of_a_server_to_an_ethernet_client_is_none() {
    let sound = reply(7, MessageType::Offer, SERVER, OFFERED, &[]);
    assert!(Reply::parse(&sound, SERVER).is_some());
    const MESSAGE_TYPE_LEN: usize = 3;
    for len in 0..field::OPTIONS.start + MESSAGE_TYPE_LEN {
        assert!(Reply::parse(&sound[..len], SERVER).is_none(), "{len} bytes");
    }
    // The first option is the message type.
    let first_option_len = field::OPTIONS.start + 1;
    for (index, value) in [
        (field::OP, 1),
        (field::HTYPE, 6),
        (field::HLEN, 8),
        (field::MAGIC_COOKIE.start, 0),
        (first_option_len, 200),
    ] {
        let mut message = sound.clone();
        message[index] = value;
        assert!(Reply::parse(&message, SERVER).is_none(), "byte {index}");
    }
}
