//! RFC 2131 figure 5: every state against every message.

use edge_dhcp::MessageType;

use super::super::lease::Refusal;
use super::super::machine::{Action, Heard, State};
use super::world::*;
use crate::dhcp::field;

const STATES: [State; 10] = [
    State::Down,
    State::Released,
    State::Init,
    State::Selecting,
    State::Requesting,
    State::Rebooting,
    State::Probing,
    State::Bound,
    State::Renewing,
    State::Rebinding,
];

const KINDS: [MessageType; 8] = [
    MessageType::Discover,
    MessageType::Offer,
    MessageType::Request,
    MessageType::Decline,
    MessageType::Ack,
    MessageType::Nak,
    MessageType::Release,
    MessageType::Inform,
];

/// The state after a message of the chosen server, and of another one. Where it is not named,
/// nothing changes.
fn expected(state: State, kind: MessageType, chosen: bool) -> (State, Heard) {
    let server = if chosen { SERVER } else { OTHER };
    let other = (state, Heard::Refused(OTHER, Refusal::OtherServer));
    match (state, kind) {
        (State::Selecting, MessageType::Offer) => (State::Requesting, Heard::Taken),
        // Asked of one server.
        (State::Requesting | State::Renewing, MessageType::Ack | MessageType::Nak) if !chosen => {
            other
        }
        (State::Requesting | State::Rebooting, MessageType::Ack) => (State::Probing, Heard::Taken),
        (State::Renewing | State::Rebinding, MessageType::Ack) => (State::Bound, Heard::Taken),
        (
            State::Requesting | State::Rebooting | State::Renewing | State::Rebinding,
            MessageType::Nak,
        ) => (State::Init, Heard::Refused(server, Refusal::Nak)),
        _ => (state, Heard::Ignored),
    }
}

#[test]
fn every_state_takes_the_messages_of_figure_5_and_ignores_all_others() {
    let time = 3600_u32.to_be_bytes();
    for state in STATES {
        for kind in KINDS {
            for chosen in [true, false] {
                let mut world = World::at(state);
                let server = if chosen { SERVER } else { OTHER };
                let message = reply(world.last.transaction, kind, server, OFFERED, &usual(&time));
                let heard = world.client.handle(&message, server, world.now);
                let seen = (world.client.state(), heard);
                assert_eq!(
                    seen,
                    expected(state, kind, chosen),
                    "{state:?} {kind:?} chosen: {chosen}"
                );
            }
        }
    }
}

#[test]
fn in_every_state_messages_of_other_exchanges_and_for_other_clients_are_ignored() {
    let time = 3600_u32.to_be_bytes();
    for state in STATES {
        for kind in [MessageType::Offer, MessageType::Ack, MessageType::Nak] {
            let mut world = World::at(state);
            let right = world.last.transaction;
            assert_eq!(
                world.hear(&reply(right ^ 1, kind, SERVER, OFFERED, &usual(&time))),
                Heard::Ignored
            );
            let mut message = reply(right, kind, SERVER, OFFERED, &usual(&time));
            message[field::CHADDR][5] ^= 1;
            assert_eq!(
                world.hear(&message),
                Heard::Ignored,
                "another hardware address"
            );
            assert_eq!(world.client.state(), state);
        }
    }
}

/// A lease in use ends where figure 5 says "halt network", and goes on where it does not.
#[test]
fn the_configuration_is_taken_away_by_a_nak_to_a_renewal_and_by_nothing_else() {
    let time = 3600_u32.to_be_bytes();
    for state in [State::Bound, State::Renewing, State::Rebinding] {
        for kind in KINDS {
            let mut world = World::at(state);
            world.hear(&reply(
                world.last.transaction,
                kind,
                SERVER,
                OFFERED,
                &usual(&time),
            ));
            let suspended = world.poll().contains(&Action::Suspend);
            assert_eq!(
                suspended,
                kind == MessageType::Nak && state != State::Bound,
                "{state:?} {kind:?}"
            );
        }
    }
}

/// RFC 2131 section 4.4.1 and 3.1 (5).
#[test]
fn an_address_in_use_is_declined_and_another_is_looked_for_after_ten_seconds() {
    let mut world = World::at(State::Probing);
    let begun = world.now;
    assert_eq!(
        world.client.probed(true, world.now),
        Heard::Refused(SERVER, Refusal::InUse)
    );
    let actions = world.poll();
    assert!(
        matches!(
            actions[..],
            [Action::Send {
                from: NOWHERE,
                to: ALL,
                ..
            }]
        ),
        "{actions:?}"
    );
    assert_eq!(world.last.kind, Some(MessageType::Decline));
    assert_eq!(
        (world.last.asked, world.last.server, world.last.current),
        (Some(OFFERED), Some(SERVER), None)
    );
    let codes: std::vec::Vec<_> = world.last.options.iter().map(|(code, _)| *code).collect();
    // RFC 2131 table 5.
    assert!(
        [50, 54, 61].iter().all(|code| codes.contains(code))
            && ![12, 55, 57].iter().any(|code| codes.contains(code))
    );
    let next = world.client.poll_at().unwrap();
    assert!(next.saturating_duration_since(begun).as_secs() >= 10);
    world.now = next;
    world.poll();
    assert_eq!(
        (world.last.kind, world.last.asked),
        (Some(MessageType::Discover), None)
    );
}

/// The probe goes on while the address is used already.
#[test]
fn an_address_that_turns_out_to_be_in_use_later_is_given_up_and_declined() {
    let mut world = World::at(State::Bound);
    world.client.probed(true, world.now);
    let actions = world.poll();
    assert!(
        matches!(
            actions[..],
            [
                Action::Send {
                    from: NOWHERE,
                    to: ALL,
                    ..
                },
                Action::Suspend
            ]
        ),
        "{actions:?}"
    );
    assert_eq!(world.last.kind, Some(MessageType::Decline));
    assert_eq!(world.client.state(), State::Init);
    let mut world = World::at(State::Bound);
    assert_eq!(world.client.probed(false, world.now), Heard::Ignored);
    assert_eq!(
        (world.poll().len(), world.client.state()),
        (0, State::Bound)
    );
}

/// RFC 2131 section 4.4.6.
#[test]
fn a_release_leaves_from_the_address_and_nothing_is_asked_any_more() {
    for state in [State::Bound, State::Renewing, State::Rebinding] {
        let mut world = World::at(state);
        world.client.release();
        let actions = world.poll();
        assert!(
            matches!(
                actions[..],
                [
                    Action::Send {
                        from: OFFERED,
                        to: SERVER,
                        ..
                    },
                    Action::Forget
                ]
            ),
            "{actions:?}"
        );
        assert_eq!(
            (world.last.kind, world.last.server),
            (Some(MessageType::Release), Some(SERVER))
        );
        assert_eq!(
            (world.last.current, world.last.asked),
            (Some(OFFERED), None)
        );
        world.client.set_link(false, world.now);
        world.client.set_link(true, world.now);
        assert_eq!(
            (world.client.poll_at(), world.client.state()),
            (None, State::Released)
        );
    }
    for state in [
        State::Down,
        State::Selecting,
        State::Requesting,
        State::Rebooting,
        State::Init,
    ] {
        let mut world = World::at(state);
        world.client.release();
        assert!(
            !world
                .poll()
                .iter()
                .any(|action| matches!(action, Action::Send { .. })),
            "nothing to give back"
        );
    }
}

#[test]
fn whatever_is_heard_leaves_the_client_able_to_get_a_lease() {
    use rand_core::Rng;
    let mut random = rand_pcg::Pcg32::new(1, 1);
    let time = 3600_u32.to_be_bytes();
    for _ in 0..20_000 {
        let mut world = World::at(STATES[random.next_u32() as usize % 3 + 3]);
        let kind = KINDS[random.next_u32() as usize % KINDS.len()];
        let mut message = reply(world.last.transaction, kind, SERVER, OFFERED, &usual(&time));
        for _ in 0..=random.next_u32() % 6 {
            let index = random.next_u32() as usize % message.len();
            match random.next_u32() % 4 {
                0 => message.truncate(index.max(1)),
                1 => message.extend([random.next_u32() as u8, random.next_u32() as u8]),
                _ => message[index] = random.next_u32() as u8,
            }
        }
        world.hear(&message);
        world.poll();
        assert!(
            world.client.poll_at().is_some(),
            "{:?}",
            world.client.state()
        );
    }
}
