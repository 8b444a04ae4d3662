"""The probe server and the log filter, without a worker."""

import asyncio
import logging

from prometheus_client import CollectorRegistry, Counter

from streams.logs import RepeatFilter
from streams.probes import ProbeServer, Readiness


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_probes_answer():
    """/live, /ready with its reasons, /metrics, and nothing else, to GET and HEAD only."""
    readiness = Readiness(ready=False, reasons=["recovering"], recovery_rows_left=7)
    registry = CollectorRegistry()
    Counter("accountpulse_events", "Events.", registry=registry).inc()
    server = ProbeServer(lambda: readiness, registry)
    await server.start("127.0.0.1", 0)
    try:
        live = await ask(server.port, b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        ready = await ask(server.port, b"GET /ready?x=1 HTTP/1.1\r\n\r\n")
        metrics = await ask(server.port, b"GET /metrics HTTP/1.1\r\n\r\n")
        head = await ask(server.port, b"HEAD /live HTTP/1.1\r\n\r\n")
        other = await ask(server.port, b"GET /nothing HTTP/1.1\r\n\r\n")
        post = await ask(server.port, b"POST /live HTTP/1.1\r\n\r\n")
        noise = await ask(server.port, b"\xff\xfe\r\n\r\n")
        readiness = Readiness(ready=True)
        assert (await ask(server.port, b"GET /ready HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
    finally:
        await server.close()
    assert live.startswith(b"HTTP/1.1 200 OK")
    assert ready.startswith(b"HTTP/1.1 503 ")
    assert b'"reasons":["recovering"]' in ready
    assert b'"recovery_rows_left":7' in ready
    assert b"accountpulse_events_total 1.0" in metrics
    assert head.endswith(b"\r\n\r\n")
    assert other.startswith(b"HTTP/1.1 404 ")
    assert post.startswith(b"HTTP/1.1 405 ")
    assert noise == b""


def test_repeated_library_lines_are_held_back():
    """Of equal warnings the first is written, then one a window, which says how many were left out."""
    keep = RepeatFilter(window=3600)

    def record(message: object, level: int = logging.ERROR) -> logging.LogRecord:
        return logging.LogRecord("aiokafka", level, __file__, 1, message, ("node 1",), None)

    first = record("cannot reach %s")
    assert keep.filter(first)
    assert not keep.filter(record("cannot reach %s"))
    assert keep.filter(record("something else"))
    assert keep.filter(record("cannot reach %s", logging.INFO))
    assert keep.filter(record({"event": "our own"}))
    assert keep.filter(record({"event": "our own"}))
    keep._window = 0.0
    again = record("cannot reach %s")
    assert keep.filter(again)
    assert again.left_out == 1
