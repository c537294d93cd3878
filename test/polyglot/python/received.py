"""What came on a stream, kept until a step asks for it; and what an error says."""

from collections import defaultdict

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from messages import Mismatch, check


def check_error(error, expected):
    check(f"code ({error.details()})", error.code().name, expected["code"])
    if "reason" not in expected:
        return
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    if status is None or len(status.details) != 1 or not status.details[0].Unpack(info):
        raise Mismatch(f"no ErrorInfo in the details of {error.details()}")
    check("domain", info.domain, "switchyard")
    check("reason", info.reason, expected["reason"])


class Received:
    """What has come on one stream so far."""

    def __init__(self, stream):
        self.stream = stream
        self.frames = defaultdict(list)  # by the kind of frame
        self.output = {}  # (uniq_id, channel) to (offset of the first byte, bytes)
        self.ended = False
        self.error = None

    async def until(self, what, found):
        """Reads on until `found` gives something other than None."""
        while (value := found()) is None:
            if self.ended:
                why = f"{self.error.code().name} {self.error.details()}" if self.error else "OK"
                raise Mismatch(f"the stream ended with {why} before {what} came")
            await self._read()
        return value

    async def first(self, kind, uniq_id=None):
        def found():
            return next((each for each in self.frames[kind] if uniq_id is None or uniq_id == each.uniq_id), None)

        return await self.until(f"{kind} {uniq_id or ''}", found)

    async def _read(self):
        try:
            response = await self.stream.receive()
        except grpc.RpcError as error:
            self.ended, self.error = True, error
            return
        if response is None:
            self.ended = True
            return
        kind = response.WhichOneof("frame")
        frame = getattr(response, kind)
        if kind == "output":
            self._append(frame)
        else:
            self.frames[kind].append(frame)

    def _append(self, piece):
        first, data = self.output.setdefault((piece.uniq_id, piece.channel), (piece.offset, bytearray()))
        check("missing", piece.missing, 0)
        check("offset", piece.offset, first + len(data))
        data += piece.data
