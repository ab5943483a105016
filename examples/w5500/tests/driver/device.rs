//! What the stack or the router sees of the driver.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use std::sync::Arc;
use std::task::Wake;

use crate::model::{Board, MILLISECOND, Setup, frame};
use embassy_net_driver::{Driver, RxToken, TxToken};

#[derive(Default)]
struct Task(AtomicBool);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn was_woken(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Moves one frame as a router does that takes leave to transmit first, and copies.
fn forward(ingress: &mut Board, egress: &mut Board) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let Some(token) = egress.device.transmit(&mut cx) else {
        return false;
    };
    let Some((received, _)) = ingress.device.receive(&mut cx) else {
        return false;
    };
    received.consume(|from| token.consume(from.len(), |to| to.copy_from_slice(from)));
    true
}

/// Has a router forward all it can both ways for 200 ms. Returns how many frames went inwards and
/// outwards.
fn saturate(length: usize, wan_megabits: u64) -> [u64; 2] {
    let mut boards = [
        Board::up_with::<8, 8>(Setup::default()),
        Board::up_with::<8, 8>(Setup::default()),
    ];
    boards[1].chip().megabits = wan_megabits;
    let end = boards[0].now() + 200 * MILLISECOND;
    let before = boards.each_ref().map(|board| board.counters().sent);
    while boards.iter().any(|board| board.now() < end) {
        for board in &boards {
            while board.chip().rx_size() < 14_000 {
                board.chip().receive(&frame(1, length));
            }
        }
        let [lan, wan] = &mut boards;
        while forward(lan, wan) | forward(wan, lan) {}
        // By little, because what one board waits for may come from the other.
        let behind = if lan.now() <= wan.now() { lan } else { wan };
        let soon = behind.now() + 1000;
        behind.step(soon);
    }
    [0, 1].map(|at| boards[at].counters().sent - before[at])
}

#[test]
fn a_router_with_both_ways_saturated_serves_them_one_to_one() {
    for length in [60, 1514] {
        let [inwards, outwards] = saturate(length, 100);
        let difference = inwards.abs_diff(outwards);
        assert!(
            inwards > 200 && difference <= inwards / 50,
            "{length} bytes: {inwards} inwards, {outwards} outwards"
        );
    }
}

#[test]
fn a_transmit_queue_that_is_always_full_does_not_starve_what_is_received() {
    let [inwards, outwards] = saturate(1514, 10);
    assert!(
        inwards > 200 && outwards > 100,
        "{inwards} inwards, {outwards} outwards"
    );
}

#[test]
fn an_answer_without_room_is_dropped_and_counted_and_the_frame_it_answers_is_handed_up() {
    let mut board = Board::up();
    board.chip().receive(&frame(7, 60));
    board.run_for(MILLISECOND);
    while board.send(&frame(1, 60)) {}
    let (received, answer) = board
        .device
        .receive(&mut Context::from_waker(Waker::noop()))
        .expect("handed up");
    let handed_up = received.consume(|received| {
        answer.consume(1000, |room| assert_eq!(room.len(), 1000));
        received.to_vec()
    });
    assert_eq!(handed_up, frame(7, 60));
    assert!(board.receive().is_none());
    board.run_for(5 * MILLISECOND);
    assert_eq!(
        board.chip().sent,
        [frame(1, 60), frame(1, 60), frame(1, 60), frame(1, 60)]
    );
    assert_eq!(
        (board.counters().unsent_full, board.counters().sent),
        (1, 4)
    );
}

#[test]
fn an_answer_with_room_is_sent() {
    let mut board = Board::up();
    board.chip().receive(&frame(7, 60));
    board.run_for(MILLISECOND);
    let (received, answer) = board
        .device
        .receive(&mut Context::from_waker(Waker::noop()))
        .expect("handed up");
    received
        .consume(|received| answer.consume(received.len(), |room| room.copy_from_slice(received)));
    board.run_for(5 * MILLISECOND);
    assert_eq!(board.chip().sent, [frame(7, 60)]);
    assert_eq!(board.counters().unsent_full, 0);
}

#[test]
fn a_frame_that_is_not_consumed_stays_the_next() {
    let mut board = Board::up();
    board.chip().receive(&frame(7, 60));
    board.run_for(MILLISECOND);
    assert!(
        board
            .device
            .receive(&mut Context::from_waker(Waker::noop()))
            .is_some()
    );
    assert_eq!(board.receive(), Some(frame(7, 60)));
    assert_eq!(board.receive(), None);
}

#[test]
fn who_waits_for_a_frame_for_room_or_for_the_link_is_woken_once_it_is_there() {
    let mut board = Board::up();
    let [frames, room, link] = [(); 3].map(|()| Arc::new(Task::default()));
    let wakers = [&frames, &room, &link].map(|task| Waker::from(task.clone()));
    let [mut frames_cx, mut room_cx, mut link_cx] = wakers.each_ref().map(Context::from_waker);
    assert!(board.device.receive(&mut frames_cx).is_none());
    while board.send(&frame(1, 60)) {}
    assert!(board.device.transmit(&mut room_cx).is_none());
    board.device.link_state(&mut link_cx);
    assert_eq!(
        [&frames, &room, &link].map(|task| task.was_woken()),
        [false; 3]
    );
    board.run_for(MILLISECOND);
    assert_eq!(
        [&frames, &room, &link].map(|task| task.was_woken()),
        [false, true, false]
    );
    board.chip().receive(&frame(2, 60));
    board.run_for(MILLISECOND);
    assert_eq!(
        [&frames, &room, &link].map(|task| task.was_woken()),
        [true, false, false]
    );
    board.chip().link = false;
    board.run_for(101 * MILLISECOND);
    assert_eq!(
        [&frames, &room, &link].map(|task| task.was_woken()),
        [false, false, true]
    );
}
