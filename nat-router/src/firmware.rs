//! Choices that all firmware shares.

use embassy_time::Duration;

/// A watchdog timeout that suits [`Runner::run`](crate::Runner::run): several times the
/// [`HEARTBEAT_INTERVAL`](crate::HEARTBEAT_INTERVAL), so that only a router that is stuck exceeds
/// it.
pub const WATCHDOG_TIMEOUT: Duration = Duration::from_secs(3);

/// The number of mappings in `setting`, a decimal number, or `default` without one. For firmware
/// whose capacity is set when it is built:
///
/// ```
/// const MAPPINGS: usize = nat_router::mappings(option_env!("NAT_MAPPINGS"), 1024);
/// ```
///
/// # Panics
///
/// If `setting` is not a number. In a `const`, this is an error of the build.
pub const fn mappings(setting: Option<&str>, default: usize) -> usize {
    let Some(setting) = setting else {
        return default;
    };
    match usize::from_str_radix(setting, 10) {
        Ok(mappings) => mappings,
        Err(_) => panic!("the number of mappings is not a decimal number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_wins_over_the_default() {
        assert_eq!([mappings(None, 7), mappings(Some("512"), 7)], [7, 512]);
    }

    #[test]
    #[should_panic(expected = "not a decimal number")]
    fn a_setting_that_is_no_number_is_refused() {
        mappings(Some("many"), 7);
    }
}
