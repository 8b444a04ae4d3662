"""Sinks against real receivers."""

import asyncio
import hashlib
import hmac
import io
import json
import logging
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from pydantic import SecretStr

from alerts.model import Alert, Kind, Phase, Reason, Severity
from alerts.sinks.base import GROUP, Sink, SinkError, SinkUnavailableError, installed, load
from alerts.sinks.stdout import Stdout
from alerts.sinks.webhook import Webhook, parse_url
from tests.receiver import DRIP, HANG, always, receiver

NOW_MS = 1_800_000_000_000
SECRET = "s3cret-key"


def make(account="a-1", number=1, phase=Phase.FIRING, **changes) -> Alert:
    return Alert(
        id=f"{number:032x}", phase=phase, rule="band_entered", kind=Kind.RISK, severity=Severity.CRITICAL,
        reason=Reason.CONDITION_MET, account_id=account, term=0, episode=str(number), at=NOW_MS, tick=NOW_MS,
        score=12_300, band="red", **changes,
    )  # fmt: skip


def webhook(url, timeout=2.0, **arguments) -> Webhook:
    return Webhook(SecretStr(url), SecretStr(SECRET), timeout=timeout, now_ms=lambda: NOW_MS, **arguments)


async def fault(sink, alert=None) -> SinkError:
    try:
        with pytest.raises(SinkError) as caught:
            await sink.send(alert or make())
    finally:
        await sink.close()
    return caught.value


async def test_webhook_is_signed():
    """The receiver can verify body and timestamp with the shared secret; id, phase and revision are headers."""
    async with receiver() as server:
        sink = webhook(f"http://127.0.0.1:{server.port}/hook?x=1")
        await sink.send(make(attributes={"name": "Zoë"}))
        await sink.send(make(number=2, revision=3))
        await sink.close()
    request = server.requests[0]
    assert request.path == "/hook?x=1"
    assert request.headers["accountpulse-timestamp"] == "1800000000"
    mac = hmac.new(SECRET.encode(), b"1800000000." + request.body, hashlib.sha256).hexdigest()
    assert request.headers["accountpulse-signature"] == f"v1={mac}"
    assert request.headers["accountpulse-alert-id"] == make().id
    assert request.headers["accountpulse-phase"] == "firing"
    assert [request.headers["accountpulse-revision"] for request in server.requests] == ["0", "3"]
    assert json.loads(server.requests[1].body)["revision"] == 3
    assert json.loads(request.body)["title"] == "Critical: Zoë turned red (12.3 points)"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
async def test_retryable_statuses(status):
    """Overload, conflict of time and server faults may pass."""
    async with receiver() as server:
        server.answer = always(status)
        error = await fault(webhook(f"http://127.0.0.1:{server.port}/"))
    assert error.retryable
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410, 413, 422])
async def test_final_statuses(status):
    """What the receiver refuses for good is not retried; redirects are not followed."""
    async with receiver() as server:
        server.answer = always(status, Location="http://127.0.0.1:1/")
        error = await fault(webhook(f"http://127.0.0.1:{server.port}/"))
    assert not error.retryable
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
    ],
)
async def test_retry_after(header, seconds):
    """Retry-After is read as seconds or as an HTTP date; rubbish is as if absent."""
    async with receiver() as server:
        server.answer = always(429, Retry_After=header)
        error = await fault(webhook(f"http://127.0.0.1:{server.port}/"))
    assert error.retry_after == seconds


async def test_hanging_receiver():
    """A receiver that never answers, or never ends its answer, costs a time-out and is retryable."""
    async with receiver() as server:
        url = f"http://127.0.0.1:{server.port}/"
        server.answer = always(HANG)
        silent = await fault(webhook(url, timeout=0.2))
        server.answer = always(DRIP)
        endless = await fault(webhook(url, timeout=0.2))
    assert silent.retryable
    assert "ReadTimeout" in str(silent)
    assert endless.retryable
    assert "0.4 s" in str(endless)


async def test_receiver_that_never_shakes_hands():
    """A receiver that takes connections and says nothing fails every attempt in time, more of them than a pool has places."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink = webhook(f"https://127.0.0.1:{port}/", timeout=0.5, context=ssl.create_default_context())
    loop = asyncio.get_running_loop()
    for _ in range(4):
        began = loop.time()
        outcomes = await asyncio.gather(*(sink.send(make()) for _ in range(30)), return_exceptions=True)
        assert all(isinstance(each, SinkError) and each.retryable for each in outcomes), outcomes
        assert loop.time() - began < 5
    assert len(held) == 120, "some attempt was refused a connection"
    server.close()
    for writer in held:
        writer.close()
    await server.wait_closed()
    await sink.close()


async def test_an_attempt_cut_off_in_a_handshake_leaves_no_connection():
    """After the process stood still for longer than an attempt may take, what that had opened is closed, and it may be repeated."""
    said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader, writer) -> None:
        begun = await reader.read(1)
        time.sleep(1)
        said.set_result(begun + await reader.read())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    context = ssl.create_default_context()
    error = await fault(webhook(f"https://127.0.0.1:{port}/", timeout=0.3, context=context))
    assert error.retryable
    assert await asyncio.wait_for(said, 5), "there was no handshake"
    server.close()
    await server.wait_closed()


async def test_no_credentials_in_errors_or_logs(caplog):
    """URL credentials, path, query and secret show up neither in errors and their causes nor in logs."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with receiver() as server:
        server.answer = always(404)
        addresses = [f"127.0.0.1:{port}", f"127.0.0.1:{server.port}", "no-such-host.invalid"]
        with caplog.at_level(logging.INFO):
            errors = [await fault(webhook(f"http://user:pa55@{a}/T0KEN?k=T0KEN")) for a in addresses]
    assert [error.retryable for error in errors] == [True, False, True]
    for error in errors:
        shown = f"{error!r} {error.__cause__!r} {error.__suppress_context__}"
        assert shown.endswith("True" if error.__context__ else "False")
        assert not any(word in shown for word in ("pa55", "T0KEN", SECRET))
    assert not any(word in caplog.text for word in ("pa55", "T0KEN", SECRET))


async def test_plain_server_behind_https():
    """A TLS failure is retryable and says that it is the connection."""

    async def answer(reader, writer) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 plain\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await fault(webhook(f"https://127.0.0.1:{port}/"))
    assert error.retryable
    assert "ConnectError" in str(error)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
async def test_tls_trust(tmp_path):
    """A certificate nobody vouches for is refused; once it is trusted, the same receiver gets the alert."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    async with receiver(context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert (await fault(webhook(url))).retryable
        assert server.requests == []
        trusting = webhook(url, context=ssl.create_default_context(cafile=str(cert)))
        await trusting.send(make())
        await trusting.close()
    assert len(server.requests) == 1


async def test_unusable_header_is_final():
    """An alert whose id cannot be a header value is refused at once and not retried for ever."""
    async with receiver() as server:
        error = await fault(webhook(f"http://127.0.0.1:{server.port}/"), make_with_id("x\r\nEvil: 1"))
    assert not error.retryable
    assert server.requests == []


def make_with_id(alert_id: str) -> Alert:
    values = {name: getattr(make(), name) for name in Alert.__struct_fields__}
    return Alert(**(values | {"id": alert_id}))


@pytest.mark.parametrize("url", ["ftp://user:pa55@host/", "no url at all", "https://:99", "http://[::1"])
def test_bad_url_is_refused_without_showing_it(url):
    """A URL that cannot work is refused when the sink is built, and not shown."""
    with pytest.raises(ValueError, match="webhook URL") as caught:
        parse_url(SecretStr(url))
    assert url not in str(caught.value)
    assert "pa55" not in str(caught.value)


async def test_stdout():
    """One line an alert: words, or the JSON document."""
    words, documents = io.StringIO(), io.StringIO()
    await Stdout(words, as_json=False).send(make())
    await Stdout(documents, as_json=True).send(make())
    assert words.getvalue() == "Critical: a-1 turned red (12.3 points) | Account a-1\n"
    assert json.loads(documents.getvalue())["account_id"] == "a-1"


async def test_stdout_that_is_full():
    """An output that takes nothing is retryable."""

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    error = await fault(Stdout(Full(), as_json=False))
    assert error.retryable


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed distribution that offers sinks."""
    info = tmp_path / "acme_sinks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sinks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\nowner-files = examples.custom_sink:OwnerFiles\n"
        "broken = no_such_module:Sink\nnone = builtins:object\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("OWNER_FILES_DIR", str(tmp_path))
    return tmp_path


async def test_own_sink_is_found_and_delivers(package):
    """The example of the documentation is found through its entry point and works."""
    assert "owner-files" in installed()
    sink = load("owner-files")
    assert isinstance(sink, Sink)
    await sink.send(make(attributes={"owner": "dana@example.com"}))
    assert "turned red" in (package / "dana@example.com.txt").read_text()
    assert not (await fault(sink, make())).retryable


@pytest.mark.parametrize(
    ("name", "reason"), [("absent", "no sink"), ("broken", "ModuleNotFoundError"), ("none", "lacks")]
)
@pytest.mark.usefixtures("package")
def test_unusable_sinks_are_explained(name, reason):
    """A sink that is not there, cannot be built or is none says so."""
    with pytest.raises(SinkUnavailableError, match=reason):
        load(name)
