//! The steps without a stream of the scenario's own: unary requests.
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, TimeoutExpired};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::Outcome;
use crate::check::{check, check_error, check_result};
use crate::connection::DEADLINE;
use crate::messages::{json_of, tool_call};
use crate::player::Player;
use crate::step::Step;
use crate::v1::release_trajectory_request::Target;
use crate::v1::tool_executor_service_client::ToolExecutorServiceClient;
use crate::v1::{ExecuteRequest, GetStatusRequest, ListToolsRequest, ReleaseTrajectoryRequest};

impl Player<'_> {
    /// Asks on a connection of its own; None when the error came that the step expects.
    pub fn ask<M, A>(
        &self,
        step: &Step,
        message: M,
        method: impl AsyncFnOnce(Channel, Request<M>) -> Result<A, Status>,
    ) -> Outcome<Option<A>> {
        let connection = self.dialer.connect()?;
        let deadline = step.deadline_s.map_or(DEADLINE, Duration::from_secs_f64);
        let request = self.dialer.request(message, deadline, step.bearer.as_deref())?;
        let answer = connection.runtime.block_on(method(connection.channel.clone(), request));
        match (answer.map_err(deadline_named), &step.error) {
            (Ok(answer), None) => Ok(Some(answer)),
            (Ok(_), Some(error)) => Err(format!("it succeeded instead of failing with {}", error.code)),
            (Err(status), Some(error)) => {
                check_error(&status, &error.code, error.reason.as_deref())?;
                Ok(None)
            }
            (Err(status), None) => Err(format!("{status:?}")),
        }
    }

    pub fn token_of(&self, step: &Step) -> String {
        step.resume_token.clone().unwrap_or_else(|| self.resume_token.clone())
    }

    pub fn execute(&self, step: &Step) -> Outcome {
        let request = ExecuteRequest {
            trajectory_id: self.trajectory_id.clone(),
            resume_token: self.token_of(step),
            call: Some(tool_call(step)),
            ..Default::default()
        };
        let answer = self.ask(step, request, async |channel, request| {
            ToolExecutorServiceClient::new(channel).execute(request).await.map(Response::into_inner)
        })?;
        let Some(response) = answer else { return Ok(()) };
        check_result(&response.result.ok_or("there is no result")?, &step.result)
    }

    pub fn release_trajectory(&self, step: &Step) -> Outcome {
        let target = match &step.group {
            Some(group) => Target::Group(group.clone()),
            None => Target::TrajectoryId(self.trajectory_id.clone()),
        };
        let request = ReleaseTrajectoryRequest {
            target: Some(target),
            resume_token: self.token_of(step),
            reset_workspace: step.reset_workspace,
            ..Default::default()
        };
        let answer = self.ask(step, request, async |channel, request| {
            ToolExecutorServiceClient::new(channel).release_trajectory(request).await.map(Response::into_inner)
        })?;
        let Some(response) = answer else { return Ok(()) };
        check("released, wiped", (response.released, response.wiped), (step.released, step.wiped))
    }

    pub fn list_tools(&self, step: &Step) -> Outcome {
        let answer = self.ask(step, ListToolsRequest::default(), async |channel, request| {
            ToolExecutorServiceClient::new(channel).list_tools(request).await.map(Response::into_inner)
        })?;
        let Some(response) = answer else { return Ok(()) };
        let tool = response.tools.into_iter().find(|tool| tool.name == step.tool);
        let tool = tool.ok_or("it is not among the tools")?;
        check("external", tool.external, step.external)?;
        let parameters = tool.parameters.ok_or("it has no parameters")?.fields;
        let of = |name: &str| parameters.get(name).map(json_of).unwrap_or_default();
        check("parameters.type", of("type"), "object".into())?;
        let mut required: Vec<String> = serde_json::from_value(of("required")).map_err(|error| error.to_string())?;
        let mut expected = step.required.clone();
        required.sort();
        expected.sort();
        check("parameters.required", required, expected)
    }

    pub fn get_status(&self, step: &Step) -> Outcome {
        let answer = self.ask(step, GetStatusRequest::default(), async |channel, request| {
            ToolExecutorServiceClient::new(channel).get_status(request).await.map(Response::into_inner)
        })?;
        let Some(response) = answer else { return Ok(()) };
        let is_named = !response.version.is_empty() && !response.server_id.is_empty();
        check("whether it has a version and an id", is_named, true)?;
        let has_slots = response.pools.iter().any(|pool| pool.name == step.pool && pool.slots_total > 0);
        check("whether the pool has slots", has_slots, true)
    }

    pub fn health(&self, step: &Step) -> Outcome {
        let request = HealthCheckRequest { service: step.service.clone() };
        let answer = self.ask(step, request, async |channel, request| {
            HealthClient::new(channel).check(request).await.map(Response::into_inner)
        })?;
        let Some(response) = answer else { return Ok(()) };
        check("status", response.status().as_str_name(), &step.status)
    }
}

/// tonic calls the end of its own deadline CANCELLED.
fn deadline_named(status: Status) -> Status {
    let is_deadline = status.code() == Code::Cancelled && status.message() == TimeoutExpired(()).to_string();
    if is_deadline { Status::deadline_exceeded(status.message()) } else { status }
}
