//! The words of a step of a scenario: `op` says what is done, and which of the others it has.
use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    pub op: String,
    pub stream: Option<String>,
    pub bearer: Option<String>,

    pub uniq_id: String,
    pub uniq_ids: Vec<String>,
    pub name: String,
    pub arguments: Map<String, Value>,
    pub repeat: Option<Repeat>,
    pub timeout_s: Option<f64>,
    pub queue_timeout_s: Option<f64>,
    pub no_output_timeout_s: Option<f64>,
    pub stream_output: bool,
    pub slot_generation: Option<u32>,
    pub deadline_s: Option<f64>,
    pub trajectory_id: Option<String>,
    pub resume_token: Option<String>,
    pub group: Option<String>,
    pub pool: String,
    pub env: HashMap<String, String>,
    pub acquire_slot: bool,
    pub require_resume: bool,
    pub lease_s: Option<f64>,
    pub output_positions: Vec<Position>,
    pub reset_workspace: bool,

    pub resumed: bool,
    pub epoch: Option<u64>,
    pub known: Option<BTreeMap<String, String>>,
    pub result: Map<String, Value>,
    pub status: String,
    pub fault: String,
    pub channel: String,
    pub text: Option<String>,
    pub bytes: usize,
    pub sha256: String,
    pub code: String,
    pub reason: Option<String>,
    pub error: Option<Failure>,
    pub wiped: bool,
    pub released: u32,
    pub tool: String,
    pub external: bool,
    pub required: Vec<String>,
    pub service: String,

    pub path: String,
    pub content: Option<Content>,
    pub chunk_bytes: Option<usize>,
    pub kind: Option<String>,
    pub mode: Option<u32>,
    /// Of `write_artifact` a number, of `list_artifacts` a list.
    pub entries: Value,
    pub offset: u64,
    pub max_bytes: u64,
    pub size: Option<u64>,
    pub mime_type: Option<String>,
    pub truncated: Option<bool>,
    pub recursive: bool,
    pub members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    #[serde(default)]
    pub argument: String,
    pub text: String,
    pub times: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pub uniq_id: String,
    pub stdout_offset: u64,
    pub stderr_offset: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    pub code: String,
    pub reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    Text(String),
    Random { seed: u32, bytes: usize },
    Archive(bool),
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub size: u64,
}
