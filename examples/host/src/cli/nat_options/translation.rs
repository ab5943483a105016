//! Mapping, filtering and hairpinning.

use clap::{Args, ValueEnum};
use nat_core::{Cidr, Config, Filtering, Hairpinning, Mapping};

#[derive(Args, Debug)]
#[command(next_help_heading = "Translation")]
pub(super) struct TranslationOptions {
    /// Default values of the other options
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Profile::Rfc)]
    profile: Profile,
    /// How an inside endpoint gets its external endpoint (RFC 4787 section 4.1) [default: depends on
    /// --profile]
    #[arg(long, value_enum, value_name = "KIND")]
    mapping: Option<MappingKind>,
    /// Who may send to an external endpoint (RFC 4787 section 5)
    #[arg(long, value_enum, value_name = "KIND", default_value_t = FilteringKind::AddressAndPortDependent)]
    filtering: FilteringKind,
    /// Who may send to an external TCP endpoint (RFC 5382 REQ-3) [default: as --filtering]
    #[arg(long, value_enum, value_name = "KIND")]
    tcp_filtering: Option<FilteringKind>,
    /// Whether --filtering applies to LAN hosts that send to each other through an external address
    /// (RFC 4787 section 6)
    #[arg(long, value_enum, value_name = "KIND", default_value_t = HairpinKind::Unfiltered)]
    hairpin: HairpinKind,
}

impl TranslationOptions {
    /// The configuration of the profile, with these options applied.
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
    /// As the RFCs require: endpoint-independent mapping; idle TCP connections end after 2 h 4 min
    Rfc,
    /// As cloud NAT gateways: address-and-port-dependent mapping; idle sessions end after 350 s;
    /// external ports from 1024 up; MSS clamping; no ping replies
    Gateway,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MappingKind {
    /// One external endpoint for all remote endpoints; used by --profile rfc
    EndpointIndependent,
    /// An external port for each remote endpoint. Sessions with different remote endpoints may share
    /// a port, so each destination can have as many sessions as there are ports. Takes a mapping
    /// for each session, and needs address-and-port-dependent filtering; used by --profile gateway
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
    /// Every remote endpoint, as long as the mapping exists
    EndpointIndependent,
    /// Every port of a remote address that the inside endpoint has sent to
    AddressDependent,
    /// Only remote endpoints that the inside endpoint has sent to
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
    /// No: they could reach each other directly anyway
    Unfiltered,
    /// Yes: as for hosts outside
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
