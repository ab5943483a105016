"""What the namespaces test runs inside a namespace: servers, a pair of hosts on one port, and a stranger.

    e2e_peers.py serve ADDRESS FOLDER       HTTP on port 8000 (GET files, PUT answers with the sha256), UDP echo on 7000
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
import sys
import threading
import time

HTTP_PORT, ECHO_PORT, PAIR_PORT = 8000, 7000, 40000
LAN_HOSTS = ("192.168.77.10", "192.168.77.11")
STRANGER = "198.51.100.2"


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


def serve(address, folder):
    threading.Thread(target=echo, args=(address,), daemon=True).start()
    Server((address, HTTP_PORT), functools.partial(Files, directory=folder)).serve_forever()


def echo(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((address, ECHO_PORT))
        while True:
            payload, (host, port) = s.recvfrom(2048)
            s.sendto(f"{host} {port} ".encode() + payload, (host, port))


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
        case ["pair", address]:
            pair(address)
        case ["stranger", address, *ports]:
            stranger(address, [int(p) for p in ports])
        case _:
            sys.exit(__doc__)
