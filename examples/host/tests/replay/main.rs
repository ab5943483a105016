//! `nat-host replay` as a black box: captures in, captures and verdicts out.

mod answers;
mod both_directions;
mod clock;
mod files;
mod fragments;
mod hairpin;
mod limits;
mod link;
mod many_sessions;
mod mapping_log;
mod packet;
mod pcapng;
mod ports;
mod rules;
mod run;
mod timers;
mod translation;
mod truncated;
mod verdicts;
