//! When the client sends.

use edge_dhcp::{DhcpOption, MessageType};

use super::super::machine::{Action, State};
use super::world::*;
use std::vec::Vec;

/// When messages left, in milliseconds, and what `secs` said.
fn sent(happened: &[Happened]) -> Vec<(u64, u16)> {
    happened
        .iter()
        .filter_map(|what| match what {
            Happened::Sent(at, sent) => Some((*at, sent.secs)),
            Happened::Done(..) => None,
        })
        .collect()
}

/// RFC 2131 section 4.1.
#[test]
fn without_an_answer_the_wait_doubles_from_4_to_64_seconds_each_up_to_a_second_off() {
    let mut waits = Vec::new();
    for seed in 0..20 {
        let mut world = World::with_seed(seed);
        let sent = sent(&world.run_until(seconds(600)));
        let gaps: Vec<_> = sent.windows(2).map(|two| two[1].0 - two[0].0).collect();
        for (gap, wait) in gaps.iter().zip([4_u64, 8, 16, 32, 64, 64, 64]) {
            assert!(
                (wait * 1000 - 1000..=wait * 1000 + 1000).contains(gap),
                "seed {seed}: {gaps:?}"
            );
        }
        assert!(
            sent.iter().all(|(at, secs)| at / 1000 == u64::from(*secs)),
            "{sent:?}"
        );
        waits.extend(gaps.first().copied());
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(
        waits.len() > 15,
        "clients that start together do not ask together: {waits:?}"
    );
}

#[test]
fn a_discover_and_its_repetitions_are_one_exchange_and_the_next_is_another() {
    let transactions = |happened: Vec<Happened>| {
        let mut seen: Vec<_> = happened
            .into_iter()
            .filter_map(|what| {
                if let Happened::Sent(_, sent) = what {
                    Some(sent.transaction)
                } else {
                    None
                }
            })
            .collect();
        seen.dedup();
        seen
    };
    let mut world = World::new();
    let first = transactions(world.run_until(seconds(200)));
    assert_eq!(first.len(), 1);
    world.client.set_link(false, world.now);
    world.client.set_link(true, world.now);
    let second = transactions(world.run_until(seconds(400)));
    assert!(second.len() == 1 && first != second);
}

#[test]
fn an_offer_whose_server_has_gone_is_asked_for_four_times() {
    let mut world = World::at(State::Requesting);
    let kinds = |happened: &[Happened]| -> Vec<_> {
        happened
            .iter()
            .filter_map(|what| {
                if let Happened::Sent(_, sent) = what {
                    sent.kind
                } else {
                    None
                }
            })
            .collect()
    };
    let kinds = kinds(&world.run_until(seconds(75)));
    let discover = kinds
        .iter()
        .position(|kind| *kind == MessageType::Discover)
        .expect("another try");
    assert_eq!(
        kinds[..discover],
        [MessageType::Request; 3],
        "after the first one"
    );
}

/// RFC 2131 section 4.4.5: after half of the time that is left, but no sooner than after 60 s.
#[test]
fn a_renewal_without_an_answer_halves_the_time_until_the_lease_ends() {
    let mut world = World::at(State::Bound);
    let happened = world.run_until(seconds(3700));
    let of = |to| -> Vec<u64> {
        happened
            .iter()
            .filter_map(|what| match what {
                Happened::Sent(at, sent) if sent.to == Some(to) && *at < 3_600_000 => {
                    Some(at / 1000)
                }
                _ => None,
            })
            .collect()
    };
    let (renewals, rebindings) = (of(SERVER), of(ALL));
    assert!((1743..=1800).contains(&renewals[0]), "{renewals:?}");
    assert!(
        renewals.windows(2).all(|two| two[1] - two[0] >= 60),
        "{renewals:?}"
    );
    assert!(
        (4..=6).contains(&renewals.len()) && *renewals.last().unwrap() < 3150,
        "{renewals:?}"
    );
    assert_eq!(rebindings, [3150, 3375, 3487, 3547]);
    let lost = happened
        .iter()
        .position(|what| *what == Happened::Done(3_600_000, Action::Suspend));
    let lost = lost.expect("the lease ends");
    assert!(
        matches!(&happened[lost + 1], Happened::Sent(3_600_000, sent) if sent.kind == Some(MessageType::Discover))
    );
    assert!(
        happened.contains(&Happened::Done(3_660_000, Action::Forget)),
        "a minute later"
    );
}

/// Whatever times a server gives, it is asked no more often than half of the lease, or once a
/// minute.
#[test]
fn odd_times_of_a_server_are_made_sane() {
    const EVER: u32 = u32::MAX;
    for (lease, t1, t2, renewal, rebinding, end) in [
        (3600, None, None, 1800, 3150, 3600),
        (3600, Some(100), Some(200), 100, 200, 3600),
        (600, Some(0), Some(500), 285, 500, 600),
        (3600, Some(1), Some(2), 60, 60, 3600),
        (3600, Some(3000), Some(1000), 571, 1000, 3600),
        (3600, Some(4000), Some(5000), 1800, 3150, 3600),
        (3600, Some(EVER), Some(EVER), 1800, 3150, 3600),
        (60, Some(5), None, 30, 52, 60),
        (30, None, None, 15, 26, 30),
        (1, None, None, 5, 8, 10),
        (0, Some(0), Some(0), 5, 8, 10),
        (EVER - 1, None, None, 2_147_483_647, 3_758_096_382, EVER - 1),
    ] {
        let mut world = World::at(State::Requesting);
        let given: [(u8, Option<u32>); 3] = [(51, Some(lease)), (58, t1), (59, t2)];
        let given: Vec<_> = given
            .iter()
            .filter_map(|(code, time)| Some((*code, (*time)?.to_be_bytes())))
            .collect();
        let options: Vec<_> = given
            .iter()
            .map(|(code, time)| DhcpOption::Unrecognized(*code, time))
            .collect();
        world.answer(MessageType::Ack, &options);
        world.poll();
        world.client.probed(false, world.now);
        world.poll();
        let named = (lease, t1, t2);
        let at = world.client.poll_at().unwrap().as_millis() / 1000;
        assert!(
            (renewal - renewal / 32 - 1..=renewal).contains(&at),
            "{named:?}: T1 {at}"
        );
        world.now = seconds(rebinding + 1);
        world.poll();
        assert_eq!(world.client.state(), State::Rebinding, "{named:?}");
        world.now = seconds(end.into());
        assert_eq!(world.poll().first(), Some(&Action::Suspend), "{named:?}");
    }
}

#[test]
fn a_lease_for_ever_is_never_renewed() {
    let mut world = World::at(State::Requesting);
    world.answer(
        MessageType::Ack,
        &[DhcpOption::Unrecognized(51, &[0xff; 4])],
    );
    world.poll();
    world.client.probed(false, world.now);
    world.poll();
    assert_eq!(
        (world.client.poll_at(), world.client.state()),
        (None, State::Bound)
    );
}

/// A server that refuses all requests is asked again once at once, and then later and later.
#[test]
fn refusals_in_a_row_double_the_wait() {
    let mut world = World::new();
    let mut discovers = Vec::new();
    while world.now < seconds(300) {
        world.poll();
        match world.last.kind {
            Some(MessageType::Discover) => {
                discovers.push(world.now.as_millis());
                world.answer(MessageType::Offer, &usual(&3600_u32.to_be_bytes()));
            }
            _ => drop(world.answer(MessageType::Nak, &[])),
        }
        world.now = world.client.poll_at().unwrap().max(world.now);
    }
    let gaps: Vec<_> = discovers.windows(2).map(|two| two[1] - two[0]).collect();
    for (gap, wait) in gaps.iter().zip([0_u64, 4, 8, 16, 32, 64, 64]) {
        let range = (wait * 1000).saturating_sub(1000)..=wait * 1000 + 1000;
        assert!(range.contains(gap), "{gaps:?}");
    }
}

/// The link goes down for a moment: the address from before is asked for first.
#[test]
fn after_an_interruption_the_address_is_asked_for_again_and_then_looked_for() {
    let mut world = World::at(State::Bound);
    world.client.set_link(false, world.now);
    assert_eq!(world.poll(), [Action::Suspend]);
    world.now = seconds(5);
    world.client.set_link(true, world.now);
    world.poll();
    assert_eq!(
        (world.last.kind, world.last.asked, world.last.server),
        (Some(MessageType::Request), Some(OFFERED), None)
    );
    world.run_until(seconds(11));
    assert_eq!(
        (world.last.kind, world.last.asked),
        (Some(MessageType::Discover), Some(OFFERED))
    );
    let happened = world.run_until(seconds(70));
    assert!(
        happened.contains(&Happened::Done(60_000, Action::Forget)),
        "the sessions end: {happened:?}"
    );
}

#[test]
fn an_address_that_is_back_within_a_minute_is_not_forgotten() {
    let mut world = World::at(State::Rebooting);
    assert_eq!(
        world.answer(MessageType::Ack, &usual(&3600_u32.to_be_bytes())),
        super::super::machine::Heard::Taken
    );
    world.poll();
    world.client.probed(false, world.now);
    let happened = world.run_until(seconds(600));
    assert!(
        matches!(&happened[..], [Happened::Done(_, Action::Use(_))]),
        "{happened:?}"
    );
}

#[test]
fn while_the_link_is_down_nothing_is_asked() {
    for state in [
        State::Selecting,
        State::Requesting,
        State::Probing,
        State::Renewing,
        State::Rebinding,
        State::Init,
    ] {
        let mut world = World::at(state);
        world.client.set_link(false, world.now);
        let end = world
            .now
            .saturating_add(core::time::Duration::from_secs(10_000));
        assert_eq!(sent(&world.run_until(end)), [], "{state:?}");
    }
}
