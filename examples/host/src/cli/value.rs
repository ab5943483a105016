//! Option values that are more than a number or an address.

mod amounts;
mod rules;

use core::net::Ipv4Addr;
use core::str::FromStr;

use anyhow::{Context, Result, ensure};
use nat_core::{Cidr, Seed};

pub(super) use amounts::{RateValue, Timeout, TimeoutName};
pub(super) use rules::{ExcludedPorts, Forward, OneToOneRule, Ports, UntranslatedNetwork};

/// `192.168.77.1/24`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Network(pub(crate) Cidr);

impl FromStr for Network {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let cidr = network_of(text)?;
        let address = cidr.address();
        ensure!(
            is_host(address),
            "{address} cannot be the address of a router"
        );
        ensure!(
            Some(address) != cidr.network(),
            "{address} is the address of the network, not of a host in it"
        );
        ensure!(
            Some(address) != cidr.broadcast(),
            "{address} is the broadcast address of the network"
        );
        Ok(Self(cidr))
    }
}

/// `192.168.77.1/24`, or the network itself: `192.168.77.0/24`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Lan(pub(crate) Cidr);

impl FromStr for Lan {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match network_of(text)? {
            cidr if cidr.network() == Some(cidr.address()) && is_host(cidr.address()) => {
                Ok(Self(cidr))
            }
            _ => text.parse::<Network>().map(|network| Self(network.0)),
        }
    }
}

/// `02:00:00:00:00:01`: a unicast address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MacAddress(pub(crate) [u8; 6]);

impl FromStr for MacAddress {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut address = [0; 6];
        let digits = text.replace([':', '-'], "");
        let is_whole = text.split([':', '-']).all(|byte| byte.len() == 2) && digits.len() == 12;
        let decoded = hex::decode_to_slice(digits, &mut address).is_ok();
        ensure!(
            is_whole && decoded,
            "'{text}' is not a MAC address, as in 02:00:00:00:00:01"
        );
        let is_station = address[0] & 1 == 0 && address != [0; 6];
        ensure!(is_station, "{text} is not a unicast address");
        Ok(Self(address))
    }
}

/// `nat-lan=192.168.77.1/24`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LanDevice {
    pub(crate) name: String,
    pub(crate) address: Cidr,
}

impl FromStr for LanDevice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, address) = device(text, "nat-lan=192.168.77.1/24")?;
        Ok(Self {
            name,
            address: address.parse::<Network>()?.0,
        })
    }
}

/// `nat-wan=198.51.100.77/24` or `nat-wan=dhcp`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WanDevice {
    pub(crate) name: String,
    /// The static address; `None` to take a lease.
    pub(crate) address: Option<Cidr>,
}

impl FromStr for WanDevice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, address) = device(text, "nat-wan=198.51.100.77/24 or nat-wan=dhcp")?;
        let address = if address == "dhcp" {
            None
        } else {
            Some(address.parse::<Network>()?.0)
        };
        Ok(Self { name, address })
    }
}

/// `192.168.77.100-192.168.77.150`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LeasePool {
    pub(crate) first: Ipv4Addr,
    pub(crate) last: Ipv4Addr,
}

impl FromStr for LeasePool {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (first, last) = text
            .split_once('-')
            .context("expected FIRST-LAST, as in 192.168.77.100-192.168.77.150")?;
        Ok(Self {
            first: ipv4(first)?,
            last: ipv4(last)?,
        })
    }
}

/// 32 hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeedValue(pub(crate) Seed);

impl FromStr for SeedValue {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)
            .ok()
            .context("expected 16 bytes as 32 hexadecimal digits")?;
        ensure!(bytes != [0; 16], "a seed of zeros makes ports predictable");
        Ok(Self(Seed::new(bytes)))
    }
}

/// A secondary external address.
pub(crate) fn external_address(text: &str) -> Result<Ipv4Addr> {
    let address = ipv4(text)?;
    ensure!(
        is_host(address),
        "{address} cannot be the address of a router"
    );
    Ok(address)
}

fn device<'t>(text: &'t str, example: &str) -> Result<(String, &'t str)> {
    // Linux: IFNAMSIZ is 16, the final zero included; a name has neither '/' nor white space.
    const MAX_NAME: usize = 15;
    let (name, address) = text
        .split_once('=')
        .with_context(|| format!("expected NAME=ADDRESS, as in {example}"))?;
    let legal = !name.is_empty()
        && !name.contains(|c: char| c == '/' || c == '%' || c == ':' || c.is_whitespace());
    ensure!(
        legal && name.len() <= MAX_NAME && name != "." && name != "..",
        "'{name}' cannot be the name of a device"
    );
    Ok((name.to_owned(), address))
}

/// An address of any kind, with the length of its network's prefix.
fn network_of(text: &str) -> Result<Cidr> {
    let (address, prefix_len) = text
        .split_once('/')
        .context("the prefix length is missing, as in 192.168.77.1/24")?;
    network(ipv4(address)?, prefix_len)
}

/// A network from an address and a prefix length.
fn network(address: Ipv4Addr, prefix_len: &str) -> Result<Cidr> {
    let bits = prefix_len
        .parse()
        .ok()
        .with_context(|| format!("'{prefix_len}' is not a prefix length"))?;
    Cidr::new(address, bits).with_context(|| format!("/{bits} is longer than an address"))
}

/// An address of any kind.
pub(crate) fn ipv4(text: &str) -> Result<Ipv4Addr> {
    text.parse()
        .ok()
        .with_context(|| format!("'{text}' is not an IPv4 address"))
}

fn is_host(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first < 224 && !address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    pub(super) fn refused<T: FromStr<Err = anyhow::Error> + core::fmt::Debug>(
        text: &str,
        because: &str,
    ) {
        let error = text.parse::<T>().expect_err(text).to_string();
        assert!(error.contains(because), "{text}: {error}");
    }

    #[test]
    fn networks_that_no_router_can_have_are_rejected_with_the_reason() {
        for (text, because) in [
            ("192.168.77.1", "prefix length is missing"),
            ("192.168.77/24", "'192.168.77' is not an IPv4 address"),
            ("192.168.77.1/x", "'x' is not a prefix length"),
            ("192.168.77.1/33", "longer than an address"),
            ("192.168.77.0/24", "address of the network"),
            ("192.168.77.255/24", "broadcast address"),
            ("0.0.0.1/24", "cannot be the address of a router"),
            ("127.0.0.1/8", "cannot be the address of a router"),
            ("224.0.0.1/24", "cannot be the address of a router"),
        ] {
            refused::<Network>(text, because);
        }
    }

    #[test]
    fn devices_have_a_name_and_an_address() {
        let lan: LanDevice = "nat-lan=192.168.77.1/24".parse().unwrap();
        assert_eq!(
            (lan.name.as_str(), lan.address.to_string().as_str()),
            ("nat-lan", "192.168.77.1/24")
        );
        let wan: WanDevice = "w0=dhcp".parse().unwrap();
        assert_eq!((wan.name.as_str(), wan.address), ("w0", None));
        refused::<LanDevice>("192.168.77.1/24", "expected NAME=ADDRESS");
        refused::<LanDevice>("=192.168.77.1/24", "cannot be the name of a device");
        refused::<LanDevice>(
            "a-name-of-16-long=192.168.77.1/24",
            "cannot be the name of a device",
        );
        refused::<LanDevice>("nat-lan=dhcp", "prefix length is missing");
        refused::<WanDevice>("nat-wan=198.51.100.300/24", "not an IPv4 address");
    }

    #[test]
    fn a_lan_may_be_given_as_the_network_itself() {
        for text in [
            "192.168.77.1/24",
            "192.168.77.0/24",
            "10.0.0.0/8",
            "10.0.0.5/32",
        ] {
            assert_eq!(text.parse::<Lan>().unwrap().0.to_string(), text);
        }
        refused::<Lan>("192.168.77.255/24", "broadcast address");
        refused::<Lan>("0.0.0.0/0", "cannot be the address of a router");
        refused::<Lan>("224.0.0.0/4", "cannot be the address of a router");
        refused::<Lan>("10.0.0.0", "prefix length is missing");
    }

    #[test]
    fn a_mac_address_is_unicast() {
        for text in ["02:00:00:00:00:0a", "02-00-00-00-00-0A"] {
            assert_eq!(text.parse::<MacAddress>().unwrap().0, [2, 0, 0, 0, 0, 10]);
        }
        for text in [
            "",
            "02",
            "02:00:00:00:00",
            "2:0:0:0:0:1",
            "02:00:00:00:00:0g",
            "020000000001",
            "02:00:00:00:00:01:02",
        ] {
            refused::<MacAddress>(text, "is not a MAC address, as in");
        }
        refused::<MacAddress>("ff:ff:ff:ff:ff:ff", "is not a unicast address");
        refused::<MacAddress>("01:00:5e:00:00:01", "is not a unicast address");
        refused::<MacAddress>("00:00:00:00:00:00", "is not a unicast address");
    }

    #[test]
    fn a_pool_is_the_first_and_the_last_address() {
        let pool: LeasePool = "192.168.77.100-192.168.77.150".parse().unwrap();
        assert_eq!(
            (pool.first, pool.last),
            ([192, 168, 77, 100].into(), [192, 168, 77, 150].into())
        );
        refused::<LeasePool>("192.168.77.100", "expected FIRST-LAST");
        refused::<LeasePool>("192.168.77.100-150", "'150' is not an IPv4 address");
    }

    #[test]
    fn seeds_are_sixteen_bytes_and_not_all_zero() {
        assert!(
            "000102030405060708090a0b0c0d0e0f"
                .parse::<SeedValue>()
                .is_ok()
        );
        refused::<SeedValue>("00010203", "32 hexadecimal digits");
        refused::<SeedValue>("zz0102030405060708090a0b0c0d0e0f", "32 hexadecimal digits");
        refused::<SeedValue>(&"0".repeat(32), "predictable");
    }
}
