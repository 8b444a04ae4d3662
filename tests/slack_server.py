"""A Slack Web API on a free port: what Slack documents of chat.postMessage and chat.update, limits and errors included.

Blocks: https://docs.slack.dev/reference/block-kit, methods: https://docs.slack.dev/reference/methods/chat.postMessage,
rate: https://docs.slack.dev/apis/web-api/rate-limits. The sum of a message is limited, too, though only observed
(slackapi/bolt-js issue 2509). Lengths are counted in UTF-16 units, the stricter reading of "characters".
"""

import contextlib
import math
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web

TOKEN = "xoxb-valid-T0KEN"
TEXT, FIELD, HEADER, ELEMENTS, FIELDS, BLOCKS, ATTACHMENTS = 3_000, 2_000, 150, 10, 10, 50, 100
POST_TEXT, UPDATE_TEXT, SUM = 40_000, 4_000, 13_000
BLOCK_KEYS = {
    "header": {"type", "text", "block_id"},
    "section": {"type", "text", "fields", "block_id", "expand"},
    "context": {"type", "elements", "block_id"},
    "divider": {"type", "block_id"},
}
TEXT_KEYS = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}
MESSAGE_KEYS = {
    "chat.postMessage": {
        "channel",
        "text",
        "blocks",
        "attachments",
        "thread_ts",
        "unfurl_links",
        "unfurl_media",
    },
    "chat.update": {"channel", "text", "blocks", "attachments", "ts"},
}


class ApiError(Exception):
    """An answer with `ok: false`, or with another status."""

    def __init__(self, code: str, *details: str, status: int = 200, **headers: str) -> None:
        super().__init__(code, *details)
        self.code, self.details, self.status, self.headers = code, details, status, headers


@dataclass
class Channel:
    id: str
    member: bool = True
    archived: bool = False


@dataclass
class Posted:
    channel: str
    ts: str
    body: dict[str, Any]
    thread_ts: str | None = None
    edits: int = 0

    @property
    def texts(self) -> list[dict[str, Any]]:
        """All text objects, in the order a reader meets them."""
        return [text for block in all_blocks(self.body) for text in texts_of(block)]

    @property
    def shown(self) -> str:
        """What a reader sees; the plain text if there are no blocks."""
        return unescaped("\n".join(text["text"] for text in self.texts) or self.body.get("text", ""))


@dataclass
class SlackServer:
    port: int = 0
    interval: float = 0.0
    """Seconds between messages to one channel; 0 lets everything through."""
    refuse: Callable[[str, dict[str, Any]], ApiError | None] = lambda _method, _body: None
    """May refuse a call, by method and body, before anything else is looked at but the token."""
    channels: dict[str, Channel] = field(default_factory=lambda: {"#health": Channel("C0HEALTH")})
    """By name; a user id stands for a direct message."""
    messages: list[Posted] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any], int, str]] = field(default_factory=list)
    """Method, body, status, and error code or `ok`."""
    _next: dict[str, float] = field(default_factory=dict)
    _numbers: Any = field(default_factory=count)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def top(self) -> list[Posted]:
        """Messages that are no replies."""
        return [message for message in self.messages if message.thread_ts is None]

    def thread(self, message: Posted) -> list[Posted]:
        return [m for m in self.messages if m.channel == message.channel and m.thread_ts == message.ts]

    async def serve(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        body = await request.json()
        try:
            answer, status, headers = (
                self.handle(method, body, request.headers.get("Authorization", "")),
                200,
                {},
            )
        except ApiError as error:
            answer = {"ok": False, "error": error.code}
            if error.details:
                answer["response_metadata"] = {"messages": [f"[ERROR] {detail}" for detail in error.details]}
            status, headers = error.status, {k.replace("_", "-"): v for k, v in error.headers.items()}
        self.calls.append((method, body, status, answer.get("error", "ok")))
        return web.json_response(answer, status=status, headers=headers)

    def handle(self, method: str, body: dict[str, Any], authorization: str) -> dict[str, Any]:
        if authorization != f"Bearer {TOKEN}":
            raise ApiError("not_authed" if not authorization else "invalid_auth")
        if refusal := self.refuse(method, body):
            raise refusal
        if method == "auth.test":
            return {"ok": True, "team": "Acme Workspace", "user": "accountpulse"}
        if method not in MESSAGE_KEYS:
            raise ApiError("unknown_method")
        if unknown := body.keys() - MESSAGE_KEYS[method]:
            raise ApiError("invalid_arguments", f"unknown: {sorted(unknown)}")
        return self.post(body) if method == "chat.postMessage" else self.update(body)

    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        channel = self.place(body["channel"])
        self.pace(channel.id)
        validate(body, POST_TEXT)
        thread_ts = body.get("thread_ts")
        if thread_ts and not any(m.ts == thread_ts and m.channel == channel.id for m in self.messages):
            raise ApiError("thread_not_found")
        ts = f"{int(time.time())}.{next(self._numbers):06}"
        self.messages.append(Posted(channel.id, ts, body, thread_ts))
        return {"ok": True, "channel": channel.id, "ts": ts, "message": {"text": body.get("text", "")}}

    def update(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = {channel.id for channel in self.channels.values()}
        if body["channel"] not in ids:  # a name or a user id will not do here
            raise ApiError("channel_not_found")
        validate(body, UPDATE_TEXT)
        for message in self.messages:
            if (message.channel, message.ts) == (body["channel"], body["ts"]):
                message.body = {**message.body, **body}
                message.edits += 1
                return {
                    "ok": True,
                    "channel": message.channel,
                    "ts": message.ts,
                    "text": body.get("text", ""),
                }
        raise ApiError("message_not_found")

    def place(self, name: str) -> Channel:
        known = {channel.id: channel for channel in self.channels.values()} | self.channels
        channel = known.get(name)
        if channel is None:
            raise ApiError("channel_not_found")
        if channel.archived:
            raise ApiError("is_archived")
        if not channel.member:
            raise ApiError("not_in_channel")
        return channel

    def pace(self, channel: str) -> None:
        wait = self._next.get(channel, 0.0) - time.monotonic()
        if wait > 0:
            raise ApiError("ratelimited", status=429, Retry_After=str(math.ceil(wait)))
        self._next[channel] = time.monotonic() + self.interval


def size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def all_blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [block for attachment in body.get("attachments") or [] for block in attachment.get("blocks", [])]
    return [*(body.get("blocks") or []), *inner]


def texts_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    own = [block["text"]] if "text" in block else []
    return [*own, *block.get("fields", []), *block.get("elements", [])]


def validate(body: dict[str, Any], text_limit: int) -> None:
    if not body.get("text") and not all_blocks(body):
        raise ApiError("no_text")
    if size(body.get("text") or "") > text_limit:
        raise ApiError("msg_too_long")
    attachments = body.get("attachments") or []
    if len(attachments) > ATTACHMENTS:
        raise ApiError("too_many_attachments")
    for attachment in attachments:
        if attachment.keys() - {"color", "fallback", "blocks"} or not re.fullmatch(
            "#[0-9A-F]{6}", attachment["color"]
        ):
            raise ApiError("invalid_attachments")
    blocks = all_blocks(body)
    faults = [
        fault for number, block in enumerate(blocks) for fault in block_faults(block, f"/blocks/{number}")
    ]
    if len(blocks) > BLOCKS:
        faults.append(f"no more than {BLOCKS} items allowed [json-pointer:/blocks]")
    if faults:
        raise ApiError("invalid_blocks", *faults)
    if sum(size(text["text"]) for block in blocks for text in texts_of(block)) > SUM:
        raise ApiError("msg_blocks_too_long")


def block_faults(block: dict[str, Any], at: str) -> list[str]:
    kind = block.get("type")
    if kind not in BLOCK_KEYS:
        return [f"unsupported type: {kind} [json-pointer:{at}/type]"]
    faults = [f"no more items allowed [json-pointer:{at}/{key}]" for key in block.keys() - BLOCK_KEYS[kind]]
    if kind == "header":
        return faults + text_faults(block.get("text"), HEADER, {"plain_text"}, f"{at}/text")
    if kind == "context":
        return faults + list_faults(block.get("elements"), ELEMENTS, TEXT, f"{at}/elements")
    if kind == "section":
        if not block.get("text") and not block.get("fields"):
            faults.append(f"must provide text or fields [json-pointer:{at}]")
        if "text" in block:
            faults += text_faults(block["text"], TEXT, set(TEXT_KEYS), f"{at}/text")
        if "fields" in block:
            faults += list_faults(block["fields"], FIELDS, FIELD, f"{at}/fields")
    return faults


def list_faults(items: Any, most: int, limit: int, at: str) -> list[str]:
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        return [f"must have 1 to {most} items [json-pointer:{at}]"]
    return [
        fault
        for n, item in enumerate(items)
        for fault in text_faults(item, limit, set(TEXT_KEYS), f"{at}/{n}")
    ]


def text_faults(item: Any, limit: int, kinds: set[str], at: str) -> list[str]:
    if not isinstance(item, dict) or item.get("type") not in kinds:
        return [f"unsupported type [json-pointer:{at}/type]"]
    if item.keys() - TEXT_KEYS[item["type"]]:
        return [f"additional property [json-pointer:{at}]"]
    if not isinstance(item.get("text"), str) or not 1 <= size(item["text"]) <= limit:
        return [f"must be 1 to {limit} characters [json-pointer:{at}/text]"]
    return []


ACTIVE = re.compile(
    r"<[!@#]|<https?:|<mailto:|https?://|:[A-Za-z_+'-]+[\w+'-]*:|@(?:here|channel|everyone)\b", re.IGNORECASE
)
"""What Slack would link, notify or turn into a picture."""


def active(text: str) -> list[str]:
    return ACTIVE.findall(text)


@contextlib.asynccontextmanager
async def slack_server() -> AsyncIterator[SlackServer]:
    state = SlackServer()
    app = web.Application()
    app.router.add_post("/api/{method}", state.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        state.port = site._server.sockets[0].getsockname()[1]
        yield state
    finally:
        await runner.cleanup()
