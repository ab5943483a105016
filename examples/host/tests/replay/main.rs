//! `nat-host replay` as a black box: captures in, captures and verdicts out.

mod answers;
mod clock;
mod files;
mod fragments;
mod hairpin;
mod limits;
mod many_flows;
mod mapping_log;
mod packet;
mod ports;
mod rules;
mod run;
mod timers;
mod translation;
mod verdicts;
