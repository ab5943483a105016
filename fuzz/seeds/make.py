#!/usr/bin/env python3
"""Writes the named seeds of every target into the folder of its name, and the dictionaries but that of `packet`.

    make.py             into this folder and its neighbour
    make.py --check     into neither: fails if one of their files would change
"""

import pathlib
import sys

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

DICTIONARIES = HERE.parent / "dictionaries"
FILES = {HERE / target / f"{name}.bin": data for target, seeds in ALL.items() for name, data in seeds.items()}


def words_of(*enums):
    """Each variant of these enums, as an element of a list and by itself."""
    variants = [of_operations.variant(names, name) for names in enums for name in names]
    return [prefix + value for value in variants for prefix in (b"", b"\1")]


def line(word):
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


def write(name, comment, words, first=""):
    lines = [f"# {comment}", *map(line, dict.fromkeys(words))]
    FILES[DICTIONARIES / f"{name}.dict"] = (first + "\n".join(lines) + "\n").encode()


PACKETS = (DICTIONARIES / "packet.dict").read_text()
write("differential", "Those of `packet`; nothing more.", [], PACKETS)
write("parsers", "Entries, ethertypes, ARP, stations.", of_parsers.WORDS, PACKETS)
write("operations", "Variants, as `arbitrary` reads them.",
      words_of(of_operations.STEPS, of_operations.FREE_STEPS, of_operations.KINDS, of_operations.PAUSES))
write("frames", "Variants, as `arbitrary` reads them.", words_of(of_frames.STEPS, of_frames.BODIES))
write("blocks", "Signatures, lengths and places; variants, as `arbitrary` reads them.",
      of_blocks.WORDS + words_of(of_blocks.STEPS, of_blocks.FORMS, of_blocks.ORDERS))

OLD = {path: path.read_bytes() for target in ALL for path in (HERE / target).glob("*.bin")}
OLD |= {path: path.read_bytes() for path in DICTIONARIES.glob("*.dict") if path.stem != "packet"}
CHANGED = sorted(path for path in OLD | FILES if OLD.get(path) != FILES.get(path))
if sys.argv[1:] == ["--check"]:
    sys.exit("".join(f"{path.relative_to(HERE.parent)} is not what make.py writes\n" for path in CHANGED) or 0)
for path in CHANGED:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(FILES[path]) if path in FILES else path.unlink()
