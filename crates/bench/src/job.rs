//! One run, as it was asked for: a plan, its steps, and who is measured.

use std::time::Duration;

use crate::plan::{Plan, Step};
use crate::publisher::MessageMaker;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) plan: Plan,
    pub(crate) publisher: MessageMaker,
    /// The scenario that the steps are of.
    pub(crate) scenario: Option<&'static str>,
    /// Each as it was given, and what it means.
    pub(crate) steps: Vec<(String, Step)>,
    /// The processes to measure, with their descendants.
    pub(crate) pids: Vec<u32>,
    pub(crate) workers: u32,
    /// For how long nothing may happen before what is missing counts as lost.
    pub(crate) patience: Duration,
    /// For how long to wait until memory is read.
    pub(crate) settle: Duration,
}
