//! The way in.

use crate::model::{Board, MAC, MILLISECOND, Setup, frame};
use nat_w5500::Filter;

#[test]
fn a_burst_of_100_frames_is_drained_with_one_interrupt() {
    let mut board = Board::up();
    let falls = board.chip().int_falls;
    for number in 0..100 {
        board.chip().receive(&frame(number, 60));
    }
    let received = board.receive_for(20 * MILLISECOND);
    assert_eq!(
        received,
        (0..100).map(|number| frame(number, 60)).collect::<Vec<_>>()
    );
    assert_eq!(board.chip().int_falls - falls, 1);
    assert_eq!(board.chip().rx_size(), 0);
}

#[test]
fn frames_that_come_while_others_are_read_are_not_left_behind() {
    let mut board = Board::up();
    let start = board.now();
    for number in 0..100 {
        board
            .chip()
            .arrive_at(start + number as u64 * 6_720, frame(number, 60));
    }
    let received = board.receive_for(90 * MILLISECOND);
    assert_eq!(received.len() as u64 + board.chip().overruns, 100);
    assert_eq!(board.chip().overruns, 0);
    assert_eq!(board.chip().rx_size(), 0);
}

#[test]
fn frames_of_every_length_are_handed_up_or_skipped_and_counted() {
    for limit in [0, 64] {
        let mut board = Board::up_with::<4, 4>(Setup {
            poll_limit: Some(limit),
            ..Setup::default()
        });
        for length in (0..=20).chain([
            59, 60, 61, 63, 64, 65, 1513, 1514, 1515, 1517, 1518, 1519, 1522, 1600, 9000,
        ]) {
            let before = board.counters();
            board.chip().receive(&frame(length, length));
            board.chip().receive(&frame(1, 60));
            let received = board.receive_for(5 * MILLISECOND);
            let counters = board.counters();
            let fits = (14..=1518).contains(&length);
            let expected = if fits {
                vec![frame(length, length), frame(1, 60)]
            } else {
                vec![frame(1, 60)]
            };
            assert_eq!(received, expected, "{length} bytes");
            assert_eq!(
                counters.runts - before.runts,
                u64::from(length < 14),
                "{length} bytes"
            );
            assert_eq!(
                counters.oversized - before.oversized,
                u64::from(length > 1518),
                "{length} bytes"
            );
            assert_eq!(
                counters.received_bytes - before.received_bytes,
                60 + if fits { length as u64 } else { 0 }
            );
        }
        assert_eq!((board.counters().resyncs, board.counters().resets), (0, 0));
    }
}

#[test]
fn a_length_word_that_cannot_be_costs_what_is_in_the_buffer_and_no_more() {
    for word in [0x0000u16, 0x0001, 0x0041, 0x0600, 0x4000, 0xffff] {
        let mut board = Board::up();
        board.chip().receive(&frame(1, 60));
        board
            .chip()
            .receive_raw(&[&word.to_be_bytes()[..], &[0xaa; 60]].concat());
        assert_eq!(
            board.receive_for(5 * MILLISECOND),
            [frame(1, 60)],
            "{word:#x}"
        );
        assert_eq!(
            (board.counters().resyncs, board.counters().discarded_bytes),
            (1, 62),
            "{word:#x}"
        );
        board.chip().receive(&frame(2, 60));
        assert_eq!(
            board.receive_for(5 * MILLISECOND),
            [frame(2, 60)],
            "{word:#x}"
        );
        assert_eq!(board.counters().resets, 0);
    }
}

#[test]
fn the_buffer_and_the_pointers_wrap_wherever_a_frame_lies() {
    for first in 60..130 {
        let mut board = Board::up();
        for number in 0..50 {
            let frame = frame(number, if number == 0 { first } else { 1514 });
            board.chip().receive(&frame);
            assert_eq!(
                board.receive_for(MILLISECOND),
                [frame],
                "frame {number} behind one of {first} bytes"
            );
        }
        assert!(board.counters().received_bytes + 2 * 50 > 0x1_0000);
    }
}

#[test]
fn only_frames_for_this_station_or_all_are_let_in_unless_all_are_wanted() {
    let to = |destination: [u8; 6], ethertype: [u8; 2]| {
        let mut frame = frame(1, 60);
        frame[..6].copy_from_slice(&destination);
        frame[12..14].copy_from_slice(&ethertype);
        frame
    };
    let ipv4 = [0x08, 0x00];
    let wanted = [to(MAC, ipv4), to([0xff; 6], ipv4)];
    let unwanted = [
        to([0x02, 0, 0, 0, 0, 0x99], ipv4),
        to([0x01, 0, 0x5e, 0, 0, 1], ipv4),
        to([0x33, 0x33, 0, 0, 0, 1], [0x86, 0xdd]),
        to(MAC, [0x86, 0xdd]),
    ];
    for filter in [Filter::Own, Filter::All] {
        let mut board = Board::up_with::<8, 4>(Setup {
            filter,
            ..Setup::default()
        });
        let now = board.now();
        for frame in wanted.iter().chain(&unwanted) {
            board.chip().arrive_at(now + 1000, frame.clone());
        }
        let expected: Vec<_> = match filter {
            Filter::Own => wanted.to_vec(),
            Filter::All => wanted.iter().chain(&unwanted).cloned().collect(),
        };
        assert_eq!(board.receive_for(5 * MILLISECOND), expected, "{filter:?}");
    }
}

#[test]
fn a_stack_that_takes_nothing_loses_nothing_that_the_chip_has_room_for() {
    let mut board = Board::up();
    for number in 0..100 {
        board.chip().receive(&frame(number, 60));
    }
    board.run_for(500 * MILLISECOND);
    let polls = board.polls;
    board.run_for(1000 * MILLISECOND);
    assert!(
        board.polls - polls <= 11,
        "woken {} times in a second with nothing to do",
        board.polls - polls
    );
    assert_eq!(board.receive_for(20 * MILLISECOND).len(), 100);
}
