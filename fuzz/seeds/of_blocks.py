"""Seeds of `blocks`: one transfer of any bytes, or steps, as src/blocks reads them."""

import struct

from encode import *

STEPS = ["bytes", "block", "to_host", "reset", "sleep"]
FORMS = ["short", "short_with_crc", "long", "long_with_crc"]
ORDERS = ["before_frames", "behind_frames", "backward"]


def transfer(data):
    """The first byte is even."""
    return b"\0" + data


def steps(*list):
    return b"\1" + many(list)


def data(content, ended=True):
    return variant(STEPS, "bytes", many(u8(value) for value in content), flag(ended))


def block(*frames, form="short", tables=1, order="before_frames", alignment=2, open=False, changes=(), cut=None, padding=0, ended=True):
    fields = [
        variant(FORMS, form),
        many(u16(length) for length in frames),
        u8(tables - 1),
        variant(ORDERS, order),
        u8(alignment),
        flag(open),
        many(u16(at) + u16(value) for at, value in changes),
        NONE if cut is None else some(u16(cut)),
        u16(padding),
    ]
    return variant(STEPS, "block", *fields, flag(ended))


def to_host(length):
    return variant(STEPS, "to_host", u16(length))


RESET, SLEEP = variant(STEPS, "reset"), variant(STEPS, "sleep")


def table(*entries, next=0, length=None, signature=b"NCM0"):
    length = 8 + 4 * len(entries) if length is None else length
    return signature + struct.pack("<HH", length, next) + b"".join(struct.pack("<HH", *entry) for entry in entries)


def header(length, first=12, signature=b"NCMH", own=12, number=0):
    return signature + struct.pack("<HHHH", own, number, length, first)


END = (0, 0)
FRAME = bytes(range(60))
ONE = header(88) + table((28, 60), END) + FRAME
# Where its words are.
HEADER_LENGTH, LENGTH, FIRST_TABLE, TABLE_LENGTH, NEXT_TABLE, FIRST_AT, FIRST_LEN = 4, 8, 10, 16, 18, 20, 22


def lie(*changes):
    return steps(block(60, 60, changes=changes))


SEEDS = {
    "one_frame": transfer(ONE),
    "empty": transfer(b""),
    "two_bytes": transfer(b"NC"),
    "noise": transfer(bytes(range(7, 67))),
    "frames": steps(block(60, 61, 1514)),
    "frames_behind_their_table": steps(block(60, 61, 62, order="behind_frames")),
    "forty_frames": steps(block(*[20] * 40)),
    "forty_one_frames": steps(block(*[14] * 41)),
    "no_frames": lie((FIRST_AT, 0)),
    "no_place_for_a_frame_in_the_table": steps(block()),
    "runt": steps(block(13, 14)),
    "oversized": steps(block(1519, 60)),
    "longest_frame": steps(block(1518)),
    "three_tables": steps(block(60, 61, 62, tables=3)),
    "three_tables_behind_their_frames": steps(block(60, 61, 62, tables=3, order="behind_frames")),
    "tables_that_go_back": steps(block(60, 61, tables=2, order="backward")),
    "tables_in_a_circle": lie((NEXT_TABLE, 12)),
    "next_table_in_a_frame": lie((NEXT_TABLE, 40)),
    "next_table_outside": lie((NEXT_TABLE, 0xFFFF)),
    "two_tables_with_the_same_frames": transfer(header(104) + table((44, 60), END, next=28) + table((44, 60), END) + FRAME),
    "first_table_in_the_header": lie((FIRST_TABLE, 8)),
    "first_table_outside": lie((FIRST_TABLE, 0xFFFC)),
    "first_table_at_the_end": transfer(header(88, first=84) + table((28, 60), END) + FRAME),
    "table_too_short": lie((TABLE_LENGTH, 12)),
    "table_of_an_odd_length": lie((TABLE_LENGTH, 18)),
    "table_longer_than_the_block": lie((TABLE_LENGTH, 0xFFFC)),
    "table_without_an_end": lie((TABLE_LENGTH, 16)),
    "table_that_is_not_aligned": transfer(header(89, first=13) + b"\0" + table((29, 60), END) + FRAME),
    "frame_that_is_not_aligned": steps(block(61, 62, alignment=0)),
    "frame_in_the_header": lie((FIRST_AT, 8)),
    "frame_outside": lie((FIRST_AT, 0xFFF0)),
    "frame_one_byte_too_long": lie((FIRST_LEN, 60 + 60 + 1)),
    "frame_of_no_length": lie((FIRST_LEN + 4, 0)),
    "frame_of_65535_bytes": lie((FIRST_LEN, 0xFFFF)),
    "frames_that_overlap": lie((FIRST_LEN, 120)),
    "frame_over_its_table": lie((FIRST_AT, 12), (FIRST_LEN, 140)),
    "header_of_16_bytes": lie((HEADER_LENGTH, 16)),
    "block_longer_than_its_transfer": lie((LENGTH, 2000)),
    "block_longer_than_announced": lie((LENGTH, 2049)),
    "block_shorter_than_its_frames": lie((LENGTH, 100)),
    "block_of_no_length": steps(block(60, 61, open=True)),
    "block_of_no_length_with_bytes_behind": steps(block(60, 61, open=True, padding=7)),
    "bytes_behind_the_block": steps(block(60, 61, padding=100)),
    "cut": steps(block(60, 61, cut=100)),
    "cut_in_the_header": steps(block(60, cut=11)),
    "crc": steps(block(60, form="short_with_crc")),
    "form_of_32_bit": steps(block(60, form="long")),
    "form_of_32_bit_with_crc": steps(block(60, form="long_with_crc")),
    # 28 bytes before the frame.
    "full_packets_with_an_empty_one": steps(block(100), block(60)),
    "full_packets_without_an_end": steps(block(100, ended=False), block(60)),
    "full_packets_with_a_byte_behind": steps(block(100, padding=1), block(60)),
    "full_packets_with_a_header_behind": steps(block(100, padding=12), block(60)),
    "full_packets_of_no_length_without_an_end": steps(block(100, open=True, ended=False), block(60)),
    "two_bytes_after_an_empty_packet": steps(block(100, open=True), data(b"NC"), block(60)),
    "two_bytes_after_a_block_with_full_packets": steps(block(100), data(b"NC"), block(60)),
    "longest_block_without_an_empty_packet": steps(block(1514, padding=506, ended=False), block(60)),
    "longest_block_with_an_empty_packet": steps(block(1514, padding=506), block(60)),
    "more_than_the_longest_block": steps(block(1514, padding=558), block(60)),
    "empty_packets": steps(data(b""), data(b""), block(60)),
    "reset_within_a_block": steps(data(ONE[:64], ended=False), RESET, block(60)),
    "reset_after_a_block_with_full_packets": steps(block(100, ended=False), RESET, data(b"NC"), block(60)),
    "sleep_within_a_block": steps(data(ONE[:64], ended=False), SLEEP, data(ONE[64:])),
    "to_host": steps(to_host(60), to_host(1514), to_host(20), RESET, to_host(1500)),
    "to_host_in_full_packets": steps(to_host(308), to_host(393), to_host(394)),
    "both_ways": steps(block(60, 61), to_host(300), block(62), SLEEP, to_host(14)),
}

WORDS = [
    b"NCMH\x0c\0", b"NCM0", b"NCM1", b"ncmh\x10\0", b"ncm0", b"ncm1",
    *(struct.pack("<H", word) for word in (8, 12, 16, 20, 28, 40, 64, 1514, 1518, 1519, 2047, 2048, 2049, 0xFFFC, 0xFFFF)),
]
