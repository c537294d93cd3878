"""Plays one scenario of the table over a transport: that of grpc, or that of grpc.aio.

A transport's methods are coroutines; those of the synchronous one wait in grpc's own blocking calls and never suspend.
Frames that come before a step asks for them are kept; every step waits for what it names, and for nothing else.
"""

import hashlib
import secrets

import grpc
from messages import Mismatch, check, check_opened, check_rejected, check_result, open_frame, tool_call
from received import Received, check_error
from switchyard.v1 import call_pb2, trajectory_pb2
from unary import Unary

Request = trajectory_pb2.RunTrajectoryRequest


class Scenario(Unary):
    def __init__(self, transport, scenario):
        super().__init__(transport, f"{scenario['name']}-{secrets.token_hex(8)}", secrets.token_hex(16))
        self.steps = scenario["steps"]
        self.streams = {}

    async def play(self):
        try:
            for number, step in enumerate(self.steps, 1):
                try:
                    await getattr(self, f"_{step['op']}")(step)
                except Exception as error:
                    text = f"{error.code().name} {error.details()}" if isinstance(error, grpc.RpcError) else error
                    raise Mismatch(f"step {number} ({step['op']} {step.get('uniq_id', '')}): {text}") from error
        finally:
            for received in self.streams.values():
                await received.stream.cut()

    def _received(self, step):
        return self.streams[step.get("stream", "main")]

    async def _send(self, step, **frame):
        await self._received(step).stream.send(Request(**frame))

    async def _begin(self, step):
        stream = await self.transport.begin(step.get("bearer"))
        self.streams[step.get("stream", "main")] = Received(stream)

    async def _open(self, step):
        await self._received(step).stream.send(open_frame(step, self.trajectory_id, self.resume_token))

    async def _call(self, step):
        await self._send(step, call=tool_call(step))

    async def _cancel(self, step):
        await self._send(step, cancel=trajectory_pb2.Cancel(uniq_id=step["uniq_id"]))

    async def _ack(self, step):
        await self._send(step, ack=trajectory_pb2.Ack(uniq_ids=step["uniq_ids"]))

    async def _release(self, step):
        await self._send(step, release=trajectory_pb2.Release(reset_workspace=step.get("reset_workspace", False)))

    async def _half_close(self, step):
        await self._received(step).stream.half_close()

    async def _cut(self, step):
        await self._received(step).stream.cut()

    async def _expect_opened(self, step):
        check_opened(await self._received(step).first("opened"), step)

    async def _expect_output(self, step):
        received = self._received(step)
        data = step["text"].encode() if "text" in step else None
        length = step["bytes"] if data is None else len(data)
        key = (step["uniq_id"], call_pb2.OutputChannel.Value(step["channel"]))

        def found():
            first, got = received.output.get(key, (0, b""))
            return (first, bytes(got)) if len(got) >= length else None

        first, got = await received.until("its output", found)
        check("offset", first, step.get("offset", 0))
        check("output", *((got, data) if data is not None else (hashlib.sha256(got).hexdigest(), step["sha256"])))

    async def _expect_result(self, step):
        check_result(await self._received(step).first("result", step["uniq_id"]), step["result"])

    async def _expect_rejected(self, step):
        check_rejected(await self._received(step).first("rejected", step["uniq_id"]), step)

    async def _expect_released(self, step):
        check("wiped", (await self._received(step).first("released")).wiped, step["wiped"])

    async def _expect_end(self, step):
        received = self._received(step)
        await received.until("its end", lambda: True if received.ended else None)
        if received.error is None:
            check("code", "OK", step["code"])
        else:
            check_error(received.error, step)

    async def _expect_order(self, step):
        check("results", [result.uniq_id for result in self._received(step).frames["result"]], step["uniq_ids"])
