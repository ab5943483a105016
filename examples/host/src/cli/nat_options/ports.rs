//! External ports: their ranges, and when freed ones are used again.

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
    /// External ports reserved for the router itself: no mapping and no port forward uses them
    #[arg(long, value_name = "FIRST-LAST")]
    reserved_ports: Option<Ports>,
    /// External TCP and UDP ports that dynamic mappings do not use, as in 25,135-139; `none` to
    /// use all [default: 38 ports that access networks and servers are known to filter, such
    /// as 19, 25, 445, 1900]
    ///
    /// A connection from a filtered port fails without a visible reason. docs/excluded-ports.md
    /// lists the default ports, and who filters them. Port forwards, one-to-one translation
    /// and the DMZ host may use them.
    #[arg(long, value_name = "PORTS")]
    excluded_ports: Option<ExcludedPorts>,
    /// Give even inside ports even external ports, and odd ones odd (RFC 4787 REQ-4)
    ///
    /// If no port of the same parity is free, the session is refused.
    #[arg(long)]
    port_parity: bool,
    /// Give each host a block of this many external ports, so that a mapping log needs only two
    /// lines a host (RFC 6888 REQ-14)
    ///
    /// Ports are random within the block, also for inside ports below 1024. New sessions of a host
    /// are refused if its block is used up, or if --ports has no free block for it. Cannot be
    /// combined with --dmz-host.
    #[arg(long, value_name = "PORTS", value_parser = value_parser!(u16).range(1..))]
    port_blocks: Option<u16>,
    /// Quarantine of freed UDP ports and ICMP identifiers (RFC 6888 REQ-8: at least 120); 0 for
    /// none
    ///
    /// During the quarantine no other mapping gets the port, so late packets to the old mapping do
    /// not reach another host. At most 65535 ports are in quarantine; beyond that, the oldest
    /// are released first. Address-and-port-dependent mapping needs no quarantine, because the
    /// remote endpoint identifies the session.
    #[arg(long, value_name = "SECONDS", default_value_t = QuarantineConfig::DEFAULT.delay.as_secs(),
        value_parser = value_parser!(u64).range(..=LONGEST))]
    quarantine: u64,
    /// Quarantine of freed TCP ports; not needed, because connections are tracked to their end
    #[arg(long, value_name = "SECONDS", default_value_t = QuarantineConfig::DEFAULT.tcp_delay.as_secs(),
        value_parser = value_parser!(u64).range(..=LONGEST))]
    tcp_quarantine: u64,
    /// Create no new mapping until the quarantine time has passed since the first packet, because
    /// it is unknown which ports were in use before the start
    ///
    /// Hosts get the error of --exhaustion-error. Port forwards work at once.
    #[arg(long)]
    quarantine_after_start: bool,
}

impl PortOptions {
    pub(super) fn apply(&self, config: &mut Config) {
        // A profile with one range for all inside ports keeps one range.
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
