"""The table by grpcio's synchronous stubs."""

import queue

import grpc
from main import STREAM_TIMEOUT_S, main
from switchyard.v1 import tool_executor_service_pb2_grpc


class Stream:
    def __init__(self, channel, metadata):
        self._channel = channel
        self._requests = queue.SimpleQueue()  # None ends it, which half-closes the stream.
        stub = tool_executor_service_pb2_grpc.ToolExecutorServiceStub(channel)
        requests = iter(self._requests.get, None)
        self._responses = stub.RunTrajectory(requests, timeout=STREAM_TIMEOUT_S, metadata=metadata)

    async def send(self, frame):
        self._requests.put(frame)

    async def half_close(self):
        self._requests.put(None)

    async def receive(self):
        return next(self._responses, None)

    async def cut(self):
        self._responses.cancel()
        self._requests.put(None)
        self._channel.close()


class Transport:
    def __init__(self, options):
        self._options = options

    def _connect(self):
        if self._options.credentials is None:
            return grpc.insecure_channel(self._options.address)
        return grpc.secure_channel(self._options.address, self._options.credentials)

    async def begin(self, bearer):
        return Stream(self._connect(), self._options.metadata(bearer))

    async def unary(self, stub, method, request, timeout, bearer):
        with self._connect() as channel:
            return getattr(stub(channel), method)(request, timeout=timeout, metadata=self._options.metadata(bearer))

    upload = unary

    async def download(self, stub, method, request, timeout, bearer):
        with self._connect() as channel:
            return list(getattr(stub(channel), method)(request, timeout=timeout, metadata=self._options.metadata(bearer)))


main(Transport)
