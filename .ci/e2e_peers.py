"""What the namespaces test runs inside a namespace: servers, a pair of hosts on one port, and a stranger.

    e2e_peers.py serve ADDRESS FOLDER       HTTP on port 8000 (GET files, PUT answers with the sha256), UDP echo on 7000
    e2e_peers.py ask HOST ADDRESS SIZE      that many bytes from a LAN host to the UDP echo, which answers; prints JSON
    e2e_peers.py backwards HOST ADDRESS SIZE    the same in fragments, the last first
    e2e_peers.py dhcp ADDRESS               leases one address on eth0, without end
    e2e_peers.py pair ADDRESS               two LAN hosts on one source port ask the UDP echo; prints JSON
    e2e_peers.py stranger ADDRESS PORT..    unsolicited UDP and TCP to these ports and 200 more; prints JSON
"""

import functools
import hashlib
import http.server
import json
import os
import select
import socket
import socketserver
import struct
import sys
import threading
import time

HTTP_PORT, ECHO_PORT, PAIR_PORT = 8000, 7000, 40000
LAN_HOSTS = ("192.168.77.10", "192.168.77.11")
STRANGER, GATEWAY = "198.51.100.2", "198.51.100.1"
DISCOVER, OFFER, REQUEST, ACKNOWLEDGE = 1, 2, 3, 5


class Files(http.server.SimpleHTTPRequestHandler):
    """A folder for GET; PUT hashes what it gets."""

    def do_PUT(self):
        digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
        while left:
            chunk = self.rfile.read(min(left, 1 << 16))
            if not chunk:
                return
            digest.update(chunk)
            left -= len(chunk)
        body = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

    def server_bind(self):
        """Without the lookup of its own name: a LAN host would send that through the router."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address


def serve(address, folder):
    threading.Thread(target=echo, args=(address,), daemon=True).start()
    Server((address, HTTP_PORT), functools.partial(Files, directory=folder)).serve_forever()


def echo(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((address, ECHO_PORT))
        while True:
            payload, (host, port) = s.recvfrom(65536)
            s.sendto(f"{host} {port} ".encode() + payload, (host, port))


def ask(host, address, size):
    """Larger than the MTU: the kernel sends fragments, and puts those together that come."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((host, 0))
        payload = os.urandom(size)
        s.sendto(payload, (address, ECHO_PORT))
        tell_answer(s, payload)


def backwards(host, address, size):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((host, 0))
        payload = os.urandom(size)
        datagram = udp(host, s.getsockname()[1], address, ECHO_PORT, payload)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            for fragment in reversed(fragments(host, address, datagram)):
                raw.sendto(fragment, (address, 0))
        tell_answer(s, payload)


def tell_answer(s, payload):
    s.settimeout(3)
    host, port, answer = s.recv(65536).split(b" ", 2)
    print(json.dumps({"external": [host.decode(), int(port)], "own_answer": answer == payload}))


def udp(host, port, address, to, payload):
    head = struct.pack("!HHH", port, to, 8 + len(payload))
    pseudo = socket.inet_aton(host) + socket.inet_aton(address) + struct.pack("!HH", 17, 8 + len(payload))
    data = pseudo + head + bytes(2) + payload + bytes(len(payload) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return head + struct.pack("!H", 0xFFFF - total or 0xFFFF) + payload


def fragments(host, address, datagram, room=1480):
    """The kernel fills in the header checksum, and leaves the rest as it is."""
    pieces = [datagram[i:i + room] for i in range(0, len(datagram), room)]
    more = [0x2000] * (len(pieces) - 1) + [0]
    identification = 1 + int.from_bytes(os.urandom(2), "big") % 0xFFFF
    return [struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(piece), identification, flag | i * room // 8, 64, 17, 0,
                        socket.inet_aton(host), socket.inet_aton(address)) + piece
            for i, (piece, flag) in enumerate(zip(pieces, more))]


def dhcp(address):
    """Offers and acknowledges; there is one client."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
    s.bind(("0.0.0.0", 67))
    server = socket.inet_aton(GATEWAY)
    while True:
        asked = s.recv(2048)
        kind = {DISCOVER: OFFER, REQUEST: ACKNOWLEDGE}.get(dhcp_kind(asked[240:]))
        if not kind:
            continue
        head = struct.pack("!4B4s4x4x4s4s4x16s192xI", 2, 1, 6, 0, asked[4:8], socket.inet_aton(address), server,
                           asked[28:44], 0x63825363)
        options = [(53, bytes([kind])), (54, server), (51, b"\xff" * 4), (1, bytes([255, 255, 255, 0])), (3, server)]
        s.sendto(head + b"".join(bytes([code, len(value)]) + value for code, value in options) + b"\xff",
                 ("255.255.255.255", 68))


def dhcp_kind(options):
    while options and options[0] != 255:
        code, length = options[0], options[1] if options[0] else -1
        if code == 53:
            return options[2]
        options = options[2 + length:]
    return None


def pair(address):
    """Both hosts send before either reads, so a router that mixes them up gives one the answer of the other."""
    sockets = []
    for host in LAN_HOSTS:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((host, PAIR_PORT))
        s.connect((address, ECHO_PORT))
        s.settimeout(3)
        sockets.append(s)
    nonces = [os.urandom(8).hex() for _ in sockets]
    for s, nonce in zip(sockets, nonces):
        s.send(nonce.encode())
    seen = []
    for s, nonce in zip(sockets, nonces):
        host, port, answer = s.recv(2048).decode().split()
        seen.append({"external": [host, int(port)], "own_answer": answer == nonce})
    print(json.dumps(seen))


def stranger(address, ports):
    targets = ports + [1 + 327 * n for n in range(200)]
    poll, sockets = select.poll(), []
    for port in targets:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            s = socket.socket(socket.AF_INET, kind)
            s.setblocking(False)
            s.bind((STRANGER, 0))
            s.connect_ex((address, port))
            if kind == socket.SOCK_DGRAM:
                s.send(b"unsolicited")
            sockets.append(s)
    time.sleep(0.8)  # before the first SYN is sent again
    for s in sockets:
        # A UDP socket is always writable; a TCP socket becomes so when its SYN was answered in any way.
        poll.register(s, select.POLLIN if s.type == socket.SOCK_DGRAM else select.POLLIN | select.POLLOUT)
    print(json.dumps({"sent": len(sockets), "answers": len(poll.poll(0))}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", address, folder]:
            serve(address, folder)
        case ["ask", host, address, size]:
            ask(host, address, int(size))
        case ["backwards", host, address, size]:
            backwards(host, address, int(size))
        case ["dhcp", address]:
            dhcp(address)
        case ["pair", address]:
            pair(address)
        case ["stranger", address, *ports]:
            stranger(address, [int(p) for p in ports])
        case _:
            sys.exit(__doc__)
