//! Values of rates and timeouts.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nat_core::{Rate, Timeouts};

/// `100+20/s`: 100 at once, then 20 a second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RateValue(pub(crate) Rate);

impl FromStr for RateValue {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        const SHAPE: &str = "expected BURST+RATE/s, as in 100+20/s: 100 at once, then 20 a second";
        let (burst, rate) = text
            .strip_suffix("/s")
            .and_then(|text| text.split_once('+'))
            .context(SHAPE)?;
        let (burst, per_second) = (
            burst.parse().ok().context(SHAPE)?,
            rate.parse().ok().context(SHAPE)?,
        );
        ensure!(burst > 0, "a burst of 0 lets nothing through");
        ensure!(
            (1..=1000).contains(&per_second),
            "the rate must be 1 to 1000 a second"
        );
        Ok(Self(Rate { burst, per_second }))
    }
}

/// `udp=300`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Timeout {
    pub(crate) name: TimeoutName,
    pub(crate) time: Duration,
}

impl FromStr for Timeout {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, seconds) = text
            .split_once('=')
            .context("expected NAME=SECONDS, as in udp=300")?;
        let name = name.parse()?;
        let longest = Timeouts::MAX.as_secs();
        match seconds.parse() {
            Ok(seconds) if (1..=longest).contains(&seconds) => Ok(Self {
                name,
                time: Duration::from_secs(seconds),
            }),
            _ => bail!("'{seconds}' is not a number of seconds from 1 to {longest}"),
        }
    }
}

/// The name of a timeout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TimeoutName {
    Udp,
    Dns,
    TcpPartiallyOpen,
    TcpEstablished,
    TcpClosing,
    TcpReset,
    Icmp,
}

impl TimeoutName {
    pub(crate) const ALL: [Self; 7] = [
        Self::Udp,
        Self::Dns,
        Self::TcpPartiallyOpen,
        Self::TcpEstablished,
        Self::TcpClosing,
        Self::TcpReset,
        Self::Icmp,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Dns => "dns",
            Self::TcpPartiallyOpen => "tcp-partially-open",
            Self::TcpEstablished => "tcp-established",
            Self::TcpClosing => "tcp-closing",
            Self::TcpReset => "tcp-reset",
            Self::Icmp => "icmp",
        }
    }

    /// The value in `timeouts`; `None` if it is the same as another.
    pub(crate) const fn get(self, timeouts: &Timeouts) -> Option<Duration> {
        match self {
            Self::Udp => Some(timeouts.udp),
            Self::Dns => timeouts.dns,
            Self::TcpPartiallyOpen => Some(timeouts.tcp_partially_open),
            Self::TcpEstablished => Some(timeouts.tcp_established),
            Self::TcpClosing => Some(timeouts.tcp_closing),
            Self::TcpReset => Some(timeouts.tcp_reset),
            Self::Icmp => Some(timeouts.icmp),
        }
    }

    /// Sets the value in `timeouts`.
    pub(crate) const fn set(self, timeouts: &mut Timeouts, time: Duration) {
        match self {
            Self::Udp => timeouts.udp = time,
            Self::Dns => timeouts.dns = Some(time),
            Self::TcpPartiallyOpen => timeouts.tcp_partially_open = time,
            Self::TcpEstablished => timeouts.tcp_established = time,
            Self::TcpClosing => timeouts.tcp_closing = time,
            Self::TcpReset => timeouts.tcp_reset = time,
            Self::Icmp => timeouts.icmp = time,
        }
    }
}

impl FromStr for TimeoutName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let name = Self::ALL.into_iter().find(|name| name.as_str() == text);
        name.with_context(|| format!("'{text}' is not one of {}", names()))
    }
}

impl fmt::Display for TimeoutName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::refused;
    use super::*;

    #[test]
    fn rates_are_a_burst_and_what_follows() {
        assert_eq!(
            "100+20/s".parse::<RateValue>().unwrap().0,
            Rate {
                burst: 100,
                per_second: 20
            }
        );
        for text in [
            "100",
            "100+20",
            "100/s",
            "100/20",
            "+20/s",
            "100+/s",
            "100+65536/s",
            "-1+20/s",
        ] {
            refused::<RateValue>(text, "expected BURST+RATE/s");
        }
        refused::<RateValue>("0+20/s", "lets nothing through");
        refused::<RateValue>("1+0/s", "1 to 1000 a second");
        refused::<RateValue>("1+1001/s", "1 to 1000 a second");
    }

    #[test]
    fn every_timeout_is_set_by_its_name_and_by_no_other() {
        for name in TimeoutName::ALL {
            let mut timeouts = Timeouts::RFC;
            let timeout: Timeout = format!("{name}=77").parse().unwrap();
            timeout.name.set(&mut timeouts, timeout.time);
            let changed = |other: &TimeoutName| other.get(&timeouts) != other.get(&Timeouts::RFC);
            assert_eq!(
                TimeoutName::ALL
                    .into_iter()
                    .filter(changed)
                    .collect::<Vec<_>>(),
                [name]
            );
            assert_eq!(name.get(&timeouts), Some(Duration::from_secs(77)));
        }
    }

    #[test]
    fn invalid_timeouts_are_rejected() {
        refused::<Timeout>("udp", "expected NAME=SECONDS");
        refused::<Timeout>("tcp=5", "'tcp' is not one of udp, dns, tcp-partially-open,");
        for seconds in ["0", "1036801", "5m", ""] {
            refused::<Timeout>(
                &format!("udp={seconds}"),
                "not a number of seconds from 1 to 1036800",
            );
        }
        assert!("udp=1036800".parse::<Timeout>().is_ok());
    }
}
