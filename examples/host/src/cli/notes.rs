//! What the help says below the options. Paragraphs are one line each: the width of the terminal
//! breaks them.

pub(crate) const EXAMPLES: &str = "\
Examples:
  nat-host
      Watch the NAT at work: hosts, router and servers in this one process.
  nat-host demo --pcap captures
      The same, with both sides of the router written as captures for Wireshark.
  sudo nat-host router --lan nat-lan=192.168.77.1/24 \\
      --wan nat-wan=198.51.100.77/24 --gateway 198.51.100.1
      Route real traffic between two TAP devices (Linux).
  nat-host replay --lan-in lan.pcap --wan-in wan.pcap \\
      --lan 192.168.77.1/24 --wan 198.51.100.77/24 --json verdicts.jsonl
      Judge the packets of captures, one line of JSON each.
  nat-host replay --capture home.pcapng --lan 192.168.1.0/24
      The same of one capture with both directions.

`nat-host help router` and `nat-host help replay` explain every option.";

pub(crate) const SOAK_NOTES: &str = "\
Hosts that open flows until the tables are full, answers, hairpins, fragments, port forwards and the router's own \
traffic, between attacks: forged resets and ICMP errors, scans, false sources, bent packets and random bytes. The \
clock is virtual, starts a minute before it wraps, and jumps by hours and days; the external addresses change.

Every packet of sixteen flows is read and compared as it arrives. Of all packets it is checked that none leaves with \
an inside address, and at intervals that the state and the counters are sound. At the end no session may be left, and \
the room has to be that of a new engine.

Ends with status 1, the seed and the number of the packet when something is wrong.

Examples:
  nat-host soak --packets 10000000
  nat-host soak --threads 2";

pub(crate) const MORE_OF_ROUTER: &str =
    "`nat-host help router` says more of each option, with examples.";
pub(crate) const MORE_OF_REPLAY: &str =
    "`nat-host help replay` says more of each option, with examples.";

pub(crate) const ROUTER_NOTES: &str = "\
The two devices are opened, or created if they do not exist: plain TAP without packet information. The kernel's end of \
each device is the cable's far end, so it belongs to the hosts: give it the address of a host, or put it into a bridge \
or into another network namespace. The router's own end has a MAC address that stays the same at each start, made of \
the number of the machine (/etc/machine-id) and the name of the device; where two such routers with the same names of \
devices share a network, set --lan-mac and --wan-mac. Once the line `ready:` is out, devices may be moved and renamed.

Examples:
  sudo nat-host router --lan nat-lan=192.168.77.1/24 \\
      --wan nat-wan=198.51.100.77/24 --gateway 198.51.100.1
      Then, elsewhere, make this machine a LAN host of the router:
      ip addr add 192.168.77.10/24 dev nat-lan && ip link set nat-lan up
  sudo nat-host router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp
      Take the outside address from a DHCP server.
  sudo nat-host router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp --dhcp-server
      The same, and lease the hosts of the LAN their addresses, so that a machine plugged in works at once.
  sudo nat-host router --lan nat-lan=192.168.77.1/24 \\
      --wan nat-wan=198.51.100.77/24 --forward tcp:8080=192.168.77.10:80
      Let the outside reach a web server inside.
  sudo nat-host router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp \\
      --profile gateway --mapping endpoint-independent --lan-ping
      As a cloud NAT gateway, but one external endpoint for whatever an inside endpoint talks to, and pings are answered.

The mapping log has a line of JSON for each event, written at once; `nat-host help replay` explains them. Its times \
are in seconds since 1970 by the system's clock. If it cannot be written any more, the router says so and goes on \
without it.

Warnings are lines on standard error, as of networks that overlap; -v, -vv and -vvv write more of the router's log there.

Prints the counters at SIGUSR1, with --stats-every also at intervals. Ends at SIGINT or SIGTERM, with the counters. Exit status: 0 after a signal, 2 if it cannot start.";

pub(crate) const REPLAY_NOTES: &str = "\
Captures are pcap files, of microseconds or nanoseconds, or pcapng files. Link types: Ethernet with any VLAN tags, \
MPLS labels or PPPoE sessions, Linux cooked (SLL, SLL2), loopback (NULL, LOOP), PPP, HDLC, frame relay, 802.11 that is \
not encrypted, raw IPv4 (RAW, IPV4), and some that are rare. Only IPv4 packets count; the others are counted by their \
kind and told at the end. A packet whose end was not captured is counted as cut: it is not judged, and never \
forwarded. If a file is damaged or ends within a record, what comes before is judged, and the error is told at the \
end.

The timestamps are the clock. Two inputs are merged by timestamp, the LAN's packet first when two are equal; within a \
file the order of its records is kept.

--lan-in and --wan-in are captures of one side. With link headers they may hold all that was on the wire: what the \
router sent is left out, which is what comes from no LAN address or the router's own in the LAN's capture, and from an \
external address in the WAN's. A capture without link headers holds what arrived at the router, and nothing else.

--capture is one capture of both directions. A packet comes from inside if its source is of --lan; it comes from \
outside if its source is not, and its destination is of --lan or an external address. With --lan-mac it comes from \
inside if its frame comes from one of these MAC addresses, and from outside if its frame goes to one. Left out, and \
counted, is what the router sent (from an address of its own), what goes from one host of the LAN to another, and what \
is of neither side.
In a capture taken inside, or at a host, packets from outside are addressed to the host already. They are judged as if \
they were addressed to the external endpoint that the host has in this replay; where it has none, to the external \
address and the same port. As soon as the capture shows a packet to an external address, it is taken to show both \
sides of a router, and packets from outside to a host are what that router sent.
A host that leaves segmentation to its network card shows packets longer than any link carries: \
`--lan-mtu 65535 --wan-mtu 65535` lets them pass.

What leaves a side is written with the timestamp of the packet that caused it: a fragment that has waited for the \
first of its datagram, with the timestamp of that.

Each line of the JSON file tells of one packet that was judged or was cut:
  time      its timestamp in seconds
  from      lan or wan
  verdict   forward, local, reject, drop or hold (a fragment waits for its first)
  to        the side that it, or the answer to it, was written to; else null
  reason    why it was rejected or dropped, `cut` if its end was not captured; else null

Each line of the mapping log tells of one event, and never of a destination (RFC 6888 REQ-12):
  time      its time in seconds by the captures, in whole milliseconds
  event     created, deleted, or refused: a host got no session
  protocol  icmp, tcp or udp
  inside    the inside address and port, or query identifier; if refused the address
  external  the external address and port, or query identifier; if refused null
  forward   whether the mapping is a port forward; if refused null
  reason    why a session was refused; else null
Mappings that are there when the captures end are not deleted.

Examples:
  nat-host replay --lan-in lan.pcap --wan-in wan.pcap \\
      --lan-out to-lan.pcap --wan-out to-wan.pcap \\
      --lan 192.168.77.1/24 --wan 198.51.100.77/24
  nat-host replay --lan-in lan.pcap --lan 192.168.77.1/24 \\
      --wan 198.51.100.77/24 --json verdicts.jsonl
  nat-host demo --pcap captures && nat-host replay \\
      --lan-in captures/lan.pcap --wan-in captures/wan.pcap \\
      --lan 192.168.77.1/24 --wan 198.51.100.77/24
      Judge again what arrived at the demo's router. Its NAT drew other external ports, so answers find no mapping.
  nat-host replay --capture home.pcapng --lan 192.168.1.0/24
      Judge what hosts of a LAN sent and got, captured at one of them or at their router.
  editcap -F pcap capture.snoop lan.pcap
      Convert a capture of another format.

Exit status: 0 if every file was read to its end, 2 if not.";
