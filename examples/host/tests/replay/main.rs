//! `nat-host replay` as a black box: captures in, captures and verdicts out.

mod clock;
mod files;
mod packet;
mod run;
mod verdicts;
