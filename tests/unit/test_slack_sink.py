"""The Slack sink against a server that answers as Slack documents it."""

import asyncio
import logging
import time

import pytest
from pydantic import SecretStr, ValidationError

from alerts.model import Alert, Evidence, Kind, Phase, Reason, Severity
from alerts.sinks import slack as module
from alerts.sinks.base import Message, Messenger, SinkError
from alerts.sinks.slack import Slack
from streams.settings import Slack as Settings
from tests.receiver import DRIP, HANG, always, receiver
from tests.slack_server import TOKEN, ApiError, Channel, slack_server


def make(account="a-1", number=1, phase=Phase.FIRING, **changes) -> Alert:
    values = {
        "id": f"{number:032x}", "phase": phase, "rule": "band_entered", "kind": Kind.RISK,
        "severity": Severity.CRITICAL, "reason": Reason.CONDITION_MET, "account_id": account, "term": 0,
        "episode": str(number), "at": 0, "tick": 0, "score": 35_290, "band": "red",
        "evidence": [Evidence("usage fell")], "attributes": {"name": f"Account {account}"},
    }  # fmt: skip
    return Alert(**(values | changes))


def resolved(**changes) -> Alert:
    return make(phase=Phase.RESOLVED, band="amber", evidence=[], **changes)


def slack(url, token=TOKEN, channel="#health", timeout=2.0, interval=0.0) -> Slack:
    return Slack(SecretStr(token), channel, base_url=url, timeout=timeout, interval=interval)


@pytest.fixture
async def server():
    async with slack_server() as state:
        yield state


@pytest.fixture
async def sink(server):
    made = slack(server.url)
    yield made
    await made.close()


async def fault(sink, message=None) -> SinkError:
    with pytest.raises(SinkError) as caught:
        await sink.post(message or Message((make(),)))
    return caught.value


def test_slack_is_a_messenger():
    """The sink offers what a messenger has to."""
    assert isinstance(slack("https://slack.com/api/"), Messenger)


async def test_one_message_per_episode(server, sink):
    """Firing posts; a change and the end update that message in place and say so in its thread."""
    receipt = await sink.post(Message((make(),)))
    receipt = await sink.post(
        Message((make(revision=1, band="amber", reason=Reason.CHANGED),), receipt=receipt)
    )
    await sink.post(Message((resolved(),), receipt=receipt))
    (message,) = server.top
    assert message.shown.startswith("Resolved: Account a-1 is amber again")
    assert message.edits == 2
    assert [reply.shown for reply in server.thread(message)] == [
        "Critical: Account a-1 turned amber (35.2 points)",
        "Resolved: Account a-1 is amber again (35.2 points)",
    ]


async def test_group(server, sink):
    """A group is one message; what follows for one of its alerts is told in its thread and leaves it as it is."""
    receipt = await sink.post(Message(tuple(make(f"a-{n}", n) for n in range(7))))
    await sink.post(Message((resolved(account="a-3", number=3),), receipt=receipt))
    (message,) = server.top
    assert message.shown.startswith("7 alerts in 7 accounts")
    assert message.edits == 0
    assert [reply.shown for reply in server.thread(message)] == [
        "Resolved: Account a-3 is amber again (35.2 points)"
    ]


async def test_lost_receipt(server, sink):
    """Without a receipt, or with the message deleted, the end is a message of its own."""
    receipt = await sink.post(Message((make(),)))
    await sink.post(Message((resolved(),)))
    server.messages.clear()
    again = await sink.post(Message((resolved(),), receipt=receipt))
    assert again != receipt
    assert [m.shown.splitlines()[0] for m in server.top] == ["Resolved: Account a-1 is amber again"]


@pytest.mark.parametrize("state", [None, Channel("C1", member=False), Channel("C1", archived=True)])
async def test_unknown_channel(server, sink, state):
    """A channel that is unknown, closed to the app or archived: the default channel, with a note about it."""
    if state:
        server.channels["#owner"] = state
    await sink.post(Message((make(),), channel="#owner"))
    assert server.top[0].channel == "C0HEALTH"
    assert "Meant for #owner, where Slack answered " in server.top[0].shown


async def test_unknown_default_channel(server, sink):
    """If the default channel is unknown, too, the alert is refused for good."""
    server.channels.clear()
    error = await fault(sink, Message((make(),), channel="#owner"))
    assert not error.retryable
    assert "channel_not_found" in str(error)


async def test_direct_message(server, sink):
    """A user id opens a direct message, and its update goes by the channel that Slack answered with."""
    server.channels["U012"] = Channel("D012")
    receipt = await sink.post(Message((make(),), channel="U012"))
    await sink.post(Message((resolved(),), channel="U012", receipt=receipt))
    assert (server.top[0].channel, server.top[0].edits) == ("D012", 1)


@pytest.mark.parametrize(
    "code", ["invalid_auth", "token_expired", "account_inactive", "missing_scope", "token_revoked"]
)
async def test_refused_token(server, sink, code, monkeypatch):
    """A refused token loses no alert: it is retryable, said to be about credentials, and not asked about at once again."""
    monkeypatch.setattr(module, "PAUSE_S", 0.3)
    server.refuse = lambda _method, _body: ApiError(code)
    first, second = await fault(sink), await fault(sink)
    assert [(e.retryable, e.credentials, str(e)) for e in (first, second)] == [
        (True, True, f"Slack answered {code}")
    ] * 2
    assert len(server.calls) == 1
    assert 0 < second.retry_after <= 0.3
    server.refuse = lambda _method, _body: None
    await asyncio.sleep(0.3)
    await sink.post(Message((make(),)))


async def test_wrong_token_is_shown_nowhere(server, caplog):
    """The token shows up in no error and no log."""
    sink = slack(server.url, token="xoxb-wr0ng")
    with caplog.at_level(logging.DEBUG):
        error = await fault(sink)
    await sink.close()
    assert "invalid_auth" in str(error)
    assert "wr0ng" not in f"{error!r} {error.__cause__!r} {error.__suppress_context__} {caplog.text}"
    assert error.__suppress_context__


async def test_rate_limit(server, sink):
    """A 429 is retryable after what Slack says, and until then the channel is left alone, but no other."""
    server.interval, server.channels["#other"] = 1.0, Channel("C1")
    await sink.post(Message((make(),)))
    error = await fault(sink)
    assert (error.retryable, error.credentials, error.retry_after) == (True, False, 1.0)
    began = time.monotonic()
    await asyncio.gather(
        sink.post(Message((make(number=2),))), sink.post(Message((make(number=3),), channel="#other"))
    )
    assert 0.8 < time.monotonic() - began < 3
    assert [status for *_, status, _ in server.calls] == [200, 429, 200, 200]
    assert [m.channel for m in server.top] == ["C0HEALTH", "C1", "C0HEALTH"]


async def test_own_pace_needs_no_refusals(server):
    """With its own interval the sink keeps below Slack's limit: many messages at once, not one 429."""
    server.interval = 0.2
    sink = slack(server.url, interval=0.25)
    await asyncio.gather(*(sink.post(Message((make(number=n),))) for n in range(5)))
    await sink.close()
    assert {code for *_, code in server.calls} == {"ok"}
    assert len(server.top) == 5


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long", "msg_too_long"])
async def test_refused_blocks_go_as_plain_text(server, sink, code):
    """Blocks that Slack refuses are sent once more as plain text, which says the same; then the alert is refused."""
    server.refuse = lambda _method, body: ApiError(code) if body["blocks"] else None
    receipt = await sink.post(Message((make(),)))
    await sink.post(Message((resolved(),), receipt=receipt))
    assert server.top[0].shown == "Resolved: Account a-1 is amber again (35.2 points)\nAccount a-1"
    assert server.top[0].edits == 1
    server.refuse = lambda _method, _body: ApiError(code)
    calls = len(server.calls)
    assert not (await fault(sink)).retryable
    assert len(server.calls) == calls + 2


async def test_message_that_cannot_be_changed(server, sink):
    """A message too old to be changed still gets its reply."""
    receipt = await sink.post(Message((make(),)))
    server.refuse = lambda method, _body: ApiError("edit_window_closed") if method == "chat.update" else None
    assert await sink.post(Message((resolved(),), receipt=receipt)) == receipt
    assert len(server.thread(server.top[0])) == 1


@pytest.mark.parametrize(
    ("answer", "retryable"),
    [
        (ApiError("internal_error"), True),
        (ApiError("fatal_error", status=500), True),
        (ApiError("ratelimited", status=429), True),
        (ApiError("as_user_not_supported"), False),
    ],
)
async def test_other_answers(server, sink, answer, retryable):
    """Trouble at Slack may pass; a refusal nobody knows of is final."""
    server.refuse = lambda _method, _body: answer
    assert (await fault(sink)).retryable is retryable


@pytest.mark.parametrize("status", [200, 302, 404, 500, 503, HANG, DRIP])
async def test_what_is_not_slack(status):
    """A server that speaks no Slack, hangs, or never ends its answer is retryable: nothing is lost to a bad proxy."""
    async with receiver() as server:
        server.answer = always(status, Content_Type="text/plain")
        sink = slack(f"http://127.0.0.1:{server.port}/", timeout=0.3)
        error = await fault(sink)
        await sink.close()
    assert error.retryable


async def test_nobody_there():
    """No connection is retryable."""
    sink = slack("http://127.0.0.1:9/")
    assert (await fault(sink)).retryable
    await sink.close()


@pytest.mark.parametrize(
    "url", ["http://slack.example/api/", "ftp://127.0.0.1/", "slack.com/api/", "https://"]
)
def test_the_token_travels_encrypted(url):
    """Only https is accepted, and http for this machine itself."""
    with pytest.raises(ValidationError, match="https"):
        Settings(token=SecretStr("t"), channel="#c", base_url=url)
    assert Settings(token=SecretStr("t"), channel="#c", base_url="http://127.0.0.1:80/").timeout == 10.0


def test_token_from_a_file(tmp_path):
    """The token may be given as a file."""
    (tmp_path / "token").write_text("xoxb-1\n")
    settings = Settings.model_validate({"token_file": tmp_path / "token", "channel": "#c"})
    assert settings.token.get_secret_value() == "xoxb-1"
    assert "xoxb" not in repr(settings)


async def test_verify(server, sink):
    """Whose token it is can be asked without posting; a wrong one is an error."""
    assert await sink.verify() == "Acme Workspace"
    wrong = slack(server.url, token="xoxb-wr0ng")
    with pytest.raises(SinkError, match="invalid_auth"):
        await wrong.verify()
    await wrong.close()
    assert server.messages == []
