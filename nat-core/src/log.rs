//! Log messages about changes that the application makes, through `defmt` or `log` if that feature
//! is enabled. Never one per packet.

macro_rules! info {
    ($text:literal $(, $value:expr)* $(,)?) => {{
        #[cfg(feature = "defmt")]
        defmt::info!($text $(, $value)*);
        #[cfg(feature = "log")]
        log::info!($text $(, $value)*);
        #[cfg(not(any(feature = "defmt", feature = "log")))]
        let _ = ($(&$value,)*);
    }};
}

macro_rules! warning {
    ($text:literal $(, $value:expr)* $(,)?) => {{
        #[cfg(feature = "defmt")]
        defmt::warn!($text $(, $value)*);
        #[cfg(feature = "log")]
        log::warn!($text $(, $value)*);
        #[cfg(not(any(feature = "defmt", feature = "log")))]
        let _ = ($(&$value,)*);
    }};
}

pub(crate) use {info, warning};
