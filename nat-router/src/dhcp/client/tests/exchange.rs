//! What the client says, and takes, from the first DISCOVER to a lease.

use core::net::Ipv4Addr;

use edge_dhcp::MessageType;
use nat_core::Cidr;

use super::super::lease::{Lease, Refusal};
use super::super::machine::{Action, Heard, State};
use super::world::*;
use crate::dhcp::field;

/// The lease of the usual options.
fn lease() -> Lease {
    Lease {
        address: Cidr::new(OFFERED, 24).unwrap(),
        gateway: Some(SERVER),
        dns_servers: [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(1, 1, 1, 1)]
            .into_iter()
            .collect(),
        mtu: None,
        server: SERVER,
        seconds: Some(3600),
    }
}

#[test]
fn a_lease_is_asked_for_probed_and_used() {
    let mut world = World::new();
    let [
        Action::Send {
            from: NOWHERE,
            to: ALL,
            ..
        },
    ] = world.poll()[..]
    else {
        panic!("a DISCOVER")
    };
    let discover = world.last.clone();
    assert_eq!(
        (discover.kind, discover.secs),
        (Some(MessageType::Discover), 0)
    );
    assert_eq!(
        (discover.current, discover.asked, discover.server),
        (None, None, None)
    );
    assert!(
        discover.len >= 300 && !discover.broadcast,
        "as relays and servers of old want it"
    );

    let time = 3600_u32.to_be_bytes();
    assert_eq!(
        world.answer(MessageType::Offer, &usual(&time)),
        Heard::Taken
    );
    let [
        Action::Send {
            from: NOWHERE,
            to: ALL,
            ..
        },
    ] = world.poll()[..]
    else {
        panic!("a REQUEST")
    };
    assert_eq!(
        (world.last.kind, world.last.asked),
        (Some(MessageType::Request), Some(OFFERED))
    );
    assert_eq!(
        (world.last.server, world.last.current),
        (Some(SERVER), None)
    );
    assert_eq!(
        (world.last.transaction, world.last.secs),
        (discover.transaction, discover.secs)
    );

    assert_eq!(world.answer(MessageType::Ack, &usual(&time)), Heard::Taken);
    assert_eq!(world.poll(), [Action::Probe(OFFERED)]);
    assert_eq!(world.client.probed(false, world.now), Heard::Taken);
    assert_eq!(world.poll(), [Action::Use(lease())]);
}

/// What dnsmasq, ISC, Kea, udhcpd and the servers of providers look for.
#[test]
fn requests_have_the_options_that_servers_expect() {
    for state in [
        State::Selecting,
        State::Requesting,
        State::Rebooting,
        State::Renewing,
        State::Rebinding,
    ] {
        let world = World::at(state);
        let option = |code: u8| {
            world
                .last
                .options
                .iter()
                .find(|(found, _)| *found == code)
                .map(|(_, data)| data.clone())
                .unwrap_or_default()
        };
        assert_eq!(
            option(61),
            [1, 2, 0, 0, 0, 0, 2],
            "{state:?}: client identifier"
        );
        assert_eq!(option(12), b"nat-router");
        assert_eq!(option(57), 1500_u16.to_be_bytes());
        let asked = option(55);
        assert!(
            [1, 3, 6, 15, 26, 28, 51, 58, 59]
                .iter()
                .all(|code| asked.contains(code)),
            "{asked:?}"
        );
        // RFC 3442: classless routes before routers.
        let index = |code: u8| asked.iter().position(|asked| *asked == code).unwrap();
        assert!(index(121) < index(3));
    }
}

/// RFC 2131 table 4 and section 4.3.6.
#[test]
fn a_request_says_what_its_state_says() {
    for (state, from, to, current, asked, server) in [
        (
            State::Requesting,
            NOWHERE,
            ALL,
            None,
            Some(OFFERED),
            Some(SERVER),
        ),
        (State::Rebooting, NOWHERE, ALL, None, Some(OFFERED), None),
        (State::Renewing, OFFERED, SERVER, Some(OFFERED), None, None),
        (State::Rebinding, OFFERED, ALL, Some(OFFERED), None, None),
    ] {
        let last = World::at(state).last;
        assert_eq!(last.kind, Some(MessageType::Request), "{state:?}");
        assert_eq!((last.from, last.to), (Some(from), Some(to)), "{state:?}");
        assert_eq!(
            (last.current, last.asked, last.server),
            (current, asked, server),
            "{state:?}"
        );
    }
}

#[test]
fn an_offer_counts_however_late_it_is_while_the_client_still_looks_for_one() {
    let mut world = World::new();
    world.poll();
    let first = world.last.transaction;
    world.run_until(seconds(20));
    let offer = reply(
        first,
        MessageType::Offer,
        SERVER,
        OFFERED,
        &usual(&3600_u32.to_be_bytes()),
    );
    assert_eq!(
        world.hear(&offer),
        Heard::Taken,
        "the answer to the first DISCOVER, after others"
    );
    world.poll();
    assert_eq!(world.last.kind, Some(MessageType::Request));
    assert!(
        world.last.secs > 8,
        "since the last DISCOVER: {}",
        world.last.secs
    );
}

#[test]
fn of_two_servers_the_first_offer_is_taken_and_the_other_server_ignored() {
    let mut world = World::at(State::Requesting);
    let time = 3600_u32.to_be_bytes();
    let transaction = world.last.transaction;
    for kind in [MessageType::Nak, MessageType::Ack] {
        let other = reply(
            transaction,
            kind,
            OTHER,
            Ipv4Addr::new(198, 51, 100, 99),
            &usual(&time),
        );
        assert_eq!(
            world.client.handle(&other, OTHER, world.now),
            Heard::Refused(OTHER, Refusal::OtherServer)
        );
    }
    assert_eq!(world.answer(MessageType::Ack, &usual(&time)), Heard::Taken);
    world.poll();
    world.client.probed(false, world.now);
    assert_eq!(world.poll(), [Action::Use(lease())]);
}

#[test]
fn a_server_without_an_identifier_is_known_by_the_address_that_it_sends_from() {
    let mut world = World::at(State::Selecting);
    let mut offer = reply(
        world.last.transaction,
        MessageType::Offer,
        SERVER,
        OFFERED,
        &usual(&60_u32.to_be_bytes()),
    );
    // The identifier follows the message type; pads take its place.
    const MESSAGE_TYPE_LEN: usize = 3;
    const IDENTIFIER_LEN: usize = 6;
    offer[field::OPTIONS][MESSAGE_TYPE_LEN..][..IDENTIFIER_LEN].fill(0);
    assert_eq!(world.client.handle(&offer, OTHER, world.now), Heard::Taken);
    world.poll();
    assert_eq!(world.last.server, Some(OTHER));
}

#[test]
fn a_renewal_keeps_what_the_answer_leaves_out_and_takes_over_what_it_changes() {
    let time = 3600_u32.to_be_bytes();
    for state in [State::Renewing, State::Rebinding, State::Rebooting] {
        let mut world = World::at(state);
        assert_eq!(
            world.answer(MessageType::Ack, &usual(&time)[..1]),
            Heard::Taken
        );
        world.poll();
        world.client.probed(false, world.now);
        let actions = world.poll();
        assert!(
            actions.is_empty() || actions == [Action::Use(lease())],
            "{state:?}: {actions:?}"
        );
        assert_eq!(world.client.state(), State::Bound);
    }
    let mut world = World::at(State::Renewing);
    let changed = [
        edge_dhcp::DhcpOption::Unrecognized(3, &[198, 51, 100, 9]),
        edge_dhcp::DhcpOption::Unrecognized(6, &[8; 4]),
    ];
    world.answer(MessageType::Ack, &changed);
    let dns_servers = [Ipv4Addr::new(8, 8, 8, 8)].into_iter().collect();
    let expected = Lease {
        gateway: Some(Ipv4Addr::new(198, 51, 100, 9)),
        dns_servers,
        ..lease()
    };
    assert_eq!(world.poll(), [Action::Use(expected)]);
}

/// The old address stays until the new one is known to be free.
#[test]
fn a_renewal_may_bring_another_address() {
    let mut world = World::at(State::Renewing);
    let other = Ipv4Addr::new(198, 51, 100, 70);
    let ack = reply(
        world.last.transaction,
        MessageType::Ack,
        SERVER,
        other,
        &usual(&3600_u32.to_be_bytes()),
    );
    assert_eq!(world.hear(&ack), Heard::Taken);
    assert_eq!(world.poll(), [Action::Probe(other)]);
    world.client.probed(false, world.now);
    let [Action::Use(lease)] = &world.poll()[..] else {
        panic!("a lease")
    };
    assert_eq!(lease.address.address(), other);
}

#[test]
fn any_server_may_answer_a_rebinding_and_is_the_one_that_is_asked_next() {
    let mut world = World::at(State::Rebinding);
    let ack = reply(
        world.last.transaction,
        MessageType::Ack,
        OTHER,
        OFFERED,
        &usual(&60_u32.to_be_bytes()),
    );
    assert_eq!(world.client.handle(&ack, OTHER, world.now), Heard::Taken);
    world.run_until(
        world
            .now
            .saturating_add(core::time::Duration::from_secs(31)),
    );
    assert_eq!(
        (world.client.state(), world.last.to),
        (State::Renewing, Some(OTHER))
    );
}
