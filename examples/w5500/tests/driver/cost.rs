//! What a frame costs on the bus: accesses, and bytes with their headers. The README tells these
//! figures.

use crate::model::chip::Access;
use crate::model::{Board, MILLISECOND, Setup, frame};

const SOCKET: u8 = 1;
const TX: u8 = 2;
const RX: u8 = 3;

fn read(block: u8, offset: u16, bytes: u64) -> Access {
    Access {
        block,
        offset,
        write: false,
        bytes,
    }
}

fn write(block: u8, offset: u16, bytes: u64) -> Access {
    Access {
        block,
        offset,
        write: true,
        bytes,
    }
}

fn bytes(accesses: &[Access]) -> u64 {
    accesses.iter().map(|access| access.bytes).sum()
}

#[test]
fn one_received_frame_takes_6_accesses_and_32_bytes_beside_its_own() {
    let mut board = Board::up();
    board.chip().receive(&frame(1, 60));
    board.receive_for(MILLISECOND);
    let accesses = board.take_accesses();
    let expected = [
        write(SOCKET, 0x02, 4),  // take back the interrupt
        read(SOCKET, 0x26, 9),   // how much is there
        read(RX, 0, 3 + 2 + 60), // length word and frame
        write(SOCKET, 0x28, 5),  // give the room back
        write(SOCKET, 0x01, 4),  // RECV
        read(SOCKET, 0x26, 5),   // nothing more
    ];
    assert_eq!(accesses, expected);
    assert_eq!(bytes(&accesses), 60 + 32);
}

#[test]
fn a_frame_of_a_burst_takes_one_access_and_5_bytes_beside_its_own() {
    let mut board = Board::up_with::<32, 4>(Setup::default());
    for number in 0..20 {
        board.chip().receive(&frame(number, 60));
    }
    board.run_for(MILLISECOND);
    let accesses = board.take_accesses();
    assert_eq!(
        accesses.iter().filter(|access| access.block == RX).count(),
        20
    );
    assert_eq!(accesses.len(), 20 + 5);
    assert_eq!(bytes(&accesses), 20 * (60 + 5) + 27);
}

#[test]
fn room_is_given_back_for_each_4_kib_of_a_burst() {
    let mut board = Board::up_with::<32, 4>(Setup::default());
    for number in 0..12 {
        board.chip().receive(&frame(number, 1300));
    }
    board.run_for(20 * MILLISECOND);
    let gives = board
        .take_accesses()
        .iter()
        .filter(|access| **access == write(SOCKET, 0x01, 4))
        .count();
    assert_eq!((board.counters().received, gives), (12, 3));
}

#[test]
fn one_sent_frame_takes_3_accesses_and_12_bytes_beside_its_own() {
    let mut board = Board::up();
    board.send(&frame(1, 60));
    board.run_for(MILLISECOND);
    let accesses = board.take_accesses();
    assert_eq!(
        accesses,
        [
            write(TX, 0, 3 + 60),
            write(SOCKET, 0x24, 5),
            write(SOCKET, 0x01, 4)
        ]
    );
    assert_eq!(bytes(&accesses), 60 + 12);
}

#[test]
fn a_sent_frame_after_another_takes_4_accesses_and_17_bytes_beside_its_own() {
    let mut board = Board::up();
    for length in [60, 1514] {
        board.send(&frame(1, length));
        board.run_for(MILLISECOND);
        board.take_accesses();
        for number in 0..4 {
            board.send(&frame(number, length));
        }
        board.run_for(4 * MILLISECOND);
        let accesses = board.take_accesses();
        assert_eq!(accesses.len(), 4 * 4);
        assert_eq!(bytes(&accesses), 4 * (length as u64 + 17));
    }
}

#[test]
fn a_quiet_second_takes_30_accesses_and_10_wakes() {
    let mut board = Board::up();
    board.run_for(200 * MILLISECOND);
    board.take_accesses();
    let polls = board.polls;
    board.run_for(1000 * MILLISECOND);
    let accesses = board.take_accesses();
    assert_eq!(accesses.len(), 10 * 3);
    assert_eq!(bytes(&accesses), 10 * (15 + 6 + 5));
    assert_eq!(board.polls - polls, 10);
}
