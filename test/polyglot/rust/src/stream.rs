//! One RunTrajectory and all that has come on it so far.
use std::collections::HashMap;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Response, Status, Streaming};

use crate::Outcome;
use crate::check::{check, check_error, check_result};
use crate::connection::{Connection, DEADLINE, Dialer};
use crate::messages::check_opened;
use crate::step::Step;
use crate::v1::run_trajectory_request::Frame as Sent;
use crate::v1::run_trajectory_response::Frame;
use crate::v1::tool_executor_service_client::ToolExecutorServiceClient;
use crate::v1::{
    Opened, Output, OutputChannel, Rejected, Released, RunTrajectoryRequest, RunTrajectoryResponse, ToolResult,
};

type Responses = Streaming<RunTrajectoryResponse>;

pub struct Stream {
    /// None after a cut.
    connection: Option<Connection>,
    /// None after a half-close.
    requests: Option<UnboundedSender<RunTrajectoryRequest>>,
    answer: Answer,
    opened: Vec<Opened>,
    results: Vec<ToolResult>,
    rejected: Vec<Rejected>,
    released: Vec<Released>,
    output: HashMap<(String, OutputChannel), (u64, Vec<u8>)>,
}

enum Answer {
    /// tonic gives the responses out when the server's headers have come, which may be after its first frame.
    Awaited(JoinHandle<Result<Response<Responses>, Status>>),
    Coming(Responses),
    Ended(Option<Status>),
}

impl Stream {
    pub fn begin(dialer: &Dialer, bearer: Option<&str>) -> Outcome<Self> {
        let connection = dialer.connect()?;
        let (requests, received) = unbounded_channel();
        let request = dialer.request(UnboundedReceiverStream::new(received), DEADLINE, bearer)?;
        let mut client = ToolExecutorServiceClient::new(connection.channel.clone());
        let answer = connection.runtime.spawn(async move { client.run_trajectory(request).await });
        Ok(Self {
            connection: Some(connection),
            requests: Some(requests),
            answer: Answer::Awaited(answer),
            opened: vec![],
            results: vec![],
            rejected: vec![],
            released: vec![],
            output: HashMap::new(),
        })
    }

    pub fn send(&self, frame: Sent) -> Outcome {
        let requests = self.requests.as_ref().ok_or("the stream is half-closed")?;
        // A stream that has ended takes no more: why it ended is for the steps that read.
        let _ = requests.send(RunTrajectoryRequest { frame: Some(frame) });
        Ok(())
    }

    pub fn half_close(&mut self) {
        self.requests = None;
    }

    pub fn cut(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.cut();
        }
    }

    fn read(&mut self) -> Outcome {
        let connection = self.connection.as_ref().ok_or("the stream is cut")?;
        let answer = &mut self.answer;
        let reading = async {
            if let Answer::Awaited(task) = answer {
                *answer = match task.await.map_err(|error| error.to_string())? {
                    Ok(response) => Answer::Coming(response.into_inner()),
                    Err(status) => Answer::Ended(Some(status)),
                };
            }
            let Answer::Coming(responses) = answer else { return Ok(None) };
            let ended = match responses.message().await {
                Ok(Some(response)) => return Ok(response.frame),
                Ok(None) => None,
                Err(status) => Some(status),
            };
            *answer = Answer::Ended(ended);
            Ok::<_, String>(None)
        };
        let read = connection.runtime.block_on(async { tokio::time::timeout(DEADLINE, reading).await });
        match read.map_err(|_| "nothing came for 60 s")?? {
            Some(Frame::Opened(frame)) => self.opened.push(frame),
            Some(Frame::Output(frame)) => self.append(frame)?,
            Some(Frame::Result(frame)) => self.results.push(frame),
            Some(Frame::Rejected(frame)) => self.rejected.push(frame),
            Some(Frame::Released(frame)) => self.released.push(frame),
            Some(Frame::SlotLost(_) | Frame::Heartbeat(_) | Frame::GoAway(_)) | None => (),
        }
        Ok(())
    }

    fn append(&mut self, piece: Output) -> Outcome {
        let key = (piece.uniq_id.clone(), piece.channel());
        let (first, data) = self.output.entry(key).or_insert((piece.offset, vec![]));
        check("missing", piece.missing, 0)?;
        check("offset", piece.offset, *first + data.len() as u64)?;
        data.extend(piece.data);
        Ok(())
    }

    /// Reads on until `found` says yes.
    fn until(&mut self, what: &str, found: impl Fn(&Self) -> bool) -> Outcome {
        while !found(self) {
            if let Answer::Ended(status) = &self.answer {
                return Err(format!("the stream ended ({status:?}) before {what} came"));
            }
            self.read()?;
        }
        Ok(())
    }

    pub fn expect_opened(&mut self, step: &Step) -> Outcome {
        self.until("opened", |it| !it.opened.is_empty())?;
        check_opened(&self.opened[0], step)
    }

    pub fn expect_output(&mut self, step: &Step) -> Outcome {
        let channel = OutputChannel::from_str_name(&step.channel).ok_or(format!("there is no {}", step.channel))?;
        let key = (step.uniq_id.clone(), channel);
        let length = step.text.as_ref().map_or(step.bytes, String::len);
        self.until("its output", |it| it.output.get(&key).is_some_and(|(_, data)| data.len() >= length))?;
        let (offset, data) = &self.output[&key];
        check("offset", *offset, step.offset)?;
        if let Some(text) = &step.text {
            return check("output", String::from_utf8_lossy(data).as_ref(), text);
        }
        let digest: String = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
        check("sha256 of output", digest.as_str(), &step.sha256)
    }

    pub fn expect_result(&mut self, step: &Step) -> Outcome {
        let is_it = |result: &&ToolResult| result.uniq_id == step.uniq_id;
        self.until("its result", |it| it.results.iter().any(|each| is_it(&each)))?;
        let result = self.results.iter().find(is_it).ok_or("no result")?;
        check_result(result, &step.result)
    }

    pub fn expect_rejected(&mut self, step: &Step) -> Outcome {
        let is_it = |rejected: &&Rejected| rejected.uniq_id == step.uniq_id;
        self.until("its rejection", |it| it.rejected.iter().any(|each| is_it(&each)))?;
        let rejected = self.rejected.iter().find(is_it).ok_or("no rejection")?;
        check("status", rejected.status().as_str_name(), &step.status)?;
        check("fault", rejected.fault().as_str_name(), &step.fault)?;
        check("whether there is an error text", !rejected.error.is_empty(), true)
    }

    pub fn expect_released(&mut self, step: &Step) -> Outcome {
        self.until("released", |it| !it.released.is_empty())?;
        check("wiped", self.released[0].wiped, step.wiped)
    }

    pub fn expect_end(&mut self, step: &Step) -> Outcome {
        self.until("its end", |it| matches!(it.answer, Answer::Ended(_)))?;
        match &self.answer {
            Answer::Ended(Some(status)) => check_error(status, &step.code, step.reason.as_deref()),
            _ => check("code", "OK", step.code.as_str()),
        }
    }

    pub fn expect_order(&self, step: &Step) -> Outcome {
        let order: Vec<_> = self.results.iter().map(|result| result.uniq_id.clone()).collect();
        check("results", &order, &step.uniq_ids)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.cut();
    }
}
