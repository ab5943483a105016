//! The names and passwords of Wi-Fi networks. Firmware is built with them, from environment
//! variables:
//!
//! ```
//! use nat_wifi::{Network, PROVIDER_HELP};
//!
//! # const SSID: Option<&str> = Some("provider");
//! # const PASSWORD: Option<&str> = Some("correct horse");
//! // On a board: option_env!("WIFI_SSID"), option_env!("WIFI_PASSWORD").
//! const PROVIDER: Network = Network::to_join(SSID, PASSWORD, PROVIDER_HELP);
//! ```
//!
//! They are in the image as plain text: whoever has the image, or the board, has the passwords.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

/// What to do when there is no network to join.
pub const PROVIDER_HELP: &str = "\
set WIFI_SSID and WIFI_PASSWORD to the name and the password of the Wi-Fi network outside, as in \
WIFI_SSID='my network' WIFI_PASSWORD='its password' cargo build --release; an empty WIFI_PASSWORD \
is for a network without a password";

/// What to do when the router's own network has no name or no password.
pub const ACCESS_POINT_HELP: &str = "\
set AP_SSID and AP_PASSWORD to the name and the password that the router's own Wi-Fi network shall \
have, as in AP_SSID='my router' AP_PASSWORD='a new password' cargo build --release";

/// A name has up to 32 bytes (IEEE 802.11-2020, section 9.4.2.2).
const LONGEST_NAME: usize = 32;

/// A password has 8 to 63 printable ASCII characters (IEEE 802.11-2020, annex J.4.1).
const SHORTEST_PASSWORD: usize = 8;
const LONGEST_PASSWORD: usize = 63;

/// A Wi-Fi network.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Network {
    /// Its name, 1 to 32 bytes.
    pub ssid: &'static str,
    /// Its password, 8 to 63 printable ASCII characters. Empty for an open network.
    pub password: &'static str,
}

impl Network {
    /// A network to join. It may be open: then the password is present, but empty.
    ///
    /// # Panics
    ///
    /// With `help`, if a setting is missing; if it is longer or shorter than it can be, or the
    /// password has other characters than printable ASCII. In a `const`, this is an error of the
    /// build.
    pub const fn to_join(
        ssid: Option<&'static str>,
        password: Option<&'static str>,
        help: &'static str,
    ) -> Self {
        let (Some(ssid), Some(password)) = (ssid, password) else {
            panic!("{}", help);
        };
        check_name(ssid);
        if !password.is_empty() {
            check_password(password);
        }
        Self { ssid, password }
    }

    /// A network of one's own, which is not open.
    ///
    /// # Panics
    ///
    /// As [`to_join`](Self::to_join), and if the password is empty.
    pub const fn to_offer(
        ssid: Option<&'static str>,
        password: Option<&'static str>,
        help: &'static str,
    ) -> Self {
        let network = Self::to_join(ssid, password, help);
        check_password(network.password);
        network
    }

    /// Whether the network has no password.
    pub const fn is_open(&self) -> bool {
        self.password.is_empty()
    }
}

const fn check_name(ssid: &str) {
    assert!(
        !ssid.is_empty() && ssid.len() <= LONGEST_NAME,
        "the name of a Wi-Fi network has 1 to 32 bytes"
    );
}

const fn check_password(password: &str) {
    assert!(
        password.len() >= SHORTEST_PASSWORD && password.len() <= LONGEST_PASSWORD,
        "the password of a Wi-Fi network has 8 to 63 characters"
    );
    let mut at = 0;
    while at < password.len() {
        assert!(
            matches!(password.as_bytes()[at], b' '..=b'~'),
            "the password of a Wi-Fi network has printable ASCII characters only"
        );
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    const LONGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

    fn join(ssid: &'static str, password: &'static str) -> Network {
        Network::to_join(Some(ssid), Some(password), PROVIDER_HELP)
    }

    fn panics(action: impl FnOnce() -> Network + core::panic::UnwindSafe) -> bool {
        std::panic::catch_unwind(action).is_err()
    }

    #[test]
    fn names_and_passwords_of_every_allowed_length_are_taken_as_they_are() {
        for (ssid, password) in [("a", "8 chars~"), (&LONGEST[..32], LONGEST)] {
            let network = join(ssid, password);
            assert_eq!((network.ssid, network.password), (ssid, password));
            assert!(!network.is_open());
        }
    }

    #[test]
    fn an_empty_password_is_for_a_network_to_join_only() {
        assert!(join("cafe", "").is_open());
        assert!(panics(|| Network::to_offer(
            Some("cafe"),
            Some(""),
            ACCESS_POINT_HELP
        )));
    }

    #[test]
    fn what_no_network_has_is_refused() {
        const TOO_LONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for (ssid, password) in [
            ("", "12345678"),
            (&TOO_LONG[..33], "12345678"),
            ("name", "1234567"),
            ("name", TOO_LONG),
            ("name", "pass\u{7f}word"),
            ("name", "passwörter"),
        ] {
            assert!(panics(|| join(ssid, password)), "{ssid:?} {password:?}");
        }
    }

    #[test]
    #[should_panic(expected = "set WIFI_SSID and WIFI_PASSWORD")]
    fn a_missing_name_says_what_to_do() {
        Network::to_join(None, Some("12345678"), PROVIDER_HELP);
    }

    #[test]
    #[should_panic(expected = "set AP_SSID and AP_PASSWORD")]
    fn a_missing_password_says_what_to_do() {
        Network::to_offer(Some("name"), None, ACCESS_POINT_HELP);
    }
}
