"""The table by grpcio's asyncio stubs."""

import asyncio

import grpc
from main import STREAM_TIMEOUT_S, main
from switchyard.v1 import tool_executor_service_pb2_grpc


class Stream:
    def __init__(self, channel, metadata):
        self._channel = channel
        stub = tool_executor_service_pb2_grpc.ToolExecutorServiceStub(channel)
        self._call = stub.RunTrajectory(timeout=STREAM_TIMEOUT_S, metadata=metadata)

    async def send(self, frame):
        try:
            await self._call.write(frame)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # The server ended the stream meanwhile; `receive` tells how.

    async def half_close(self):
        await self._call.done_writing()

    async def receive(self):
        response = await self._call.read()
        return None if response is grpc.aio.EOF else response

    async def cut(self):
        self._call.cancel()
        await self._channel.close()


class Transport:
    def __init__(self, options):
        self._options = options

    def _connect(self):
        if self._options.credentials is None:
            return grpc.aio.insecure_channel(self._options.address)
        return grpc.aio.secure_channel(self._options.address, self._options.credentials)

    async def begin(self, bearer):
        return Stream(self._connect(), self._options.metadata(bearer))

    async def unary(self, stub, method, request, timeout, bearer):
        async with self._connect() as channel:
            metadata = self._options.metadata(bearer)
            return await getattr(stub(channel), method)(request, timeout=timeout, metadata=metadata)

    upload = unary

    async def download(self, stub, method, request, timeout, bearer):
        async with self._connect() as channel:
            call = getattr(stub(channel), method)(request, timeout=timeout, metadata=self._options.metadata(bearer))
            return [response async for response in call]


main(Transport)
