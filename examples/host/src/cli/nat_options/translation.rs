//! How endpoints are translated, and who may send to them.

use clap::{Args, ValueEnum};
use nat_core::{Cidr, Config, Filtering, Hairpinning, Mapping};

#[derive(Args, Debug)]
#[command(next_help_heading = "Translation")]
pub(super) struct TranslationOptions {
    /// What the other options start from; each that is given overrides it
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Profile::Rfc)]
    profile: Profile,
    /// How an inside endpoint gets its external endpoint (RFC 4787 section 4.1) [default: as
    /// --profile says]
    #[arg(long, value_enum, value_name = "KIND")]
    mapping: Option<MappingKind>,
    /// Who may send to an external endpoint (RFC 4787 section 5)
    #[arg(long, value_enum, value_name = "KIND", default_value_t = FilteringKind::AddressAndPortDependent)]
    filtering: FilteringKind,
    /// The same for TCP (RFC 5382 REQ-3) [default: as --filtering]
    #[arg(long, value_enum, value_name = "KIND")]
    tcp_filtering: Option<FilteringKind>,
    /// Whether --filtering applies to LAN hosts that reach each other through an external address
    /// (RFC 4787 section 6)
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
    /// What the RFCs ask for: endpoint-independent mapping, and TCP connections live for 2 h 4 min
    /// without traffic
    Rfc,
    /// What cloud NAT gateways do: address-and-port-dependent mapping, idle sessions end after 350
    /// s, external ports from 1024 up for all, a clamped MSS, no answer to a ping
    Gateway,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MappingKind {
    /// One external endpoint for whatever it talks to; of --profile rfc
    EndpointIndependent,
    /// An external port for each remote endpoint, which others may have too if they talk to others:
    /// as many sessions to each destination as there are ports. Takes a mapping for each
    /// session, and address-and-port-dependent filtering; of --profile gateway
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
    /// Anyone, as long as the mapping lives
    EndpointIndependent,
    /// Any port of the remote addresses that the inside endpoint has sent to
    AddressDependent,
    /// The remote endpoints that the inside endpoint has sent to
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
    /// No: they could reach each other directly
    Unfiltered,
    /// Yes: as if they were outside
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
