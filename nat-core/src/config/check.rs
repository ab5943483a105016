//! Checks of a configuration: what cannot work is rejected when the NAT is built.

use core::net::Ipv4Addr;

use crate::features;
use crate::log::warning;
use crate::port_forward::OneToOne;
use crate::wire::addresses::{is_martian, is_multicast_or_broadcast};

use super::{
    Config, ConfigError, Filtering, MAX_EXTERNAL_ADDRESSES, MAX_PORT_RANGES, MIN_MTU, Mapping,
    PortSet, check,
};

impl Config {
    /// Rejects configurations that cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_features()?;
        // First, because the other checks compare addresses with the inside network.
        self.check_inside()?;
        self.check_external_addresses(&self.external_addresses)?;
        self.timeouts.check()?;
        self.check_mapping()?;
        self.check_rules()?;
        self.limits.check()?;
        self.quarantine.check()?;
        self.check_blocks()?;
        check("inside_mtu", self.inside_mtu >= MIN_MTU, "below 68 bytes")?;
        check("outside_mtu", self.outside_mtu >= MIN_MTU, "below 68 bytes")?;
        self.check_closed_ports()
    }

    /// Rejects reserved and excluded ports that leave no port for mappings.
    fn check_closed_ports(&self) -> Result<(), ConfigError> {
        const PROBLEM: &str = "leaves no port for mappings";
        // The ranges are added one by one, so that the error names the field that closes the last
        // port.
        let mut closed = PortSet::<{ MAX_PORT_RANGES + 1 }>::EMPTY;
        let mut close = |field, range| {
            let _has_room = closed.insert(range);
            check(
                field,
                !closed.covers(self.ports) && !closed.covers(self.low_ports),
                PROBLEM,
            )
        };
        self.reserved_ports
            .into_iter()
            .try_for_each(|range| close("reserved_ports", range))?;
        self.excluded_ports
            .ranges()
            .try_for_each(|range| close("excluded_ports", range))
    }

    fn check_inside(&self) -> Result<(), ConfigError> {
        let address = self.inside.address();
        check(
            "inside",
            is_host_address(address),
            "not the address of a host",
        )?;
        check(
            "inside",
            (1..=31).contains(&self.inside.prefix_len()),
            "the prefix length is not 1 to 31",
        )?;
        check(
            "inside",
            self.inside.is_host(address),
            "the address is the network or broadcast address",
        )
    }

    /// Logs a warning for each external address that is also an address of the inside network, as
    /// when the DHCP server outside uses the same private network (RFC 4787 REQ-7).
    pub(crate) fn warn_of_external_addresses(&self, addresses: &[Ipv4Addr]) {
        for address in addresses
            .iter()
            .filter(|address| self.inside.contains(**address))
        {
            warning!(
                "external address {} is also in the inside network {}: inside hosts cannot reach outside hosts of that network",
                address,
                self.inside
            );
        }
    }

    /// Rejects external addresses that cannot work.
    pub(crate) fn check_external_addresses(
        &self,
        addresses: &[Ipv4Addr],
    ) -> Result<(), ConfigError> {
        const FIELD: &str = "external_addresses";
        check(
            FIELD,
            addresses.len() <= MAX_EXTERNAL_ADDRESSES,
            "more than 8",
        )?;
        for (position, address) in addresses.iter().enumerate() {
            self.check_external_address(*address)?;
            let earlier = addresses.iter().take(position);
            check(
                FIELD,
                earlier.copied().all(|other| other != *address),
                "an address is listed twice",
            )?;
        }
        Ok(())
    }

    fn check_external_address(&self, address: Ipv4Addr) -> Result<(), ConfigError> {
        const FIELD: &str = "external_addresses";
        check(
            FIELD,
            is_host_address(address),
            "an address is not that of a host",
        )?;
        // An address of the inside network is possible, but not one that no host can have.
        check(
            FIELD,
            !self.inside.contains(address) || self.inside.is_host(address),
            "an address is the network or broadcast address of the inside network",
        )
    }

    /// Rejects what needs a Cargo feature that is off.
    fn check_features(&self) -> Result<(), ConfigError> {
        const RULES_ARE_OFF: &str = "needs the feature `rules`";
        let overlaps = self.mapping == Mapping::AddressAndPortDependent;
        check(
            "mapping",
            features::OVERLAPPING || !overlaps,
            "needs the feature `overlapping`",
        )?;
        let without = features::RULES || self.one_to_one.is_empty();
        check("one_to_one", without, RULES_ARE_OFF)?;
        let without = features::RULES || self.dmz_host.is_none();
        check("dmz_host", without, RULES_ARE_OFF)
    }

    fn check_mapping(&self) -> Result<(), ConfigError> {
        let filters = [self.filtering, self.tcp_filtering.unwrap_or(self.filtering)];
        let exact = filters == [Filtering::AddressAndPortDependent; 2];
        let possible = exact || self.mapping == Mapping::EndpointIndependent;
        check(
            "filtering",
            possible,
            "address-and-port-dependent mapping needs address-and-port-dependent filtering",
        )
    }

    fn check_rules(&self) -> Result<(), ConfigError> {
        check(
            "dmz_host",
            self.dmz_host.is_none_or(|host| self.is_inside_host(host)),
            "not a host of the inside network",
        )?;
        for (position, rule) in self.one_to_one.iter().enumerate() {
            let earlier = self.one_to_one.get(..position).unwrap_or_default();
            self.check_one_to_one(rule, earlier)?;
        }
        Ok(())
    }

    fn check_one_to_one(&self, rule: &OneToOne, earlier: &[OneToOne]) -> Result<(), ConfigError> {
        const FIELD: &str = "one_to_one";
        check(
            FIELD,
            self.is_inside_host(rule.inside),
            "not a host of the inside network",
        )?;
        check(
            FIELD,
            is_host_address(rule.external),
            "an address is not that of a host",
        )?;
        check(
            FIELD,
            earlier
                .iter()
                .all(|other| other.external != rule.external && other.inside != rule.inside),
            "an address is listed twice",
        )
    }

    /// Whether `address` can be that of an inside host other than the router.
    fn is_inside_host(&self, address: Ipv4Addr) -> bool {
        self.inside.is_host(address) && address != self.inside.address()
    }
}

/// Whether `address` can be that of a host in any network.
fn is_host_address(address: Ipv4Addr) -> bool {
    let address = address.to_bits();
    !is_martian(address) && !is_multicast_or_broadcast(address)
}
