"""The steps without a stream of the caller's own: unary requests and transfers."""

import gzip
import io
import tarfile

import grpc
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from messages import (
    Mismatch,
    check,
    check_list,
    check_read,
    check_result,
    check_upload,
    content_of,
    parts_of,
    tool_call,
    upload,
)
from received import check_error
from switchyard.v1 import artifact_service_pb2 as artifacts
from switchyard.v1 import artifact_service_pb2_grpc, status_pb2, tool_executor_service_pb2_grpc
from switchyard.v1 import tool_executor_service_pb2 as service

TOOLS = tool_executor_service_pb2_grpc.ToolExecutorServiceStub
ARTIFACTS = artifact_service_pb2_grpc.ArtifactServiceStub
HEALTH = health_pb2_grpc.HealthStub


class Unary:
    def __init__(self, transport, trajectory_id, resume_token):
        self.transport = transport
        self.trajectory_id = trajectory_id
        self.resume_token = resume_token
        self.archive = b""

    def _owner(self, step):
        return {"trajectory_id": self.trajectory_id, "resume_token": step.get("resume_token", self.resume_token)}

    async def _ask(self, step, stub, method, request, kind="unary"):
        """The answer; None when the error came that the step expects."""
        ask = getattr(self.transport, kind)
        try:
            answer = await ask(stub, method, request, step.get("deadline_s", 60), step.get("bearer"))
        except grpc.RpcError as error:
            if "error" not in step:
                raise
            check_error(error, step["error"])
            return None
        if "error" in step:
            raise Mismatch(f"it succeeded instead of failing with {step['error']}")
        return answer

    async def _execute(self, step):
        request = service.ExecuteRequest(**self._owner(step), call=tool_call(step))
        if (response := await self._ask(step, TOOLS, "Execute", request)) is not None:
            check_result(response.result, step["result"])

    async def _release_trajectory(self, step):
        owner = self._owner(step)
        if "group" in step:
            owner = {"group": step["group"], "resume_token": owner["resume_token"]}
        request = service.ReleaseTrajectoryRequest(**owner, reset_workspace=step.get("reset_workspace", False))
        if (response := await self._ask(step, TOOLS, "ReleaseTrajectory", request)) is not None:
            check("released, wiped", (response.released, response.wiped), (step["released"], step["wiped"]))

    async def _list_tools(self, step):
        response = await self._ask(step, TOOLS, "ListTools", service.ListToolsRequest())
        tool = next((tool for tool in response.tools if tool.name == step["tool"]), None)
        if tool is None:
            raise Mismatch(f"{step['tool']} is not among the tools")
        parameters = json_format.MessageToDict(tool.parameters)
        check("external", tool.external, step["external"])
        check("parameters.type", parameters["type"], "object")
        check("parameters.required", sorted(parameters["required"]), sorted(step["required"]))

    async def _get_status(self, step):
        response = await self._ask(step, TOOLS, "GetStatus", status_pb2.GetStatusRequest())
        check("whether it has a version and an id", "" not in (response.version, response.server_id), True)
        pool = next((pool for pool in response.pools if pool.name == step["pool"]), None)
        check("whether the pool has slots", pool is not None and pool.slots_total > 0, True)

    async def _health(self, step):
        request = health_pb2.HealthCheckRequest(service=step["service"])
        if (response := await self._ask(step, HEALTH, "Check", request)) is not None:
            check("status", health_pb2.HealthCheckResponse.ServingStatus.Name(response.status), step["status"])

    async def _write_artifact(self, step):
        data = content_of(step["content"], self.archive)
        messages = upload(step, self._owner(step), data)
        if (response := await self._ask(step, ARTIFACTS, "WriteArtifact", messages, "upload")) is not None:
            check_upload(response, step, data)

    async def _read_artifact(self, step):
        part = {name: step[name] for name in ("offset", "max_bytes") if name in step}
        request = artifacts.ReadArtifactRequest(**self._owner(step), path=step["path"], **part)
        if (responses := await self._ask(step, ARTIFACTS, "ReadArtifact", request, "download")) is not None:
            check_read(responses, step, content_of(step["content"], self.archive))

    async def _list_artifacts(self, step):
        request = artifacts.ListArtifactsRequest(
            **self._owner(step), path=step["path"], recursive=step.get("recursive", False)
        )
        if (response := await self._ask(step, ARTIFACTS, "ListArtifacts", request)) is not None:
            check_list(response, step)

    async def _archive_artifacts(self, step):
        request = artifacts.ArchiveArtifactsRequest(**self._owner(step), path=step["path"])
        if (responses := await self._ask(step, ARTIFACTS, "ArchiveArtifacts", request, "download")) is None:
            return
        self.archive, _, trailer = parts_of(responses, ["data", "trailer"])
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(self.archive))) as tar:
            names = [member.name.rstrip("/") for member in tar]
        check("members", sorted(names), sorted(step["members"]))
        check("trailer.entries", trailer.entries, len(names))
