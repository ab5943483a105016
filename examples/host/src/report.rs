//! The NAT's sessions and counters as tables.

use core::fmt::Write;

use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle, presets};
use nat_core::{DropReason, SessionInfo, SessionProtocol, SessionState, Stats};
#[cfg(target_os = "linux")]
use nat_embassy::{FrameDrop, FrameStats};

const STYLE: TableStyle = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());

/// The sessions, sorted by protocol and inside endpoint.
pub(crate) fn sessions(sessions: impl Iterator<Item = SessionInfo>) -> Table {
    let mut sessions: Vec<SessionInfo> = sessions.collect();
    sessions.sort_by_key(|session| (protocol(session.protocol), session.inside, session.remote));
    let mut table = table(&[
        "protocol",
        "inside",
        "external",
        "remote",
        "state",
        "expires in",
    ]);
    for session in sessions {
        table.add_row([
            Cell::new(protocol(session.protocol)),
            Cell::new(session.inside),
            Cell::new(session.external),
            Cell::new(remote(&session)),
            Cell::new(state(&session)),
            Cell::new(format!("{} s", session.expires_in.as_secs()))
                .set_alignment(CellAlignment::Right),
        ]);
    }
    table
}

/// Counters by verdict and reason, without reasons that did not occur.
pub(crate) fn counters(stats: &Stats) -> Table {
    let mut table = table(&["packets", "count"]);
    let mut row = |name: &str, count: u64| {
        table.add_row([
            Cell::new(name),
            Cell::new(count).set_alignment(CellAlignment::Right),
        ]);
    };
    row("received inside", stats.inside.packets_in);
    row("received outside", stats.outside.packets_in);
    row("sent by the router's own stack", stats.from_router);
    row("forwarded", stats.forwarded);
    row("held (fragments)", stats.held);
    row("for the router itself", stats.local);
    row("rejected", stats.rejected_total());
    for (reason, count) in reasons(|reason| stats.rejected(reason)) {
        row(&format!("  {reason}"), count);
    }
    row("dropped", stats.dropped_total());
    for (reason, count) in reasons(|reason| stats.dropped(reason)) {
        row(&format!("  {reason}"), count);
    }
    table
}

/// The counters under the names that cloud NAT gateways use.
pub(crate) fn gateway(stats: &Stats) -> Table {
    let mut table = table(&["metric", "value"]);
    for (name, value) in stats.gateway().named() {
        table.add_row([
            Cell::new(name),
            Cell::new(value).set_alignment(CellAlignment::Right),
        ]);
    }
    table
}

/// Frames of each side, and frames dropped outside the NAT, by reason.
#[cfg(target_os = "linux")]
pub(crate) fn frames(stats: &FrameStats) -> Table {
    let mut table = table(&["frames", "lan", "wan"]);
    let (lan, wan) = (&stats.inside, &stats.outside);
    for (name, lan, wan) in [
        ("received", lan.received, wan.received),
        ("sent", lan.sent, wan.sent),
        ("to the router's own stack", lan.to_stack, wan.to_stack),
        (
            "from the router's own stack",
            lan.from_stack,
            wan.from_stack,
        ),
        ("dropped", lan.dropped_total(), wan.dropped_total()),
    ] {
        add_sides(&mut table, name, lan, wan);
    }
    for reason in FrameDrop::ALL {
        let name = format!("  {reason}");
        add_sides(&mut table, &name, lan.dropped(reason), wan.dropped(reason));
    }
    if stats.timers_deferred > 0 {
        table.add_row([
            "timers put off".to_owned(),
            stats.timers_deferred.to_string(),
            String::new(),
        ]);
    }
    table
}

/// Adds the counts of both sides, unless both are 0.
#[cfg(target_os = "linux")]
fn add_sides(table: &mut Table, name: &str, lan: u64, wan: u64) {
    if (lan, wan) != (0, 0) {
        let number = |count| Cell::new(count).set_alignment(CellAlignment::Right);
        table.add_row([Cell::new(name), number(lan), number(wan)]);
    }
}

/// All counters of the engine.
pub(crate) fn summary(stats: &Stats) -> String {
    format!(
        "{}\n\n{}\n\n{}",
        counters(stats),
        gateway(stats),
        stats_line(stats)
    )
}

/// The totals in one line that starts with `stats:`.
pub(crate) fn stats_line(stats: &Stats) -> String {
    let mut line = String::from("stats:");
    let sums = [
        ("lan-in", stats.inside.packets_in),
        ("wan-in", stats.outside.packets_in),
        ("forwarded", stats.forwarded),
        ("held", stats.held),
        ("local", stats.local),
        ("rejected", stats.rejected_total()),
        ("dropped", stats.dropped_total()),
        ("sessions-created", stats.sessions_created),
        ("sessions-expired", stats.sessions_expired),
    ];
    for (name, sum) in sums {
        let _ = write!(line, " {name}={sum}");
    }
    line
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header.iter().copied());
    table
}

fn reasons(count: impl Fn(DropReason) -> u64) -> impl Iterator<Item = (&'static str, u64)> {
    DropReason::ALL
        .into_iter()
        .map(move |reason| (reason.as_str(), count(reason)))
        .filter(|(_, count)| *count > 0)
}

/// The protocol's name.
pub(crate) fn protocol(protocol: SessionProtocol) -> &'static str {
    match protocol {
        SessionProtocol::Icmp => "icmp",
        SessionProtocol::Tcp => "tcp",
        SessionProtocol::Udp => "udp",
    }
}

fn remote(session: &SessionInfo) -> String {
    match session.protocol {
        SessionProtocol::Icmp => session.remote.ip().to_string(),
        SessionProtocol::Tcp | SessionProtocol::Udp => session.remote.to_string(),
    }
}

fn state(session: &SessionInfo) -> &'static str {
    match session.state {
        SessionState::Active if session.is_static => "active (forward)",
        SessionState::Active => "active",
        SessionState::InsideSyn => "SYN from inside",
        SessionState::OutsideSyn => "SYN from outside",
        SessionState::Established => "established",
        SessionState::InsideFin => "FIN from inside",
        SessionState::OutsideFin => "FIN from outside",
        SessionState::Closing => "closing",
        SessionState::Reset => "reset",
    }
}
