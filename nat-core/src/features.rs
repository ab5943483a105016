//! Which optional parts of the engine are built in: see the crate's Cargo features.
//!
//! The code that asks for a constant is always compiled, and removed where the constant is `false`.
//! So no combination of features can break the build.

/// The event hook.
pub(crate) const EVENTS: bool = cfg!(feature = "events");
/// External ports that hosts ask for.
pub(crate) const EXPLICIT_MAPPINGS: bool = cfg!(feature = "explicit-mappings");
/// The shortcut for most packets.
pub(crate) const FAST_PATH: bool = cfg!(feature = "fast-path");
/// Fragments.
pub(crate) const FRAGMENTS: bool = cfg!(feature = "fragments");
/// Packets from inside to an external address.
pub(crate) const HAIRPINNING: bool = cfg!(feature = "hairpinning");
/// Address-and-port-dependent mapping, where mappings share external ports.
pub(crate) const OVERLAPPING: bool = cfg!(feature = "overlapping");
/// The quarantine of external ports.
pub(crate) const QUARANTINE: bool = cfg!(feature = "quarantine");
/// Port forwards, one-to-one translation, the DMZ host.
pub(crate) const RULES: bool = cfg!(feature = "rules");
