"""Values in the form in which the crate `arbitrary` reads them."""

import struct


def u8(value):
    return bytes([value])


def u16(value):
    return struct.pack("<H", value)


def u32(value):
    return struct.pack("<I", value)


def flag(value):
    return u8(int(value))


def some(value):
    return flag(True) + value


NONE = flag(False)


def many(values):
    return b"".join(flag(True) + value for value in values) + flag(False)


def variant(names, name, *fields):
    """A variant of an enum whose variants are `names`, in order."""
    return u32(((names.index(name) << 32) + (1 << 31)) // len(names)) + b"".join(fields)
