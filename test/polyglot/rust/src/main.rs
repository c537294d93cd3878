//! Plays scenarios of the table against a server and prints a line of JSON for each; ../README.md has the words of the table.
mod artifacts;
mod check;
mod connection;
mod messages;
mod player;
mod step;
mod stream;
mod unary;

/// The stubs, as build.rs made them.
mod v1 {
    tonic::include_proto!("switchyard.v1");
}

use std::process::ExitCode;
use std::time::Instant;

use connection::Dialer;
use serde::Deserialize;
use serde_json::{Value, json};

/// What failed, for people.
type Outcome<T = ()> = Result<T, String>;

#[derive(Deserialize)]
struct Table {
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    name: String,
    steps: Value,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    let mut flags = Flags::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--address" => flags.address = value,
            "--scenarios" => flags.scenarios = value,
            "--ca" => flags.ca = Some(value),
            "--token" => flags.token = Some(value),
            "--only" => flags.only = Some(value),
            _ => return Err(format!("there is no flag {word}")),
        }
    }
    let table: Table = serde_json::from_str(&read(&flags.scenarios)?).map_err(|error| error.to_string())?;
    let dialer =
        Dialer { address: flags.address, ca: flags.ca.map(|path| read(&path)).transpose()?, token: flags.token };
    let wanted = |name: &str| {
        let only = flags.only.as_deref();
        only.is_none_or(|names| names.split(',').any(|each| each == name))
    };
    for scenario in table.scenarios.into_iter().filter(|it| wanted(&it.name)) {
        let begin = Instant::now();
        let error = play(&dialer, &scenario.name, scenario.steps).err().unwrap_or_default();
        let ms = begin.elapsed().as_millis() as u64;
        println!("{}", json!({"scenario": scenario.name, "ok": error.is_empty(), "error": error, "ms": ms}));
    }
    Ok(())
}

#[derive(Default)]
struct Flags {
    address: String,
    scenarios: String,
    ca: Option<String>,
    token: Option<String>,
    only: Option<String>,
}

fn read(path: &str) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// A word of a step that this client does not know is an error.
fn play(dialer: &Dialer, name: &str, steps: Value) -> Outcome {
    let steps = serde_json::from_value(steps).map_err(|error| error.to_string())?;
    player::Player::new(dialer, name)?.play(steps)
}
