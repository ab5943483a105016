"""Captures for the namespaces test: record, validate checksums, split by direction, compare datagrams."""

import collections
import ipaddress
import signal
import struct
import subprocess

ETHERNET, RAW = 1, 101
NANOSECONDS = 0xA1B23C4D
CHECKED = ("ip", "tcp", "udp", "icmp")


class Capture:
    """tcpdump on eth0 of one namespace, from construction to `stop`."""

    def __init__(self, enter, path):
        self.path = path
        command = ["tcpdump", "-i", "eth0", "-n", "-p", "-Z", "root", "-s", "0", "-B", "32768"]
        command += ["--time-stamp-precision=nano", "-w", path]
        self.process = subprocess.Popen(enter + command, stderr=subprocess.PIPE, text=True)
        while "listening on" not in (line := self.process.stderr.readline()):
            if not line:
                raise RuntimeError("tcpdump did not start")

    def stop(self):
        """Ends the capture; returns how many packets it lost."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=20)
        return sum(int(line.split()[0]) for line in said.splitlines() if "dropped by" in line)


def datagrams(path):
    """The IPv4 datagrams of an Ethernet capture: (seconds, nanoseconds, source MAC, bytes)."""
    with open(path, "rb") as f:
        header = f.read(24)
        magic, *_, link = struct.unpack("<IHHiIII", header)
        if (magic, link) != (NANOSECONDS, ETHERNET):
            raise ValueError(f"{path}: not a nanosecond Ethernet capture of this machine")
        while len(record := f.read(16)) == 16:
            seconds, nanos, captured, _ = struct.unpack("<IIII", record)
            frame = f.read(captured)
            if frame[12:14] == b"\x08\x00":
                yield seconds, nanos, frame[6:12], frame[14:]


def split(path, host_mac):
    """What the host sent, with its times, and what it got from the router, as lists."""
    sent, got = [], []
    for seconds, nanos, source, datagram in datagrams(path):
        if source == host_mac:
            sent.append((seconds, nanos, datagram))
        else:
            got.append(datagram)
    return sent, got


def write_raw(path, packets):
    """A capture of link type RAW, as `nat-host replay` reads it."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", NANOSECONDS, 2, 4, 0, 0, 65535, RAW))
        for seconds, nanos, datagram in packets:
            f.write(struct.pack("<IIII", seconds, nanos, len(datagram), len(datagram)) + datagram)


def read_raw(path):
    """The datagrams of a capture of link type RAW or IPV4, whatever its time unit."""
    with open(path, "rb") as f:
        f.read(24)
        while len(record := f.read(16)) == 16:
            yield f.read(struct.unpack("<IIII", record)[2])


def flow(datagram):
    """(protocol, source, source port, destination, destination port); of ICMP the type and the identifier.

    A fragment without these says 0.
    """
    protocol, payload = datagram[9], datagram[4 * (datagram[0] & 15):]
    source, destination = (str(ipaddress.IPv4Address(datagram[i:i + 4])) for i in (12, 16))
    if int.from_bytes(datagram[6:8], "big") & 0x1FFF:
        return protocol, source, 0, destination, 0
    if protocol == 1:
        return protocol, source, payload[0], destination, int.from_bytes(payload[4:6], "big")
    return protocol, source, int.from_bytes(payload[0:2], "big"), destination, int.from_bytes(payload[2:4], "big")


def missing_from(live, replayed):
    """Datagrams of `live` that `replayed` lacks, byte by byte, with how often."""
    return collections.Counter(live) - collections.Counter(replayed)


def fragments(datagrams):
    """How many of them are fragments."""
    return sum(int.from_bytes(datagram[6:8], "big") & 0x3FFF != 0 for datagram in datagrams)


def checksums(path, host_mac):
    """What tshark says of the checksums in what the host got: {protocol: [good, bad]}.

    What the host itself sends is not checked: Linux writes a TCP checksum of zero as 0xffff, which tshark reports as bad.
    """
    options = [o for p in CHECKED[:3] for o in ("-o", f"{p}.check_checksum:TRUE")]
    fields = [o for p in CHECKED for o in ("-e", f"{p}.checksum.status")]
    # Nothing above the transport matters here, and reassembly takes most of the time.
    options += ["--disable-protocol", "http", "-o", "tcp.desegment_tcp_streams:FALSE"]
    options += ["-Y", f"eth.src != {host_mac.hex(':')}"]
    command = ["tshark", "-n", "-r", path, *options, "-T", "fields", "-E", "occurrence=a", *fields]
    out = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    counts = {p: [0, 0] for p in CHECKED}
    for line in out.splitlines():
        for protocol, statuses in zip(CHECKED, line.split("\t")):
            for status in statuses.split(","):
                if status in ("0", "1"):
                    counts[protocol][status == "0"] += 1
    return counts
