"""STUN behaviour discovery for the namespaces test: the server, two clients, and their reports in one line.

`turnutils_natdiscovery` (coturn) is of RFC 5780, `stun` (stun-client) of RFC 3489. Both call a mapping independent when
the other address of the server says nothing at all, so the reports are read for its answer first.
"""

import collections
import re

ADDRESSES = ("203.0.113.9", "203.0.113.11")
PORTS = (3478, 3479)
SERVER_LIFETIME = 60
ASPECTS = ("-m", "-f", "-H")

# The router's options, and the clients' reports with them.
Behaviour = collections.namedtuple("Behaviour", "name options natdiscovery stun")
OURS = [
    Behaviour("EIF", ("--filtering", "endpoint-independent"),
              "Endpoint Independent Mapping, Endpoint Independent Filtering, hairpin",
              "Independent Mapping, Independent Filter, random port, will hairpin"),
    Behaviour("ADF", ("--filtering", "address-dependent"),
              "Endpoint Independent Mapping, Address Dependent Filtering, hairpin",
              "Independent Mapping, Address Dependent Filter, random port, will hairpin"),
    Behaviour("APDF", ("--filtering", "address-and-port-dependent"),
              "Endpoint Independent Mapping, Address and Port Dependent Filtering, hairpin",
              "Independent Mapping, Port Dependent Filter, random port, will hairpin"),
    Behaviour("strict", ("--filtering", "address-and-port-dependent", "--hairpin", "filtered"),
              "Endpoint Independent Mapping, Address and Port Dependent Filtering, no hairpin",
              "Independent Mapping, Port Dependent Filter, random port, no hairpin"),
    Behaviour("APDM", ("--mapping", "address-and-port-dependent"),
              "Address and Port Dependent Mapping, Address and Port Dependent Filtering, no hairpin",
              "Dependent Mapping, random port, no hairpin"),
]
# Linux keeps the ports of the hosts while they do not collide, which looks like an independent mapping.
LINUX = Behaviour("Linux", (),
                  "Endpoint Independent Mapping, Address and Port Dependent Filtering, no hairpin",
                  "Independent Mapping, Port Dependent Filter, preserves ports, no hairpin")


def server(folder):
    """coturn's, on each port of each address. What it writes goes to `folder`; TURN and TCP are off."""
    command = ["timeout", str(SERVER_LIFETIME), "turnserver", "-n", "--stun-only", "--no-cli", "-m", "0"]
    command += ["--no-tcp", "--no-tls", "--no-dtls", "-p", str(PORTS[0]), "--alt-listening-port", str(PORTS[1])]
    for address in ADDRESSES:
        command += ["-L", address]
    for option, name in (("--db", "turn.db"), ("--pidfile", "turn.pid"), ("--log-file", "turn.log")):
        command += [option, str(folder / name)]
    return command


def is_listening(sockets):
    """Whether `ss -Hlun` names all sockets of the server."""
    return all(f"{address}:{port} " in sockets for address in ADDRESSES for port in PORTS)


def natdiscovery(aspect):
    return ["turnutils_natdiscovery", aspect, ADDRESSES[0]]


def read_natdiscovery(mapping, filtering, hairpin):
    """The report of each aspect, as one."""
    if "timeout" in mapping:
        raise ValueError("no answer to a request about the mapping")
    kinds = [re.search(r"^NAT with (.* (?:Mapping|Filtering))!$", said, re.M)[1] for said in (mapping, filtering)]
    if not re.search(r"^RFC 5780 response 1$", hairpin, re.M):
        raise ValueError("no answer to the request before the hairpin")
    turned = "Received a request" in hairpin
    return ", ".join(kinds + ["hairpin" if turned else "no hairpin"])


def stun():
    # It writes to standard error, and its status is a number for its report.
    return ["sh", "-c", f"stun {ADDRESSES[0]} -v 2>&1"]


def read_stun(said):
    if not re.search(r"^test I\(2\) = 1$", said, re.M):
        raise ValueError("no answer from the other address")
    return re.search(r"^Primary: (.*\S)", said, re.M)[1]
