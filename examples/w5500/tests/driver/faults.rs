//! Chips that are missing, wedged, or say what cannot be.

use crate::model::{Board, Failing, MAC, MILLISECOND, Setup, frame};
use embassy_net_driver::Driver;
use nat_w5500::Fault;

/// Both ways work.
fn assert_works(board: &mut Board) {
    assert!(board.is_link_up());
    let sent = board.chip().sent.len();
    board.chip().receive(&frame(1, 60));
    assert!(board.send(&frame(2, 60)));
    assert_eq!(board.receive_for(5 * MILLISECOND), [frame(1, 60)]);
    assert_eq!(board.chip().sent.split_off(sent), [frame(2, 60)]);
}

/// Within 250 ms the chip is found to be wedged; within a second from then it works again.
fn assert_reset(board: &mut Board, fault: Fault) {
    let resets = board.chip().hardware_resets;
    let end = board.now() + 250 * MILLISECOND;
    while board.last_fault().is_none() {
        assert!(board.step(end), "not found out: {fault:?}");
    }
    assert_eq!(board.last_fault(), Some(fault));
    assert!(!board.is_link_up());
    board.run_for(1000 * MILLISECOND);
    assert_eq!(board.counters().resets, 1, "{fault:?}");
    assert_eq!(board.chip().hardware_resets, resets + 1);
    assert_works(board);
}

#[test]
fn the_chip_gets_all_buffers_its_address_and_the_filter() {
    let board = Board::up();
    assert_eq!(board.chip().mac(), MAC);
    assert_eq!(board.chip().mode(), 0xb4);
    // That the buffers are 16 KiB is checked by the model when the socket is opened.
    assert_eq!(board.chip().hardware_resets, 1);
}

#[test]
fn a_chip_that_is_missing_at_boot_is_found_when_it_comes() {
    let mut board = Board::new::<4, 4>(Setup::default());
    board.chip().present = false;
    board.run_for(3000 * MILLISECOND);
    assert!(!board.is_link_up());
    assert!(
        (4..=8).contains(&board.counters().failed_starts),
        "{:?}",
        board.counters()
    );
    assert_eq!(
        (board.counters().resets, board.last_fault()),
        (0, Some(Fault::Absent))
    );
    board.chip().present = true;
    board.run_for(700 * MILLISECOND);
    assert_works(&mut board);
}

#[test]
fn the_link_is_seen_to_go_and_to_come() {
    let mut board = Board::up();
    board.chip().link = false;
    board.run_for(101 * MILLISECOND);
    assert!(!board.is_link_up());
    assert!(board.send(&frame(1, 60)));
    board.run_for(MILLISECOND);
    assert_eq!(
        (board.counters().unsent_link_down, board.counters().sent),
        (1, 0)
    );
    board.chip().link = true;
    board.run_for(101 * MILLISECOND);
    assert_works(&mut board);
    assert_eq!((board.counters().link_ups, board.counters().resets), (2, 0));
}

#[test]
fn frames_are_received_without_the_interrupt_line_though_late() {
    let mut board = Board::up();
    board.chip().receive(&frame(1, 60));
    // As if the driver had not seen it.
    board.chip().clear_interrupts();
    assert_eq!(board.receive_for(101 * MILLISECOND), [frame(1, 60)]);
}

#[test]
fn a_chip_that_vanishes_is_reset_and_waited_for() {
    let mut board = Board::up();
    board.chip().present = false;
    board.run_for(2000 * MILLISECOND);
    assert!(!board.is_link_up());
    assert_eq!(board.counters().resets, 1);
    board.chip().present = true;
    board.chip().reset();
    board.run_for(700 * MILLISECOND);
    assert_works(&mut board);
}

#[test]
fn a_chip_of_another_version_is_reset() {
    let mut board = Board::up();
    board.chip().set_version(0x55);
    assert_reset(&mut board, Fault::Version);
}

#[test]
fn a_socket_that_closed_is_opened_again_by_a_reset() {
    let mut board = Board::up();
    board.chip().close_socket();
    assert_reset(&mut board, Fault::Socket);
}

#[test]
fn a_send_that_never_ends_is_ended_by_a_reset_and_its_frames_are_counted() {
    let mut board = Board::up();
    board.chip().mute = true;
    for number in 0..3 {
        assert!(board.send(&frame(number, 60)));
    }
    assert_reset(&mut board, Fault::Send);
    let counters = board.counters();
    // One was under way, one was in the buffer, and the third was sent afterwards or dropped with
    // the link.
    assert_eq!((counters.unsent_reset, counters.send_timeouts), (2, 1));
    assert_eq!(counters.sent - 1 + counters.unsent_link_down, 1 + 1);
}

#[test]
fn a_command_that_is_not_taken_is_found_out() {
    let mut board = Board::up();
    board.chip().keeps_commands = true;
    assert!(board.send(&frame(1, 60)));
    assert_reset(&mut board, Fault::Command);
}

#[test]
fn a_chip_that_reset_itself_is_set_up_again() {
    let mut board = Board::up();
    assert_works(&mut board);
    board.chip().reset();
    assert_reset(&mut board, Fault::Socket);
    assert_eq!(board.chip().mac(), MAC);
}

#[test]
fn pointers_that_make_no_sense_reset_the_chip() {
    let mut board = Board::up();
    board.chip().set_rx_write(0x9000);
    assert_reset(&mut board, Fault::Pointers);
}

#[test]
fn a_buffer_that_never_holds_frames_resets_the_chip() {
    let mut board = Board::up();
    for _ in 0..4 {
        board.chip().receive_raw(&[0xff; 80]);
        board.run_for(MILLISECOND);
    }
    assert_eq!(
        (board.counters().resyncs, board.counters().discarded_bytes),
        (3, 4 * 80)
    );
    assert_reset(&mut board, Fault::Framing);
}

#[test]
fn an_interrupt_that_cannot_be_taken_back_resets_the_chip() {
    let mut board = Board::up();
    board.chip().int_stuck = true;
    board.chip().show_interrupt();
    assert_reset(&mut board, Fault::Interrupt);
}

#[test]
fn a_chip_that_does_not_keep_its_registers_is_not_taken_for_a_working_one() {
    let mut board = Board::new::<4, 4>(Setup::default());
    board.chip().deaf = true;
    board.run_for(2000 * MILLISECOND);
    assert!(!board.is_link_up());
    assert_eq!(
        (board.counters().resets, board.last_fault()),
        (0, Some(Fault::Absent))
    );
    board.chip().deaf = false;
    board.run_for(700 * MILLISECOND);
    assert_works(&mut board);
}

#[test]
fn pointers_that_start_from_zero_reset_the_chip() {
    let mut board = Board::up();
    assert_works(&mut board);
    board.chip().rewind();
    board.chip().receive(&frame(1, 60));
    assert_reset(&mut board, Fault::Pointers);
}

#[test]
fn an_error_in_the_middle_of_an_access_resets_the_chip_once() {
    let mut board = Board::up();
    board.spi_fails.set(Failing::Received);
    board.chip().receive(&frame(1, 60));
    board.run_for(MILLISECOND);
    board.spi_fails.set(Failing::None);
    // The model notes it if the chip is still selected when it is selected again.
    assert_reset(&mut board, Fault::Bus);
}

#[test]
fn an_error_on_the_bus_resets_the_chip_once() {
    let mut board = Board::up();
    board.spi_fails.set(Failing::All);
    board.chip().receive(&frame(1, 60));
    board.run_for(MILLISECOND);
    assert!(!board.is_link_up());
    board.spi_fails.set(Failing::None);
    assert_eq!(
        (board.last_fault(), board.counters().bus_errors),
        (Some(Fault::Bus), 1)
    );
    assert_reset(&mut board, Fault::Bus);
}

#[test]
fn a_wedged_chip_is_not_reset_more_than_twice_a_second() {
    let mut board = Board::up();
    board.spi_fails.set(Failing::All);
    let resets = board.chip().hardware_resets;
    board.run_for(10_000 * MILLISECOND);
    assert!(board.chip().hardware_resets - resets <= 20);
    assert!(board.polls < 1000, "{} polls", board.polls);
    board.spi_fails.set(Failing::None);
    board.run_for(1000 * MILLISECOND);
    assert_works(&mut board);
}

#[test]
fn the_device_says_what_it_is() {
    let board = Board::up();
    assert_eq!(board.device.capabilities().max_transmission_unit, 1514);
    assert!(matches!(
        board.device.hardware_address(),
        embassy_net_driver::HardwareAddress::Ethernet(MAC)
    ));
}
