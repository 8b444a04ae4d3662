"""A real HTTP server on a free port that keeps what it gets and answers as told."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

HANG = 0
"""A status that stands for no answer at all."""
DRIP = 1
"""A status that stands for an answer without end, some bytes every 50 ms."""


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, str]]


def always(status: int, **headers: str) -> Callable[[Request], Answer]:
    return lambda _: (status, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Receiver:
    port: int = 0
    answer: Callable[[Request], Answer] = field(default_factory=lambda: always(204))
    requests: list[Request] = field(default_factory=list)
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections[asyncio.current_task()] = writer
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._answer_all(reader, writer)
        finally:
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started = False
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            request = Request(head[0].split(" ")[1], headers, body)
            self.requests.append(request)
            status, extra = self.answer(request)
            if status == HANG:
                await reader.read()  # until the client has had enough
                return
            while status == DRIP:
                writer.write(b"X: 1\r\n" if started else b"HTTP/1.1 200 -\r\n")
                started = True
                await asyncio.sleep(0.05)
            lines = [
                f"HTTP/1.1 {status} -",
                "Content-Length: 0",
                *(f"{n}: {v}" for n, v in extra.items()),
            ]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            await writer.drain()

    async def close(self) -> None:
        for task, writer in self.connections.items():
            writer.close()
            task.cancel()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
        await asyncio.gather(*self.connections, return_exceptions=True)


@contextlib.asynccontextmanager
async def receiver(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    state = Receiver()
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0, ssl=context)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        await state.close()
        await server.wait_closed()
