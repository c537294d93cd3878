"""From steps of the scenario table to messages of the generated stubs, and back from what came to what was expected."""

import functools
import hashlib
import sys
from array import array

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from switchyard.v1 import artifact_service_pb2 as artifacts
from switchyard.v1 import call_pb2, trajectory_pb2


class Mismatch(Exception):
    """What came is not what the table says."""


def check(what, got, expected):
    if got != expected:
        raise Mismatch(f"{what} is {short(got)}, not {short(expected)}")


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}... ({len(text)} characters)"


def duration(seconds):
    nanos = round(seconds * 1_000_000_000)
    whole = abs(nanos) // 1_000_000_000 * (1 if nanos >= 0 else -1)
    return Duration(seconds=whole, nanos=nanos - whole * 1_000_000_000)


def open_frame(step, trajectory_id, resume_token):
    frame = trajectory_pb2.Open(
        trajectory_id=step.get("trajectory_id", trajectory_id),
        resume_token=step.get("resume_token", resume_token),
        group=step.get("group", ""),
        pool=step.get("pool", ""),
        env=step.get("env", {}),
        acquire_slot=step.get("acquire_slot", False),
        require_resume=step.get("require_resume", False),
        output_positions=[trajectory_pb2.OutputPosition(**each) for each in step.get("output_positions", [])],
    )
    if "lease_s" in step:
        frame.lease.CopyFrom(duration(step["lease_s"]))
    return trajectory_pb2.RunTrajectoryRequest(open=frame)


def tool_call(step):
    call = call_pb2.ToolCall(
        uniq_id=step["uniq_id"],
        name=step["name"],
        stream_output=step.get("stream_output", False),
        slot_generation=step.get("slot_generation"),
    )
    arguments = dict(step.get("arguments", {}))
    if "repeat" in step:
        arguments[step["repeat"]["argument"]] = step["repeat"]["text"] * step["repeat"]["times"]
    call.arguments.update(arguments)
    for name in ("timeout", "queue_timeout", "no_output_timeout"):
        if f"{name}_s" in step:
            getattr(call, name).CopyFrom(duration(step[f"{name}_s"]))
    return call


def check_opened(opened, step):
    check("resumed", opened.resumed, step["resumed"])
    if "epoch" in step:
        check("epoch", opened.epoch, step["epoch"])
    if "slot_generation" in step:
        check("slot_generation", opened.slot_generation, step["slot_generation"])
    if "lease_s" in step:
        check("lease", opened.lease, duration(step["lease_s"]))
    if "known" in step:
        known = {call.uniq_id: trajectory_pb2.CallState.Name(call.state) for call in opened.known}
        check("known", known, step["known"])


def check_result(result, expected):
    """`expected` may name some fields only; of metadata some entries only."""
    got = {
        "status": call_pb2.CallStatus.Name(result.status),
        "fault": call_pb2.Fault.Name(result.fault),
        "success": result.success,
        "output": result.output,
        "error": result.error,
        "exit_code": result.exit_code if result.HasField("exit_code") else None,
        "signal": result.signal,
        "output_bytes_total": result.output_bytes_total,
        "truncated": result.truncated,
        "slot_generation": result.slot_generation,
    }
    for field, value in expected.items():
        if field == "metadata":
            metadata = json_format.MessageToDict(result.metadata)
            for name, entry in value.items():
                check(f"{result.uniq_id}: metadata.{name}", metadata.get(name), entry)
        elif field == "output_repeat":
            check(f"{result.uniq_id}: output", result.output, value["text"] * value["times"])
        else:
            check(f"{result.uniq_id}: {field} (error: {short(result.error)})", got[field], value)


def check_rejected(rejected, step):
    check("status", call_pb2.CallStatus.Name(rejected.status), step["status"])
    check("fault", call_pb2.Fault.Name(rejected.fault), step["fault"])
    check("whether there is an error text", rejected.error != "", True)


def content_of(content, archive):
    if "text" in content:
        return content["text"].encode()
    return archive if content.get("archive") else random_bytes(**content["random"])


@functools.cache
def random_bytes(seed, bytes):
    words = array("I", [0]) * -(-bytes // 4)
    state = seed
    for at in range(len(words)):
        words[at] = state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()[:bytes]


def upload(step, owner, data):
    """The messages of one WriteArtifact."""
    kind = step.get("kind", "ARTIFACT_UPLOAD_KIND_TAR_GZ" if step["content"].get("archive") else "ARTIFACT_UPLOAD_KIND_FILE")
    header = artifacts.WriteArtifactHeader(
        **owner, path=step["path"], kind=artifacts.ArtifactUploadKind.Value(kind), mode=step.get("mode")
    )
    yield artifacts.WriteArtifactRequest(header=header)
    size = step.get("chunk_bytes", 65536)
    for begin in range(0, len(data), size):
        yield artifacts.WriteArtifactRequest(data=bytes(data[begin : begin + size]))


def check_upload(response, step, data):
    check("sha256", response.sha256, hashlib.sha256(data).digest())
    if "entries" in step:
        check("entries", response.entries, step["entries"])


def parts_of(responses, order):
    """The bytes and the other parts of a download, whose parts must come in this order."""
    names = [response.WhichOneof("part") for response in responses]
    data = [response.data for response in responses if response.HasField("data")]
    check("parts", [name for name in names if name != "data"], [name for name in order if name != "data"])
    if data:
        check("first and last data", (names.index("data"), names[::-1].index("data")), (order.index("data"), 1))
    check("whether chunks are of 1 to 65536 bytes", all(1 <= len(chunk) <= 65536 for chunk in data), True)
    whole = b"".join(data)
    trailer = responses[-1].trailer
    check("trailer.bytes", trailer.bytes, len(whole))
    check("trailer.sha256", trailer.sha256, hashlib.sha256(whole).digest())
    return whole, responses[0], trailer


def check_read(responses, step, content):
    data, first, trailer = parts_of(responses, ["header", "data", "trailer"])
    check("content", data, bytes(content))
    for field in ("size", "mime_type", "mode"):
        if field in step:
            check(field, getattr(first.header, field), step[field])
    if "truncated" in step:
        check("truncated", trailer.truncated, step["truncated"])


def check_list(response, step):
    got = [
        {"path": entry.path, "type": artifacts.ArtifactType.Name(entry.type), "size": entry.size}
        for entry in response.entries
    ]
    check("entries", got, step["entries"])
