//! `nat-host replay` as a black box: captures in, captures and verdicts out.

mod clock;
mod files;
mod fragments;
mod hairpin;
mod many_flows;
mod mapping_log;
mod packet;
mod run;
mod verdicts;
