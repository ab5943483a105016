//! A random configuration of small numbers, in which every rule meets every other.

use core::net::Ipv4Addr;

use nat_core::{
    Cidr, Config, ExhaustionError, Filtering, Hairpinning, InsideResets, Mapping, OneToOne,
    PortRange, PortSet, Rate, Timeouts, Untranslated,
};

use super::world::*;

pub(crate) const H4: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 13);
pub(crate) const H5: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 14);
pub(crate) const HOSTS: [Ipv4Addr; 5] = [H1, H2, H3, H4, H5];
pub(crate) const EXTERNAL: [Ipv4Addr; 3] = [N, N2, N3];

/// What a world is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) config: Config,
    pub(crate) fragments: bool,
    pub(crate) quarantine: bool,
}

impl Setting {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let mut config = Config::new(inside());
        choose_behaviour(&mut config, random);
        choose_rules(&mut config, random);
        choose_ports(&mut config, random);
        choose_limits(&mut config, random);
        choose_timeouts(&mut config, random);
        choose_answers(&mut config, random);
        choose_excluded_ports(&mut config, random);
        choose_explicit(&mut config, random);
        choose_reserve(&mut config, random);
        Self {
            config,
            fragments: random.u8(..4) != 0,
            quarantine: random.bool(),
        }
    }

    /// Whether inside ports below 1024 and others share some of their external ports.
    pub(crate) fn ranges_meet(&self) -> bool {
        let Config {
            ports, low_ports, ..
        } = &self.config;
        ports.first() <= low_ports.last() && low_ports.first() <= ports.last()
    }

    pub(crate) fn world(&self) -> Option<World> {
        World::tiny(self.config.clone(), self.fragments, self.quarantine)
    }
}

pub(crate) fn one_of<T: Copy>(random: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

fn choose_behaviour(config: &mut Config, random: &mut fastrand::Rng) {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let filters = [
        AddressAndPortDependent,
        AddressDependent,
        EndpointIndependent,
    ];
    config.mapping = one_of(
        random,
        &[
            Mapping::EndpointIndependent,
            Mapping::AddressAndPortDependent,
        ],
    );
    if config.mapping == Mapping::EndpointIndependent {
        config.filtering = one_of(random, &filters);
        config.tcp_filtering = random.bool().then(|| one_of(random, &filters));
    }
    config.hairpinning = one_of(random, &[Hairpinning::Unfiltered, Hairpinning::Filtered]);
    config.external_addresses = EXTERNAL
        .into_iter()
        .filter(|_| random.u8(..3) != 0)
        .collect();
    config.dhcp_client = random.bool();
    config.mss_clamp = random.bool();
    let mtus = [68, 100, 576, 1500, 1500, 1500];
    (config.inside_mtu, config.outside_mtu) = (one_of(random, &mtus), one_of(random, &mtus));
}

fn choose_rules(config: &mut Config, random: &mut fastrand::Rng) {
    config.dmz_host = random.bool().then(|| one_of(random, &HOSTS));
    for _ in 0..random.usize(..3) {
        let rule = OneToOne {
            external: one_of(random, &EXTERNAL),
            inside: one_of(random, &HOSTS),
        };
        config.one_to_one.push(rule).expect("room for two");
    }
    if random.u8(..3) == 0 {
        let cidr = |address, len| Cidr::new(address, len).expect("a prefix length");
        let networks = [
            cidr(S2, 32),
            cidr(S1, 24),
            inside(),
            cidr(N, 24),
            cidr(S1, 0),
            cidr(N2, 32),
        ];
        for _ in 0..random.usize(1..3) {
            let ports = random.bool().then(|| range(80, 80 + random.u16(..2)));
            let entry = Untranslated {
                network: one_of(random, &networks),
                ports,
            };
            config.untranslated.push(entry).expect("room for two");
        }
    }
}

fn choose_ports(config: &mut Config, random: &mut fastrand::Rng) {
    let first = one_of(random, &[30_000, 30_001, 64]);
    config.ports = range(first, first + random.u16(1..8));
    let low = one_of(random, &[500, 30_000, 30_003, 64, 67]);
    config.low_ports = range(low, low + random.u16(1..8));
    config.port_parity = random.bool();
    let reserved = one_of(random, &[500, 30_000, 30_002, 66]);
    config.reserved_ports =
        (random.u8(..3) == 0).then(|| range(reserved, reserved + random.u16(..3)));
}

/// Draws from a copy of `random`, so that a seed gives the same operations whatever is excluded.
fn choose_excluded_ports(config: &mut Config, random: &fastrand::Rng) {
    let mut random = random.clone();
    if random.u8(..4) == 0 {
        return;
    }
    config.excluded_ports = PortSet::EMPTY;
    for _ in 0..random.usize(..4) {
        let excluded = one_of(&mut random, &[64, 500, 503, 30_000, 30_002, 30_005]);
        config
            .excluded_ports
            .insert(range(excluded, excluded + random.u16(..3)))
            .expect("room for three");
    }
}

/// What hosts may ask for. Draws from a copy of `random`, like [`choose_excluded_ports`].
fn choose_explicit(config: &mut Config, random: &fastrand::Rng) {
    let mut random = random.clone();
    let first = one_of(&mut random, &[1, 64, 500, 30_000]);
    config.explicit_ports = range(first, one_of(&mut random, &[first + 3, 40_000]));
    config.limits.explicit_mappings_per_host = random.bool().then(|| random.u16(..3));
}

/// Draws from a copy of `random`, as above.
fn choose_reserve(config: &mut Config, random: &fastrand::Rng) {
    let mut random = random.clone();
    let _the_other_copy_has_drawn_this = random.u64(..);
    config.limits.reserved_per_host = one_of(&mut random, &[None, None, Some(0), Some(1), Some(3)]);
}

/// The names of the fields of a value, from its `Debug` text.
#[cfg(test)]
fn fields(value: &impl core::fmt::Debug) -> Vec<String> {
    let text = format!("{value:#?}");
    let names = text.lines().filter_map(|line| {
        let depth = line.len() - line.trim_start().len();
        let (name, _) = line.trim_start().split_once(": ")?;
        (depth == 4).then(|| name.to_owned())
    });
    names.collect()
}

/// The fields that no function above chooses.
#[cfg(test)]
const FIXED: [&str; 2] = [
    // The hosts are of this network.
    "inside",
    // Which block a host has depends on who came before. The fuzz target `operations` chooses it.
    "port_blocks",
];

/// A field of the configuration that is added is chosen here too.
#[test]
fn every_field_of_the_configuration_varies() {
    let settings: Vec<_> = (0..300)
        .map(|seed| Setting::random(&mut fastrand::Rng::with_seed(seed)).config)
        .collect();
    let varies = |texts: Vec<String>| texts.iter().any(|text| *text != texts[0]);
    let texts = |of: &dyn Fn(&Config) -> String| settings.iter().map(of).collect::<Vec<_>>();
    let lines = |text: String, name: &str| -> String {
        let begin = format!("    {name}: ");
        let rest = text.lines().skip_while(|line| !line.starts_with(&begin));
        let mut rest = rest.peekable();
        let head = rest.next().unwrap_or_default().to_owned();
        let body: Vec<_> = rest.take_while(|line| line.starts_with("     ")).collect();
        head + &body.join("")
    };
    let fixed = |name: &&String| FIXED.contains(&name.as_str());
    let mut unvaried = Vec::new();
    for name in fields(&settings[0]).iter().filter(|name| !fixed(name)) {
        if !varies(texts(&|config| lines(format!("{config:#?}"), name))) {
            unvaried.push(name.clone());
        }
    }
    /// The names of the fields of a part, and its text.
    type Part = fn(&Config) -> (Vec<String>, String);
    let parts: [Part; 3] = [
        |config| (fields(&config.limits), format!("{:#?}", config.limits)),
        |config| (fields(&config.timeouts), format!("{:#?}", config.timeouts)),
        |config| {
            (
                fields(&config.quarantine),
                format!("{:#?}", config.quarantine),
            )
        },
    ];
    for part in parts {
        for name in part(&settings[0]).0 {
            if !varies(texts(&|config| lines(part(config).1, &name))) {
                unvaried.push(name);
            }
        }
    }
    assert!(
        fields(&settings[0]).len() >= 28,
        "all fields have been read"
    );
    assert!(unvaried.is_empty(), "these never change: {unvaried:?}");
}

fn choose_limits(config: &mut Config, random: &mut fastrand::Rng) {
    let mut some = |most: u16| (random.u8(..3) == 0).then(|| random.u16(1..=most));
    let limits = &mut config.limits;
    limits.sessions_per_host = some(12).or(Some(12));
    limits.sessions_per_mapping = some(4);
    limits.mappings_per_host = some(8).or(Some(8));
    limits.tcp_mappings_per_host = some(4);
    limits.udp_mappings_per_host = some(4);
    limits.icmp_mappings_per_host = some(4);
    limits.mapping_rate = some(5).map(|burst| Rate {
        burst,
        per_second: 1,
    });
    limits.session_rate = some(5).map(|burst| Rate {
        burst,
        per_second: 2,
    });
    limits.half_open_per_host = some(4);
    limits.half_open = some(6);
    if random.u8(..4) == 0 {
        (limits.sessions_per_host, limits.mappings_per_host) = (None, None);
    }
    limits.icmp_error_burst = one_of(random, &[0, 2, 20, u16::MAX]);
    limits.icmp_errors_per_second = one_of(random, &[0, 1, 20, u16::MAX]);
}

fn choose_timeouts(config: &mut Config, random: &mut fastrand::Rng) {
    let times = [secs(1), secs(20), secs(300), secs(7440), Timeouts::MAX];
    let timeouts = &mut config.timeouts;
    timeouts.udp = one_of(random, &times);
    timeouts.dns = random.bool().then(|| one_of(random, &times));
    timeouts.tcp_partially_open = one_of(random, &times);
    timeouts.tcp_established = one_of(random, &times);
    timeouts.tcp_closing = one_of(random, &times);
    timeouts.tcp_reset = one_of(random, &times);
    timeouts.icmp = one_of(random, &times);
    let delays = [secs(0), secs(1), secs(120), secs(120), Timeouts::MAX];
    (config.quarantine.delay, config.quarantine.tcp_delay) =
        (one_of(random, &delays), one_of(random, &delays));
    config.quarantine.after_start = random.u8(..5) == 0;
}

fn choose_answers(config: &mut Config, random: &mut fastrand::Rng) {
    config.inside_icmp_errors = random.bool();
    config.outside_icmp_errors = random.bool();
    let resets = [
        InsideResets::Always,
        InsideResets::NotForBareAck,
        InsideResets::Never,
    ];
    config.inside_resets = one_of(random, &resets);
    config.inside_ping = random.bool();
    config.outside_ping = random.bool();
    let errors = [
        ExhaustionError::AdministrativelyProhibited,
        ExhaustionError::HostUnreachable,
        ExhaustionError::None,
    ];
    config.exhaustion_error = one_of(random, &errors);
}

pub(crate) fn range(first: u16, last: u16) -> PortRange {
    PortRange::new(first, last).expect("a range")
}
