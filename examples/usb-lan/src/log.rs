//! Log lines about rare events, through `defmt` or `log` if the feature is on. Never one per
//! packet.

macro_rules! info {
    ($text:literal $(, $value:expr)* $(,)?) => {{
        #[cfg(feature = "defmt")]
        defmt::info!($text $(, $value)*);
        #[cfg(feature = "log")]
        log::info!($text $(, $value)*);
        #[cfg(not(any(feature = "defmt", feature = "log")))]
        let _ = ($(&$value),*);
    }};
}

pub(crate) use info;
