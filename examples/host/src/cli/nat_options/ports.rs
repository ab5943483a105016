//! External ports: which there are, and when they are given again.

use core::time::Duration;

use clap::{Args, value_parser};
use nat_core::{Config, QuarantineConfig, Timeouts};

use crate::cli::value::{ExcludedPorts, Ports};

const LONGEST: u64 = Timeouts::MAX.as_secs();

#[derive(Args, Debug)]
#[command(next_help_heading = "External ports")]
pub(super) struct PortOptions {
    /// External ports for inside ports from 1024 up, and identifiers of ICMP queries [default:
    /// 1024-65535]
    #[arg(long, value_name = "FIRST-LAST")]
    ports: Option<Ports>,
    /// External ports for inside ports below 1024 (RFC 4787 REQ-3a) [default: 1-1023; as --ports
    /// with --profile gateway]
    #[arg(long, value_name = "FIRST-LAST")]
    low_ports: Option<Ports>,
    /// External ports that the router keeps for itself: no mapping and no port forward gets them
    #[arg(long, value_name = "FIRST-LAST")]
    reserved_ports: Option<Ports>,
    /// External ports of TCP and UDP that no mapping draws, as in 25,135-139; `none` to draw from
    /// all [default: those that access networks and servers are known to filter, 38 ports such
    /// as 19, 25, 445, 1900]
    ///
    /// A connection from such a port fails for no reason that its user can see.
    /// docs/excluded-ports.md says which they are and who filters them. Port forwards,
    /// one-to-one translation and the DMZ host may have them.
    #[arg(long, value_name = "PORTS")]
    excluded_ports: Option<ExcludedPorts>,
    /// Give even inside ports even external ports, and odd ones odd (RFC 4787 REQ-4)
    ///
    /// Where no port of that parity is left, the session is refused.
    #[arg(long)]
    port_parity: bool,
    /// Give each host a block of so many external ports, so that a log of mappings takes two lines
    /// a host (RFC 6888 REQ-14)
    ///
    /// Ports are random within the block, for inside ports below 1024 too. A host whose block is
    /// used up, or for which none is left in --ports, gets no session more. Not together with
    /// --dmz-host.
    #[arg(long, value_name = "PORTS", value_parser = value_parser!(u16).range(1..))]
    port_blocks: Option<u16>,
    /// How long freed external ports of UDP and identifiers of ICMP wait (RFC 6888 REQ-8: at least
    /// 120); 0 for not at all
    ///
    /// Until then no other mapping gets them, so that what the peers of the old one still send
    /// reaches nobody. There is room for 65535 that wait; beyond that, those that have waited
    /// longest go first. Where mapping is address-and-port-dependent none waits: the remote
    /// endpoint tells sessions apart.
    #[arg(long, value_name = "SECONDS", default_value_t = QuarantineConfig::DEFAULT.delay.as_secs(),
        value_parser = value_parser!(u64).range(..=LONGEST))]
    quarantine: u64,
    /// The same for ports of TCP, which need not wait because connections are tracked to their end
    #[arg(long, value_name = "SECONDS", default_value_t = QuarantineConfig::DEFAULT.tcp_delay.as_secs(),
        value_parser = value_parser!(u64).range(..=LONGEST))]
    tcp_quarantine: u64,
    /// Make no new mapping for as long after the first packet, since nobody knows which ports were
    /// in use before
    ///
    /// Hosts are told as --exhaustion-error says. Port forwards work at once.
    #[arg(long)]
    quarantine_after_start: bool,
}

impl PortOptions {
    pub(super) fn apply(&self, config: &mut Config) {
        // A profile with one range for all inside ports keeps it that way.
        let one_range = config.low_ports == config.ports;
        if let Some(ports) = self.ports {
            config.ports = ports.0;
        }
        if let Some(ports) = self.low_ports.or_else(|| self.ports.filter(|_| one_range)) {
            config.low_ports = ports.0;
        }
        config.reserved_ports = self.reserved_ports.map(|ports| ports.0);
        if let Some(excluded) = &self.excluded_ports {
            config.excluded_ports = excluded.0.clone();
        }
        config.port_parity = self.port_parity;
        config.port_blocks = self.port_blocks;
        config.quarantine.delay = Duration::from_secs(self.quarantine);
        config.quarantine.tcp_delay = Duration::from_secs(self.tcp_quarantine);
        config.quarantine.after_start = self.quarantine_after_start;
    }
}
