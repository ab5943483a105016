#!/usr/bin/env python3
"""usage: tap.py NAME UDP_PORT

Creates the TAP interface NAME, brings it up, and carries its frames to and from 127.0.0.1:UDP_PORT, one frame in each
datagram, until it is ended. Needs CAP_NET_ADMIN.
"""
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
LONGEST_FRAME = 65535


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return tap


def carry(tap, wire):
    wire.send(b"")  # the bridge sends to the source of this datagram
    while True:
        readable, _, _ = select.select([tap, wire], [], [])
        if tap in readable:
            wire.send(os.read(tap, LONGEST_FRAME))
        if wire in readable:
            os.write(tap, wire.recv(LONGEST_FRAME))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] == "--help":
        sys.exit(__doc__)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect(("127.0.0.1", int(sys.argv[2])))
    carry(open_tap(sys.argv[1]), udp)
