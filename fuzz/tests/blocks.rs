//! Each named seed of `blocks` has the outcome of its name.

mod seeds;

const EXPECTED: &[(&str, &[&str])] = &[
    ("block_longer_than_announced", &["too long"]),
    ("block_longer_than_its_transfer", &["refused: Truncated"]),
    ("block_of_no_length", &["2 frames"]),
    ("block_of_no_length_with_bytes_behind", &["2 frames"]),
    ("block_shorter_than_its_frames", &["refused: DatagramPlace"]),
    (
        "both_ways",
        &[
            "2 frames",
            "3 to the host",
            "1 frame",
            "slept",
            "3 to the host",
        ],
    ),
    ("bytes_behind_the_block", &["2 frames"]),
    ("crc", &["refused: TableSignature"]),
    ("cut", &["refused: Truncated"]),
    ("cut_in_the_header", &["refused: Short"]),
    ("empty", &[""]),
    ("empty_packets", &["", "", "1 frame"]),
    ("first_table_at_the_end", &["refused: TablePlace"]),
    ("first_table_in_the_header", &["refused: TablePlace"]),
    ("first_table_outside", &["refused: TablePlace"]),
    ("form_of_32_bit", &["refused: BlockSignature"]),
    ("form_of_32_bit_with_crc", &["refused: BlockSignature"]),
    ("forty_frames", &["40 frames"]),
    ("forty_one_frames", &["refused: TooMany"]),
    ("frame_in_the_header", &["refused: DatagramPlace"]),
    ("frame_of_no_length", &["1 frame"]),
    ("frame_of_65535_bytes", &["refused: DatagramPlace"]),
    ("frame_one_byte_too_long", &["refused: DatagramPlace"]),
    ("frame_outside", &["refused: DatagramPlace"]),
    ("frame_over_its_table", &["2 frames"]),
    ("frame_that_is_not_aligned", &["2 frames"]),
    ("frames", &["3 frames"]),
    ("frames_behind_their_table", &["3 frames"]),
    ("frames_that_overlap", &["2 frames"]),
    (
        "full_packets_of_no_length_without_an_end",
        &["under way", "1 frame"],
    ),
    ("full_packets_with_a_byte_behind", &["1 frame", "1 frame"]),
    (
        "full_packets_with_a_header_behind",
        &["1 frame, refused: BlockSignature", "1 frame"],
    ),
    ("full_packets_with_an_empty_one", &["1 frame", "1 frame"]),
    ("full_packets_without_an_end", &["1 frame", "1 frame"]),
    ("header_of_16_bytes", &["refused: HeaderLength"]),
    (
        "longest_block_with_an_empty_packet",
        &["1 frame", "1 frame"],
    ),
    (
        "longest_block_without_an_empty_packet",
        &["1 frame", "1 frame"],
    ),
    ("longest_frame", &["1 frame"]),
    (
        "more_than_the_longest_block",
        &["1 frame, refused: BlockSignature", "1 frame"],
    ),
    ("next_table_in_a_frame", &["refused: TableSignature"]),
    ("next_table_outside", &["refused: TablePlace"]),
    ("no_frames", &["0 frames"]),
    (
        "no_place_for_a_frame_in_the_table",
        &["refused: TableLength"],
    ),
    ("noise", &["refused: BlockSignature"]),
    ("one_frame", &["1 frame"]),
    ("oversized", &["1 frame"]),
    (
        "reset_after_a_block_with_full_packets",
        &["1 frame", "reset", "refused: Short", "1 frame"],
    ),
    (
        "two_bytes_after_an_empty_packet",
        &["1 frame", "refused: Short", "1 frame"],
    ),
    (
        "two_bytes_after_a_block_with_full_packets",
        &["1 frame", "refused: Short", "1 frame"],
    ),
    ("reset_within_a_block", &["under way", "reset", "1 frame"]),
    ("runt", &["1 frame"]),
    ("sleep_within_a_block", &["under way", "slept", "1 frame"]),
    ("table_longer_than_the_block", &["refused: TablePlace"]),
    ("table_of_an_odd_length", &["refused: TableLength"]),
    ("table_that_is_not_aligned", &["1 frame"]),
    ("table_too_short", &["refused: TableLength"]),
    ("table_without_an_end", &["2 frames"]),
    ("tables_in_a_circle", &["refused: TableOrder"]),
    ("tables_that_go_back", &["refused: TableOrder"]),
    ("three_tables", &["3 frames"]),
    ("three_tables_behind_their_frames", &["3 frames"]),
    (
        "to_host",
        &[
            "3 to the host",
            "3 to the host",
            "3 to the host",
            "reset",
            "3 to the host",
        ],
    ),
    (
        "to_host_in_full_packets",
        &["3 to the host", "3 to the host", "3 to the host"],
    ),
    ("two_bytes", &["refused: Short"]),
    ("two_tables_with_the_same_frames", &["2 frames"]),
];

#[test]
fn every_seed_has_the_outcome_of_its_name() {
    seeds::check("blocks", nat_fuzz::blocks::run, EXPECTED);
}
