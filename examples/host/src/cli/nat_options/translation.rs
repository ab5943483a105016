//! How endpoints are translated, and who may send to them.

use clap::{Args, ValueEnum};
use nat_core::{Cidr, Config, Filtering, Hairpinning, Mapping};

#[derive(Args, Debug)]
#[command(next_help_heading = "Translation")]
pub(super) struct TranslationOptions {
    /// What the other options start from: `rfc` is what the RFCs ask for; `gateway` is what cloud NAT gateways do: every idle
    /// session ends after 350 s, external ports from 1024 up that overlap, a clamped MSS, no answer to a ping. Each option that
    /// is given overrides the profile
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Profile::Rfc)]
    profile: Profile,
    /// How an inside endpoint gets its external endpoint (RFC 4787 section 4.1). The address-and-port-dependent kind gives a
    /// port for each remote endpoint, which others may have too if they talk to others; it takes a mapping for each session,
    /// and hosts cannot be reached from endpoints that they have not sent to [default: endpoint-independent;
    /// address-and-port-dependent with --profile gateway]
    #[arg(long, value_enum, value_name = "KIND")]
    mapping: Option<MappingKind>,
    /// Who may send to an external endpoint (RFC 4787 section 5): anyone, any port of the remote addresses that the inside
    /// endpoint has sent to, or only the remote endpoints that it has sent to
    #[arg(long, value_enum, value_name = "KIND", default_value_t = FilteringKind::AddressAndPortDependent)]
    filtering: FilteringKind,
    /// The same for TCP (RFC 5382 REQ-3) [default: as --filtering]
    #[arg(long, value_enum, value_name = "KIND")]
    tcp_filtering: Option<FilteringKind>,
    /// Whether --filtering applies to LAN hosts that reach each other through an external address (RFC 4787 section 6)
    #[arg(long, value_enum, value_name = "KIND", default_value_t = HairpinKind::Unfiltered)]
    hairpin: HairpinKind,
}

impl TranslationOptions {
    /// The configuration of the profile, with what these options say.
    pub(super) fn config(&self, inside: Cidr) -> Config {
        let mut config = match self.profile {
            Profile::Rfc => Config::new(inside),
            Profile::Gateway => Config::gateway(inside),
        };
        if let Some(mapping) = self.mapping {
            config.mapping = mapping.into();
        }
        config.filtering = self.filtering.into();
        config.tcp_filtering = self.tcp_filtering.map(Filtering::from);
        config.hairpinning = self.hairpin.into();
        config
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    Rfc,
    Gateway,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MappingKind {
    EndpointIndependent,
    AddressAndPortDependent,
}

impl From<MappingKind> for Mapping {
    fn from(kind: MappingKind) -> Self {
        match kind {
            MappingKind::EndpointIndependent => Self::EndpointIndependent,
            MappingKind::AddressAndPortDependent => Self::AddressAndPortDependent,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FilteringKind {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

impl From<FilteringKind> for Filtering {
    fn from(kind: FilteringKind) -> Self {
        match kind {
            FilteringKind::EndpointIndependent => Self::EndpointIndependent,
            FilteringKind::AddressDependent => Self::AddressDependent,
            FilteringKind::AddressAndPortDependent => Self::AddressAndPortDependent,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HairpinKind {
    Unfiltered,
    Filtered,
}

impl From<HairpinKind> for Hairpinning {
    fn from(kind: HairpinKind) -> Self {
        match kind {
            HairpinKind::Unfiltered => Self::Unfiltered,
            HairpinKind::Filtered => Self::Filtered,
        }
    }
}
