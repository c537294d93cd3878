//! Holds what came against what the table says.
use std::fmt::Debug;

use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt};

use crate::Outcome;
use crate::messages::json_of;
use crate::step::Repeat;
use crate::v1::ToolResult;

pub fn check<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what} is {}, not {}", short(&got), short(&expected)))
}

fn short(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

pub fn check_error(status: &Status, code: &str, reason: Option<&str>) -> Outcome {
    check(&format!("code ({})", status.message()), name_of(status.code()).as_str(), code)?;
    let Some(reason) = reason else { return Ok(()) };
    let details = status.check_error_details_vec().map_err(|error| error.to_string())?;
    let [ErrorDetail::ErrorInfo(info)] = details.as_slice() else {
        return Err(format!("the details are {details:?}, not one ErrorInfo"));
    };
    check("domain", info.domain.as_str(), "switchyard")?;
    check("reason", info.reason.as_str(), reason)
}

/// The name of a code as gRPC's own documents have it.
fn name_of(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// `expected` may name some fields only; of metadata some entries only.
pub fn check_result(result: &ToolResult, expected: &Map<String, Value>) -> Outcome {
    for (field, value) in expected {
        check_field(result, field, value)
            .map_err(|why| format!("{}: {field}: {why} (error: {})", result.uniq_id, short(&result.error)))?;
    }
    Ok(())
}

fn check_field(result: &ToolResult, field: &str, expected: &Value) -> Outcome {
    let got = match field {
        "status" => json!(result.status().as_str_name()),
        "fault" => json!(result.fault().as_str_name()),
        "success" => json!(result.success),
        "output" => json!(result.output),
        "error" => json!(result.error),
        "exit_code" => json!(result.exit_code),
        "signal" => json!(result.signal),
        "output_bytes_total" => json!(result.output_bytes_total),
        "truncated" => json!(result.truncated),
        "slot_generation" => json!(result.slot_generation),
        "metadata" => return check_metadata(result, expected),
        "output_repeat" => {
            let output: Repeat = serde_json::from_value(expected.clone()).map_err(|error| error.to_string())?;
            return check("it", result.output == output.text.repeat(output.times), true);
        }
        _ => return Err("this client does not know the field".into()),
    };
    check("it", &got, expected)
}

fn check_metadata(result: &ToolResult, expected: &Value) -> Outcome {
    let fields = result.metadata.as_ref().map(|metadata| &metadata.fields);
    for (name, value) in expected.as_object().ok_or("it is no object")? {
        let got = fields.and_then(|fields| fields.get(name)).map_or(Value::Null, json_of);
        check(name, &got, value)?;
    }
    Ok(())
}
