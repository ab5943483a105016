#!/usr/bin/env python3
"""Writes the named seeds of every target into the folder of its name, and the dictionaries but that of `packet`."""

import pathlib

import of_blocks
import of_frames
import of_operations
import of_packet
import of_parsers

HERE = pathlib.Path(__file__).resolve().parent
ALL = {
    "parsers": of_parsers.SEEDS,
    "packet": of_packet.SEEDS,
    "operations": of_operations.SEEDS,
    "differential": of_packet.SEEDS,
    "frames": of_frames.SEEDS,
    "blocks": of_blocks.SEEDS,
}

for target, seeds in ALL.items():
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.bin"):
        old.unlink()
    for name, data in seeds.items():
        (folder / f"{name}.bin").write_bytes(data)

DICTIONARIES = HERE.parent / "dictionaries"


def words_of(*enums):
    """Each variant of these enums, as an element of a list and by itself."""
    variants = [of_operations.variant(names, name) for names in enums for name in names]
    return [prefix + value for value in variants for prefix in (b"", b"\1")]


def line(word):
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


def write(name, comment, words, first=""):
    lines = [f"# {comment}", *map(line, dict.fromkeys(words))]
    (DICTIONARIES / f"{name}.dict").write_text(first + "\n".join(lines) + "\n")


PACKETS = (DICTIONARIES / "packet.dict").read_text()
write("differential", "Those of `packet`; nothing more.", [], PACKETS)
write("parsers", "Entries, ethertypes, ARP, stations.", of_parsers.WORDS, PACKETS)
write("operations", "Variants, as `arbitrary` reads them.",
      words_of(of_operations.STEPS, of_operations.FREE_STEPS, of_operations.KINDS, of_operations.PAUSES))
write("frames", "Variants, as `arbitrary` reads them.", words_of(of_frames.STEPS, of_frames.BODIES))
write("blocks", "Signatures, lengths and places; variants, as `arbitrary` reads them.",
      of_blocks.WORDS + words_of(of_blocks.STEPS, of_blocks.FORMS, of_blocks.ORDERS))
