//! Plays one scenario with a trajectory of its own. Frames that come before a step asks for them are kept; every step waits
//! for what it names, and for nothing else.
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

use crate::Outcome;
use crate::connection::Dialer;
use crate::messages::{open_frame, tool_call};
use crate::step::Step;
use crate::stream::Stream;
use crate::v1::run_trajectory_request::Frame;
use crate::v1::{Ack, Cancel, Release};

pub struct Player<'a> {
    pub dialer: &'a Dialer,
    pub trajectory_id: String,
    pub resume_token: String,
    /// What the last archive_artifacts gave.
    pub archive: Vec<u8>,
    streams: HashMap<String, Stream>,
}

impl<'a> Player<'a> {
    pub fn new(dialer: &'a Dialer, name: &str) -> Outcome<Self> {
        Ok(Self {
            dialer,
            trajectory_id: format!("{name}-{}", random_hex()?),
            resume_token: random_hex()?,
            archive: vec![],
            streams: HashMap::new(),
        })
    }

    pub fn play(mut self, steps: Vec<Step>) -> Outcome {
        for (at, step) in steps.iter().enumerate() {
            self.step(step).map_err(|why| format!("step {} ({} {}): {why}", at + 1, step.op, step.uniq_id))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Outcome {
        let stream = step.stream.as_deref().unwrap_or("main");
        match step.op.as_str() {
            "begin" => {
                let begun = Stream::begin(self.dialer, step.bearer.as_deref())?;
                self.streams.insert(stream.into(), begun);
                Ok(())
            }
            "execute" => self.execute(step),
            "release_trajectory" => self.release_trajectory(step),
            "list_tools" => self.list_tools(step),
            "get_status" => self.get_status(step),
            "health" => self.health(step),
            "write_artifact" => self.write_artifact(step),
            "read_artifact" => self.read_artifact(step),
            "list_artifacts" => self.list_artifacts(step),
            "archive_artifacts" => self.archive_artifacts(step),
            _ => self.step_on_stream(step, stream),
        }
    }

    fn step_on_stream(&mut self, step: &Step, name: &str) -> Outcome {
        let stream = self.streams.get_mut(name).ok_or(format!("there is no stream {name}"))?;
        match step.op.as_str() {
            "open" => stream.send(Frame::Open(open_frame(step, &self.trajectory_id, &self.resume_token))),
            "call" => stream.send(Frame::Call(tool_call(step))),
            "cancel" => stream.send(Frame::Cancel(Cancel { uniq_id: step.uniq_id.clone() })),
            "ack" => stream.send(Frame::Ack(Ack { uniq_ids: step.uniq_ids.clone() })),
            "release" => stream.send(Frame::Release(Release { reset_workspace: step.reset_workspace })),
            "half_close" => {
                stream.half_close();
                Ok(())
            }
            "cut" => {
                stream.cut();
                Ok(())
            }
            "expect_opened" => stream.expect_opened(step),
            "expect_output" => stream.expect_output(step),
            "expect_result" => stream.expect_result(step),
            "expect_rejected" => stream.expect_rejected(step),
            "expect_released" => stream.expect_released(step),
            "expect_end" => stream.expect_end(step),
            "expect_order" => stream.expect_order(step),
            _ => Err("this client does not know the step".into()),
        }
    }
}

fn random_hex() -> Outcome<String> {
    let mut bytes = [0; 16];
    let mut source = File::open("/dev/urandom").map_err(|error| error.to_string())?;
    source.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
