//! The configuration of a run: the default or a random one, and what is chosen beyond that.

use core::time::Duration;

use arbitrary::Arbitrary;
use nat_core::{
    Config, Filtering, Hairpinning, InsideResets, Instant, Mapping, OneToOne, PortRange, Rate,
};

use super::setting::{EXTERNAL, HOSTS, Setting};
use super::world;

/// Numbers are taken modulo what there is to choose from.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Choices {
    /// The seed of a random configuration; else the default one with tiny ranges.
    random: Option<u16>,
    start: u8,
    overlapping: Option<bool>,
    filtering: Option<u8>,
    filtered_hairpins: Option<bool>,
    /// Ports in each range, and whether they keep their parity.
    ports: Option<(u8, bool)>,
    blocks: Option<u8>,
    one_to_one: Option<(u8, u8)>,
    dmz_host: Option<u8>,
    quarantine_seconds: Option<u8>,
    limits: Option<Limits>,
    fragments: bool,
    quarantine: bool,
    mtu: Option<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Limits {
    sessions_per_host: u8,
    mappings_per_host: u8,
    sessions_per_mapping: u8,
    rate: u8,
}

impl Choices {
    pub(super) fn setting(&self) -> Setting {
        let mut setting = match self.random {
            Some(seed) => Setting::random(&mut fastrand::Rng::with_seed(seed.into())),
            None => Setting {
                config: plain(),
                fragments: false,
                quarantine: false,
            },
        };
        setting.fragments |= self.fragments;
        setting.quarantine |= self.quarantine;
        self.choose_behaviour(&mut setting.config);
        self.choose_rules(&mut setting.config);
        self.choose_limits(&mut setting.config);
        self.choose_ports(&mut setting.config);
        setting
    }

    /// Where the clock begins: also just before 32 or 48 bits of milliseconds are full.
    pub(super) fn start(&self) -> Instant {
        let starts = [
            1_000_000,
            (1 << 32) - 3_000,
            (1 << 31) - 3_000,
            (5 << 32) - 1,
            (1 << 48) - 3_000,
            0,
        ];
        Instant::from_millis(starts[usize::from(self.start) % starts.len()])
    }

    fn choose_behaviour(&self, config: &mut Config) {
        use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        if let Some(filter) = self.filtering {
            let filters = [
                AddressAndPortDependent,
                AddressDependent,
                EndpointIndependent,
            ];
            config.filtering = filters[usize::from(filter) % 3];
        }
        if let Some(filtered) = self.filtered_hairpins {
            config.hairpinning = if filtered {
                Hairpinning::Filtered
            } else {
                Hairpinning::Unfiltered
            };
        }
        if let Some(overlapping) = self.overlapping {
            config.mapping = if overlapping {
                Mapping::AddressAndPortDependent
            } else {
                Mapping::EndpointIndependent
            };
        }
        if config.mapping == Mapping::AddressAndPortDependent {
            config.filtering = AddressAndPortDependent;
            config.tcp_filtering = None;
        }
        if let Some(mtu) = self.mtu {
            config.outside_mtu = 68 + u16::from(mtu);
        }
    }

    fn choose_rules(&self, config: &mut Config) {
        if let Some((external, inside)) = self.one_to_one {
            let (external, inside) = (EXTERNAL[usize::from(external) % 3], host(inside));
            config
                .one_to_one
                .retain(|rule| rule.external != external && rule.inside != inside);
            _ = config.one_to_one.push(OneToOne { external, inside });
        }
        if let Some(dmz) = self.dmz_host {
            config.dmz_host = Some(host(dmz));
        }
    }

    fn choose_limits(&self, config: &mut Config) {
        if let Some(seconds) = self.quarantine_seconds {
            config.quarantine.delay = Duration::from_secs(seconds.into());
            config.quarantine.tcp_delay = Duration::from_secs(seconds.into());
        }
        if let Some(limits) = self.limits {
            let some = |number: u8, most: u16| Some(1 + u16::from(number) % most);
            config.limits.sessions_per_host = some(limits.sessions_per_host, 12);
            config.limits.mappings_per_host = some(limits.mappings_per_host, 8);
            config.limits.sessions_per_mapping = some(limits.sessions_per_mapping, 4);
            let rate = Rate {
                burst: 1 + u16::from(limits.rate % 5),
                per_second: 1,
            };
            config.limits.mapping_rate = (limits.rate >= 128).then_some(rate);
            let resets = [
                InsideResets::Always,
                InsideResets::NotForBareAck,
                InsideResets::Never,
            ];
            config.inside_resets = resets[usize::from(limits.rate) % resets.len()];
        }
    }

    fn choose_ports(&self, config: &mut Config) {
        if let Some((count, parity)) = self.ports {
            let last = 30_000 + u16::from(count % 32);
            config.ports = PortRange::new(30_000, last).expect("a range");
            config.port_parity = parity;
        }
        if let Some(blocks) = self.blocks {
            let ports = config.ports.last() - config.ports.first();
            config.port_blocks = Some(1 + u16::from(blocks) % (ports + 1).min(8));
            config.dmz_host = None;
            // A host's low ports are of its block too.
            config.low_ports = config.ports;
            // The invariant about refusals knows nothing of blocks, and is not asked where freed
            // ports wait.
            config.quarantine.delay = config.quarantine.delay.max(Duration::from_secs(1));
        }
    }
}

fn plain() -> Config {
    let mut config = world::config();
    config.ports = PortRange::new(30_000, 30_007).expect("a range");
    config.low_ports = PortRange::new(500, 507).expect("a range");
    config.external_addresses = EXTERNAL[..2].iter().copied().collect();
    config
}

fn host(number: u8) -> core::net::Ipv4Addr {
    HOSTS[usize::from(number) % HOSTS.len()]
}
