//! From steps of the table to messages of the stubs.
use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{Duration, ListValue, Struct};
use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::check::check;
use crate::step::{Content, Step};
use crate::v1;

pub fn duration(seconds: Option<f64>) -> Option<Duration> {
    seconds.map(|seconds| Duration { seconds: seconds.trunc() as i64, nanos: (seconds.fract() * 1e9).round() as i32 })
}

pub fn struct_of(object: &Map<String, Value>) -> Struct {
    let fields = object.iter().map(|(name, value)| (name.clone(), value_of(value)));
    Struct { fields: fields.collect() }
}

fn value_of(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(bool) => Kind::BoolValue(*bool),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(list) => Kind::ListValue(ListValue { values: list.iter().map(value_of).collect() }),
        Value::Object(object) => Kind::StructValue(struct_of(object)),
    };
    prost_types::Value { kind: Some(kind) }
}

pub fn json_of(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(bool)) => json!(bool),
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 => json!(*number as i64),
        Some(Kind::NumberValue(number)) => json!(number),
        Some(Kind::StringValue(text)) => json!(text),
        Some(Kind::ListValue(list)) => list.values.iter().map(json_of).collect(),
        Some(Kind::StructValue(object)) => {
            object.fields.iter().map(|(name, value)| (name.clone(), json_of(value))).collect()
        }
    }
}

pub fn open_frame(step: &Step, trajectory_id: &str, resume_token: &str) -> v1::Open {
    let positions = step.output_positions.iter().map(|position| v1::OutputPosition {
        uniq_id: position.uniq_id.clone(),
        stdout_offset: position.stdout_offset,
        stderr_offset: position.stderr_offset,
    });
    v1::Open {
        trajectory_id: step.trajectory_id.as_deref().unwrap_or(trajectory_id).into(),
        resume_token: step.resume_token.as_deref().unwrap_or(resume_token).into(),
        group: step.group.clone().unwrap_or_default(),
        pool: step.pool.clone(),
        env: step.env.clone(),
        acquire_slot: step.acquire_slot,
        require_resume: step.require_resume,
        lease: duration(step.lease_s),
        output_positions: positions.collect(),
        ..Default::default()
    }
}

pub fn tool_call(step: &Step) -> v1::ToolCall {
    let mut arguments = step.arguments.clone();
    if let Some(repeat) = &step.repeat {
        arguments.insert(repeat.argument.clone(), repeat.text.repeat(repeat.times).into());
    }
    v1::ToolCall {
        uniq_id: step.uniq_id.clone(),
        name: step.name.clone(),
        arguments: Some(struct_of(&arguments)),
        timeout: duration(step.timeout_s),
        queue_timeout: duration(step.queue_timeout_s),
        no_output_timeout: duration(step.no_output_timeout_s),
        stream_output: step.stream_output,
        slot_generation: step.slot_generation,
        ..Default::default()
    }
}

pub fn check_opened(opened: &v1::Opened, step: &Step) -> Outcome {
    check("resumed", opened.resumed, step.resumed)?;
    check("epoch", opened.epoch, step.epoch.unwrap_or(opened.epoch))?;
    let generation = step.slot_generation.unwrap_or(opened.slot_generation);
    check("slot_generation", opened.slot_generation, generation)?;
    if step.lease_s.is_some() {
        check("lease", opened.lease, duration(step.lease_s))?;
    }
    if let Some(expected) = &step.known {
        let states = opened.known.iter().map(|call| (call.uniq_id.clone(), call.state().as_str_name().into()));
        check("known", &states.collect::<BTreeMap<String, String>>(), expected)?;
    }
    Ok(())
}

/// The bytes that a step names; `archive` is the last one that was downloaded.
pub fn content_of(step: &Step, archive: &[u8]) -> Outcome<Vec<u8>> {
    match step.content.as_ref().ok_or("it has no content")? {
        Content::Text(text) => Ok(text.clone().into_bytes()),
        Content::Archive(true) => Ok(archive.to_vec()),
        Content::Archive(false) => Err("it has no content".into()),
        Content::Random { seed, bytes } => {
            let states = std::iter::successors(Some(*seed), |state| {
                Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
            });
            Ok(states.skip(1).flat_map(u32::to_le_bytes).take(*bytes).collect())
        }
    }
}
