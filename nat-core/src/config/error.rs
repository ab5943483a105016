//! Errors in a configuration.

/// A field of the configuration that cannot work, and why.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ConfigError {
    /// The name of the field, such as `external_addresses`.
    pub field: &'static str,
    /// What is wrong with it, in a few words without a full stop.
    pub problem: &'static str,
}

impl ConfigError {
    /// An error about something else that is configured together with a NAT: the name of the
    /// `field`, and what is wrong with it in a few words without a full stop.
    pub const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl core::error::Error for ConfigError {}

/// An error in `field` unless `holds`.
pub(crate) fn check(
    field: &'static str,
    holds: bool,
    problem: &'static str,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError { field, problem })
    }
}
