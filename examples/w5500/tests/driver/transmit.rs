//! The way out, and both ways at once.

use crate::model::{Board, MILLISECOND, Setup, frame};

/// Sends `frames`, as fast as the driver takes them.
fn send_all(board: &mut Board, frames: &[Vec<u8>]) {
    for frame in frames {
        while !board.send(frame) {
            let now = board.now();
            board.run_for(1000);
            assert!(board.now() > now);
        }
    }
    board.run_for(10 * MILLISECOND);
}

#[test]
fn frames_of_every_length_are_sent_whole_and_in_order() {
    for poll_limit in [Some(0), Some(64), Some(2000)] {
        let mut board = Board::up_with::<4, 4>(Setup {
            poll_limit,
            ..Setup::default()
        });
        let frames: Vec<_> = [14, 15, 42, 59, 60, 64, 65, 1513, 1514]
            .map(|length| frame(length, length))
            .into();
        send_all(&mut board, &frames);
        assert_eq!(board.chip().sent, frames);
        let bytes: usize = frames.iter().map(Vec::len).sum();
        assert_eq!(
            (board.counters().sent, board.counters().sent_bytes),
            (9, bytes as u64)
        );
    }
}

#[test]
fn frames_too_short_for_a_header_never_reach_the_chip() {
    let mut board = Board::up();
    let frames = [0, 1, 13].map(|length| frame(1, length));
    send_all(&mut board, &frames);
    assert!(board.chip().accesses.iter().all(|access| access.block != 2));
    assert_eq!(
        (board.counters().sent, board.counters().unsent_runts),
        (0, 3)
    );
}

#[test]
fn the_buffer_and_the_pointers_wrap_wherever_a_frame_lies() {
    for first in 60..130 {
        let mut board = Board::up();
        let frames: Vec<_> = (0..50)
            .map(|number| frame(number, if number == 0 { first } else { 1514 }))
            .collect();
        send_all(&mut board, &frames);
        assert!(board.chip().sent == frames, "behind one of {first} bytes");
    }
}

#[test]
fn a_slow_wire_is_waited_for_without_polling_it() {
    let mut board = Board::up();
    board.chip().megabits = 10;
    let frames: Vec<_> = (0..20).map(|number| frame(number, 1514)).collect();
    let (start, polls) = (board.now(), board.polls);
    send_all(&mut board, &frames);
    assert_eq!(board.chip().sent, frames);
    let wire = 20 * (1514 + 24) * 8 * 100;
    assert!(
        board.now() - start - 10 * MILLISECOND < wire + wire / 20,
        "the wire idled"
    );
    assert!(
        board.polls - polls < 20 * 6 + 20,
        "{} polls for 20 frames",
        board.polls - polls
    );
    // Where nothing waits for it, no frame that is gone wakes the driver.
    assert_eq!(board.chip().interrupt_mask(), 4);
}

#[test]
fn a_frame_that_is_gone_just_before_it_is_waited_for_holds_up_nothing() {
    let mut board = Board::up();
    board.chip().megabits = 10;
    // Such a first frame takes the wire about as long as the second takes the bus.
    for length in 430..500 {
        board.chip().sent.clear();
        let start = board.now();
        assert!(board.send(&frame(1, length)) && board.send(&frame(2, 1514)));
        while board.chip().sent.len() < 2 {
            assert!(board.step(start + 5 * MILLISECOND), "behind {length} bytes");
        }
    }
}

#[test]
fn a_slow_wire_does_not_hold_up_what_is_received() {
    let mut board = Board::up();
    board.chip().megabits = 10;
    let start = board.now();
    for number in 0..20 {
        board
            .chip()
            .arrive_at(start + number as u64 * 200_000, frame(number, 60));
    }
    for number in 0..4 {
        board.send(&frame(number, 1514));
    }
    let received = board.receive_for(4 * MILLISECOND);
    assert_eq!(
        received,
        (0..20).map(|number| frame(number, 60)).collect::<Vec<_>>()
    );
}

#[test]
fn a_slow_wire_and_a_stack_that_takes_nothing_leave_the_driver_asleep() {
    let mut board = Board::up();
    board.chip().megabits = 10;
    for number in 0..15 {
        board.chip().receive(&frame(number, 1000));
    }
    for number in 0..4 {
        board.send(&frame(number, 1514));
    }
    let (polls, now) = (board.polls, board.now());
    board.chip().arrive_at(now + 500_000, frame(20, 1000));
    board.run_for(20 * MILLISECOND);
    assert_eq!(board.chip().sent.len(), 4);
    assert!(board.polls - polls < 40, "{} polls", board.polls - polls);
    let accesses = board.take_accesses().len();
    assert!(accesses < 60, "{accesses} accesses");
}

/// Both directions always have more to do. Returns how many frames each moved in 200 ms.
fn saturate(length: usize, poll_limit: usize) -> (u64, u64) {
    let mut board = Board::up_with::<4, 4>(Setup {
        poll_limit: Some(poll_limit),
        ..Setup::default()
    });
    let end = board.now() + 200 * MILLISECOND;
    let before = board.counters();
    loop {
        while board.chip().rx_size() < 14_000 {
            board.chip().receive(&frame(1, length));
        }
        while board.receive().is_some() {}
        while board.send(&frame(2, length)) {}
        if !board.step(end) {
            break;
        }
    }
    let after = board.counters();
    (after.received - before.received, after.sent - before.sent)
}

#[test]
fn both_directions_saturated_are_served_one_to_one() {
    for length in [60, 300, 1514] {
        for poll_limit in [0, 64] {
            let (received, sent) = saturate(length, poll_limit);
            assert!(
                received.abs_diff(sent) <= 8,
                "{length} bytes: {received} in, {sent} out"
            );
            // The bytes of the frames alone take that share of the bus, at least.
            let busy = (received + sent) * (length as u64) * crate::model::chip::BYTE;
            assert!(
                busy > 200 * MILLISECOND / 2,
                "{length} bytes: {received} in, {sent} out"
            );
        }
    }
}

#[test]
fn full_length_frames_fill_the_bus() {
    let (received, sent) = saturate(1514, 64);
    let busy = (received + sent) * 1514 * crate::model::chip::BYTE;
    assert!(busy > 200 * MILLISECOND * 97 / 100, "{busy} ns of 200 ms");
}

#[test]
fn what_is_received_is_not_held_up_by_a_stack_that_always_sends() {
    let mut board = Board::up();
    let end = board.now() + 50 * MILLISECOND;
    let arrival = board.now() + 20 * MILLISECOND;
    board.chip().arrive_at(arrival, frame(7, 60));
    while board.receive().is_none() {
        while board.send(&frame(2, 1514)) {}
        assert!(board.step(end), "never received");
    }
    // One frame of 1514 bytes was under way at most.
    let late = board.now() - arrival;
    assert!(late < 1600 * crate::model::chip::BYTE, "{late} ns");
}
