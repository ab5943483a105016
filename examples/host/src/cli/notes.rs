//! The help texts below the options. Each paragraph is one line, because clap wraps lines to the
//! terminal's width.

pub(crate) const EXAMPLES: &str = "\
Examples:
  nat-host
      Watch the NAT at work: hosts, router and servers in this one process.
  nat-host demo --pcap captures
      The same, and write captures of both sides of the router for Wireshark.
  sudo nat-host router --lan nat-lan=192.168.77.1/24 \\
      --wan nat-wan=198.51.100.77/24 --gateway 198.51.100.1
      Route real traffic between two TAP devices (Linux).
  nat-host replay --lan-in lan.pcap --wan-in wan.pcap \\
      --lan 192.168.77.1/24 --wan 198.51.100.77/24 --json verdicts.jsonl
      Process captures, and write the verdict on each packet as one line of JSON.
  nat-host replay --capture home.pcapng --lan 192.168.1.0/24
      The same with one capture of both directions.

`nat-host help router` and `nat-host help replay` explain every option.";

pub(crate) const SOAK_NOTES: &str = "\
The traffic: hosts open sessions until the tables are full; there are answers, hairpins, fragments, port forwards and \
packets of the router itself. Attacks run in between: forged resets and ICMP errors, scans, spoofed sources, corrupted \
packets and random bytes. The clock is virtual, starts a minute before its 32 bits wrap, and jumps by hours and days. The \
external addresses change.

All packets of sixteen sampled sessions are compared with what was sent. No packet may leave with an inside address. The \
state and the counters are checked at intervals. At the end no session may be left, and the tables must accept as many new \
sessions as those of a new engine.

If a check fails, the exit status is 1, and the seed and the number of the packet are printed.

Examples:
  nat-host soak --packets 10000000
  nat-host soak --threads 2";

pub(crate) const MORE_OF_ROUTER: &str =
    "`nat-host help router` explains each option, with examples.";
pub(crate) const MORE_OF_REPLAY: &str =
    "`nat-host help replay` explains each option, with examples.";

pub(crate) const ROUTER_NOTES: &str = "\
The two TAP devices are opened, or created if they do not exist, without packet information. The kernel's end of a device is \
for the hosts: give it the address of a host, or put it into a bridge or another network namespace. The router's end has a \
MAC address that stays the same at each start. It is derived from the machine (/etc/machine-id) and the device's name. If \
two such routers share a network and their devices have the same names, set --lan-mac and --wan-mac. After the line `ready:` \
the devices may be moved and renamed.

Examples:
  sudo nat-host router --lan nat-lan=192.168.77.1/24 \\
      --wan nat-wan=198.51.100.77/24 --gateway 198.51.100.1
      Then, in another terminal, make this machine a LAN host of the router:
      ip addr add 192.168.77.10/24 dev nat-lan && ip link set nat-lan up
  sudo nat-host router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp
      Take the external address from a DHCP server.
  sudo nat-host router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp --dhcp-server
      The same, and lease addresses to the hosts of the LAN.
  sudo nat-host router --lan nat-lan=192.168.77.1/24 \\
      --wan nat-wan=198.51.100.77/24 --forward tcp:8080=192.168.77.10:80
      Make a web server inside reachable from outside.
  sudo nat-host router --lan nat-lan=192.168.77.1/24 --wan nat-wan=dhcp \\
      --profile gateway --mapping endpoint-independent --lan-ping
      As a cloud NAT gateway, but with endpoint-independent mapping, and answers to pings from the LAN.

The mapping log has one line of JSON for each event, written at once; `nat-host help replay` describes the fields. Times are \
seconds since 1970 by the system clock. If the log cannot be written any more, an error is printed and routing goes on \
without it.

Warnings, for example about overlapping networks, go to standard error; -v, -vv and -vvv write more of the router's log.

The counters are printed at SIGUSR1, at intervals with --stats-every, and at the end. SIGINT and SIGTERM end the router. Exit \
status: 0 after a signal, 2 if the router cannot start.";

pub(crate) const REPLAY_NOTES: &str = "\
Captures are pcap files with microseconds or nanoseconds, or pcapng files. Link types: Ethernet with VLAN tags, MPLS labels \
or PPPoE, Linux cooked (SLL, SLL2), loopback (NULL, LOOP), PPP, HDLC, frame relay, 802.11 without encryption, raw IPv4 (RAW, \
IPV4), and some rare ones. Only IPv4 packets are processed; other records are skipped, and counted by kind in the summary. A \
packet whose end was not captured is counted as truncated; it is neither processed nor forwarded. If a file is damaged or \
ends within a record, the records before are processed, and the error is reported at the end.

The timestamps are the clock. Two inputs are merged by timestamp; if two are equal, the LAN's packet is first. The order \
within a file is kept.

--lan-in and --wan-in are captures of one side. A capture with link headers may contain the whole traffic of the wire. Packets \
that did not arrive at the router are skipped: in the LAN's capture those with a source outside the LAN or with the router's \
own address, in the WAN's capture those from an external address. A capture without link headers must contain only packets \
that arrived at the router.

--capture is one capture of both directions. A packet is from inside if its source is in --lan. It is from outside if its \
source is not in --lan, and its destination is in --lan or an external address. With --lan-mac, a packet is from inside if \
its frame was sent by one of these MAC addresses, and from outside if its frame was sent to one. These packets are skipped: \
from an address of the router, between two LAN hosts, and those that are neither from nor to the LAN.
In a capture taken inside, or at a host, packets from outside are already translated: their destination is a LAN host. Replay \
replaces the destination by the external endpoint that the host has in this replay. If it has none, the destination becomes \
the external address, with the same port. As soon as the capture contains a packet to an external address, it is taken to \
show both sides of a router; then packets from outside to a LAN host are skipped as sent by that router.
Hosts that offload segmentation to their network card show packets longer than the MTU of any link: \
`--lan-mtu 65535 --wan-mtu 65535` lets them pass.

Packets are written with the timestamp of the packet that caused them. A held fragment is written with the timestamp of \
the first fragment of its datagram.

Each line of the JSON file describes one packet:
  time      its timestamp in seconds
  from      lan or wan
  verdict   forward, local, reject, drop or hold (a fragment that waits for the first one)
  to        the side to which the packet or the reply was written; else null
  reason    why it was rejected or dropped, `truncated` if its end was not captured; else null

Each line of the mapping log describes one event, without destinations (RFC 6888 REQ-12):
  time      its time in seconds by the captures, in whole milliseconds
  event     created, deleted, or refused (a host got no session)
  protocol  icmp, tcp or udp
  inside    the inside address and port or query identifier; for refused only the address
  external  the external address and port or query identifier; for refused null
  forward   whether the mapping is static: of a port forward, a one-to-one translation or the DMZ host; for refused null
  reason    why the session was refused; else null
With --port-blocks there are also these events:
  event     block-assigned or block-released
  inside    the host
  external  the external address, with the block of ports from first_port to last_port
Mappings that exist when the captures end are not deleted.

Examples:
  nat-host replay --lan-in lan.pcap --wan-in wan.pcap \\
      --lan-out to-lan.pcap --wan-out to-wan.pcap \\
      --lan 192.168.77.1/24 --wan 198.51.100.77/24
  nat-host replay --lan-in lan.pcap --lan 192.168.77.1/24 \\
      --wan 198.51.100.77/24 --json verdicts.jsonl
  nat-host demo --pcap captures && nat-host replay \\
      --lan-in captures/lan.pcap --wan-in captures/wan.pcap \\
      --lan 192.168.77.1/24 --wan 198.51.100.77/24
      Process again what arrived at the demo's router. The replay chooses other external ports, so answers find no mapping.
  nat-host replay --capture home.pcapng --lan 192.168.1.0/24
      Process the traffic of LAN hosts, captured at one of them or at their router.
  editcap -F pcap capture.snoop lan.pcap
      Convert a capture of another format.

Exit status: 0 if every file was read to its end, 2 if not.";
