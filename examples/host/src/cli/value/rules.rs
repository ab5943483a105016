//! Values of rules: which packets they apply to, and their targets.

use core::fmt;
use core::net::SocketAddrV4;
use core::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use nat_core::{
    MAX_PORT_RANGES, OneToOne, PortForward, PortRange, PortSet, Protocol, Untranslated,
};

use super::{external_address, ipv4, network};

/// `tcp:8080=192.168.77.10:80`; with a range of ports, and with an external address,
/// `udp:203.0.113.2:5000-5009=..`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Forward(pub(crate) PortForward);

impl FromStr for Forward {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        const SHAPE: &str = "expected PROTOCOL:PORT=ADDRESS:PORT, as in tcp:8080=192.168.77.10:80";
        let (outside, inside) = text.split_once('=').context(SHAPE)?;
        let (protocol, external) = outside.split_once(':').context(SHAPE)?;
        let (inside_address, inside_port) = inside.split_once(':').context(SHAPE)?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => bail!("'{other}' is neither tcp nor udp"),
        };
        let (address, ports) = match external.split_once(':') {
            Some((address, ports)) => (Some(external_address(address)?), ports),
            None => (None, external),
        };
        let Ports(ports) = ports.parse()?;
        let inside = SocketAddrV4::new(ipv4(inside_address)?, port(inside_port)?);
        let mut forward = PortForward::new(protocol, ports.first(), inside);
        forward.external_address = address;
        forward.ports = (ports.last() - ports.first()).saturating_add(1);
        Ok(Self(forward))
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PortForward {
            protocol,
            external_address,
            external_port,
            ports,
            inside_address,
            inside_port,
            ..
        } = self.0;
        let protocol = match protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{protocol}:")?;
        if let Some(address) = external_address {
            write!(f, "{address}:")?;
        }
        write!(f, "{external_port}")?;
        if ports > 1 {
            write!(f, "-{}", external_port.saturating_add(ports - 1))?;
        }
        write!(f, "={inside_address}:{inside_port}")
    }
}

/// `198.51.100.78=192.168.77.20`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OneToOneRule(pub(crate) OneToOne);

impl FromStr for OneToOneRule {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (external, inside) = text
            .split_once('=')
            .context("expected EXTERNAL=INSIDE, as in 198.51.100.78=192.168.77.20")?;
        Ok(Self(OneToOne {
            external: external_address(external)?,
            inside: ipv4(inside)?,
        }))
    }
}

impl fmt::Display for OneToOneRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.0.external, self.0.inside)
    }
}

/// `10.0.0.0/8`; for some ports only, `10.0.0.0/8:80` or `10.0.0.0/8:80-443`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct UntranslatedNetwork(pub(crate) Untranslated);

impl FromStr for UntranslatedNetwork {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (text, ports) = text
            .split_once(':')
            .map_or((text, None), |(text, ports)| (text, Some(ports)));
        let (address, prefix_len) = text
            .split_once('/')
            .context("expected NETWORK/LEN[:PORT[-PORT]], as in 10.0.0.0/8 or 10.0.0.0/8:80-443")?;
        let network = network(ipv4(address)?, prefix_len)?;
        // /31 and /32 have no network address: there every address is valid.
        let start = network.network().unwrap_or_else(|| network.address());
        ensure!(
            start == network.address(),
            "{network} is not the address of a network; did you mean {start}/{prefix_len}?"
        );
        let ports = ports
            .map(str::parse::<Ports>)
            .transpose()?
            .map(|ports| ports.0);
        Ok(Self(Untranslated { network, ports }))
    }
}

/// `40000-49999`, or one port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ports(pub(crate) PortRange);

impl FromStr for Ports {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = PortRange::new(port(first)?, port(last)?);
        range.map(Self).with_context(|| {
            format!("'{text}' is not a range of ports: its first port is greater than its last")
        })
    }
}

/// `25,135-139`, or `none`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ExcludedPorts(pub(crate) PortSet);

impl FromStr for ExcludedPorts {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut ports = PortSet::EMPTY;
        if text == "none" {
            return Ok(Self(ports));
        }
        for range in text.split(',') {
            let inserted = ports.insert(range.parse::<Ports>()?.0);
            inserted
                .ok()
                .with_context(|| format!("more than {MAX_PORT_RANGES} ranges of ports"))?;
        }
        Ok(Self(ports))
    }
}

fn port(text: &str) -> Result<u16> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => bail!("'{text}' is not a port from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::refused;
    use super::*;

    #[test]
    fn forwards_are_parsed_and_printed_alike() {
        for text in [
            "tcp:8080=192.168.77.10:80",
            "udp:53=10.0.0.2:5353",
            "udp:5000-5009=10.0.0.2:6000",
            "tcp:203.0.113.2:443=10.0.0.2:443",
            "udp:203.0.113.2:1-65535=10.0.0.2:1",
        ] {
            assert_eq!(text.parse::<Forward>().unwrap().to_string(), text);
        }
        for (text, because) in [
            (
                "8080=192.168.77.10:80",
                "expected PROTOCOL:PORT=ADDRESS:PORT",
            ),
            ("tcp:8080", "expected PROTOCOL:PORT=ADDRESS:PORT"),
            (
                "sctp:8080=192.168.77.10:80",
                "'sctp' is neither tcp nor udp",
            ),
            ("tcp:0=192.168.77.10:80", "'0' is not a port"),
            ("tcp:80=192.168.77.10:65536", "'65536' is not a port"),
            ("tcp:80=192.168.77:80", "not an IPv4 address"),
            ("tcp:90-80=192.168.77.10:80", "not a range of ports"),
            ("tcp:80-=192.168.77.10:80", "'' is not a port"),
            (
                "tcp:127.0.0.1:80=192.168.77.10:80",
                "cannot be the address of a router",
            ),
        ] {
            refused::<Forward>(text, because);
        }
    }

    #[test]
    fn one_to_one_rules_have_two_addresses() {
        let rule: OneToOneRule = "198.51.100.78=192.168.77.20".parse().unwrap();
        assert_eq!(rule.to_string(), "198.51.100.78=192.168.77.20");
        refused::<OneToOneRule>("198.51.100.78", "expected EXTERNAL=INSIDE");
        refused::<OneToOneRule>(
            "127.0.0.1=192.168.77.20",
            "cannot be the address of a router",
        );
        refused::<OneToOneRule>("198.51.100.78=host", "'host' is not an IPv4 address");
    }

    #[test]
    fn untranslated_networks_may_have_ports() {
        for (text, ports) in [
            ("10.0.0.0/8", None),
            ("0.0.0.0/0", None),
            ("10.1.2.3/32:80", PortRange::new(80, 80)),
            ("10.0.0.0/8:80-443", PortRange::new(80, 443)),
        ] {
            let network = text.parse::<UntranslatedNetwork>().unwrap().0;
            assert!(
                text.starts_with(&network.network.to_string()),
                "{text}: {network:?}"
            );
            assert_eq!(network.ports, ports, "{text}");
        }
        for (text, because) in [
            ("10.0.0.0", "expected NETWORK/LEN"),
            ("10.0.0.1/8", "did you mean 10.0.0.0/8?"),
            ("10.0.0.0/33", "longer than an address"),
            ("10.0.0.0/x", "'x' is not a prefix length"),
            ("10.0.0.0/8:443-80", "not a range of ports"),
            ("10.0.0.0/8:", "'' is not a port"),
        ] {
            refused::<UntranslatedNetwork>(text, because);
        }
    }

    #[test]
    fn ranges_of_ports_have_both_ends() {
        assert_eq!(
            "1-65535".parse::<Ports>().unwrap().0,
            PortRange::new(1, 65535).unwrap()
        );
        assert_eq!(
            "80".parse::<Ports>().unwrap().0,
            PortRange::new(80, 80).unwrap()
        );
        refused::<Ports>("0-80", "'0' is not a port");
        refused::<Ports>("80-79", "not a range of ports");
        refused::<Ports>("80-65536", "'65536' is not a port");
    }

    #[test]
    fn excluded_ports_are_a_list_or_none() {
        let ranges = |text: &str| {
            let ExcludedPorts(ports) = text.parse().unwrap();
            ports
                .ranges()
                .map(|range| (range.first(), range.last()))
                .collect::<Vec<_>>()
        };
        assert_eq!(ranges("none"), []);
        assert_eq!(ranges("25"), [(25, 25)]);
        assert_eq!(
            ranges("445,135-139,25,136"),
            [(25, 25), (135, 139), (445, 445)]
        );
        refused::<ExcludedPorts>("", "'' is not a port");
        refused::<ExcludedPorts>("25,", "'' is not a port");
        refused::<ExcludedPorts>("25;26", "'25;26' is not a port");
        let odd: Vec<_> = (0..41).map(|number| (2 * number + 1).to_string()).collect();
        refused::<ExcludedPorts>(&odd.join(","), "more than 40 ranges");
    }
}
