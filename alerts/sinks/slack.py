"""Alerts as Slack messages: one a firing alert, changed in place and told in its thread when something follows.

What Slack answers decides what happens:

| answer | what follows |
|---|---|
| rate limited | again after `Retry-After`; nothing else goes to that channel meanwhile |
| token wrong, expired or without scope | again and again, all alerts wait: they must not be lost for a wrong token |
| channel unknown, archived, or the app is not in it | the default channel, with a note; that one unknown: refused |
| blocks not accepted, message too long | once more as plain text |
| message to change is gone | a message of its own |
| trouble at Slack, no connection, time-out | again |
| anything else | refused |
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from alerts import slack_blocks
from alerts.model import Alert
from alerts.sinks.base import Message, SinkError
from alerts.sinks.pace import Pace
from alerts.slack_blocks import Content

PAUSE_S: Final = 30.0
"""After a refused token nobody asks again for so long."""
_CREDENTIALS: Final = frozenset({
    "access_denied", "account_inactive", "ekm_access_denied", "enterprise_is_restricted", "invalid_auth",
    "missing_scope", "no_permission", "not_allowed_token_type", "not_authed", "org_login_required",
    "team_access_not_granted", "token_expired", "token_revoked", "two_factor_setup_required",
})  # fmt: skip
_UNKNOWN_PLACE: Final = frozenset({
    "cannot_dm_bot", "channel_not_found", "channel_type_not_supported", "is_archived", "is_inactive",
    "messages_tab_disabled", "not_in_channel", "restricted_action", "restricted_action_read_only_channel",
    "user_disabled", "user_not_found",
})  # fmt: skip
_UNREADABLE: Final = frozenset({
    "attachment_payload_limit_exceeded", "invalid_attachments", "invalid_blocks", "invalid_blocks_format",
    "msg_blocks_too_long", "msg_too_long", "too_many_attachments",
})  # fmt: skip
_RETRYABLE: Final = frozenset({
    "fatal_error", "internal_error", "message_limit_exceeded", "rate_limited", "ratelimited", "request_timeout",
    "service_unavailable", "team_added_to_org",
})  # fmt: skip
_GONE: Final = frozenset({"message_not_found", "thread_not_found"}) | _UNKNOWN_PLACE
_FINISHED: Final = frozenset({"cant_update_message", "edit_window_closed"})


class RefusedError(SinkError):
    """Slack said no; `code` is its word for why."""

    def __init__(self, code: str, *, retry_after: float | None = None, trouble: bool = False) -> None:
        super().__init__(
            f"Slack answered {code}",
            retryable=trouble or code in _RETRYABLE or code in _CREDENTIALS,
            retry_after=retry_after,
            credentials=code in _CREDENTIALS,
        )
        self.code = code


class Slack:
    """Posts to the channels of one workspace.

    Args:
        token: Bot token of the app.
        channel: Default channel, by id or name.
        base_url: Of the Web API.
        timeout: Seconds for one request.
        interval: Seconds between two messages to one channel.
    """

    name: Final = "slack"

    def __init__(
        self, token: SecretStr, channel: str, *, base_url: str, timeout: float, interval: float
    ) -> None:
        # The client builds a line of each request for its log, content included, unless that is above DEBUG.
        log = logging.getLogger("slack_sdk")
        log.setLevel(logging.WARNING)
        self._client = AsyncWebClient(token.get_secret_value(), base_url, retry_handlers=[], logger=log)
        self._client.proxy = None  # it would take one from the environment
        self._default = channel
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._pace = Pace(interval)
        self._ids: dict[str, str] = {}
        """Names of channels and users -> the channel ids that receipts carry: both share one pace."""
        self._refused_until = 0.0
        self._refused = ""

    async def send(self, alert: Alert) -> None:
        """Posts one alert to the default channel. Raises SinkError."""
        await self.post(Message((alert,)))

    async def post(self, message: Message) -> str:
        """Posts a message, or brings the one of the receipt up to date. Raises SinkError."""
        if message.receipt is None:
            return await self._first(message)
        channel, ts, *grouped = message.receipt.split(" ")
        alert = message.alerts[0]
        try:
            if not grouped:
                await self._update(channel, ts, slack_blocks.single(alert))
            await self._readable("chat.postMessage", channel, slack_blocks.reply(alert), thread_ts=ts)
        except RefusedError as refusal:
            if refusal.code not in _GONE:
                raise
            return await self._first(message)
        return message.receipt

    async def verify(self) -> str:
        """Asks Slack whose token this is, without posting: the workspace's name. Raises SinkError."""
        return str((await self._ask("auth.test", {})).get("team"))

    async def close(self) -> None:
        """Closes the connections."""
        if self._client.session:
            await self._client.session.close()

    async def _first(self, message: Message) -> str:
        place = message.channel or self._default
        try:
            return await self._post(message, place)
        except RefusedError as refusal:
            if refusal.code not in _UNKNOWN_PLACE or place == self._default:
                raise
            note = f"Meant for {place}, where Slack answered {refusal.code}."
            return await self._post(message, self._default, note)

    async def _post(self, message: Message, place: str, note: str = "") -> str:
        alerts = message.alerts
        grouped = len(alerts) > 1
        content = (
            slack_blocks.group(alerts, note=note) if grouped else slack_blocks.single(alerts[0], note=note)
        )
        answer = await self._readable("chat.postMessage", place, content)
        self._ids[place] = answer["channel"]
        return f"{answer['channel']} {answer['ts']}" + (" group" if grouped else "")

    async def _update(self, channel: str, ts: str, content: Content) -> None:
        try:
            await self._readable("chat.update", channel, content, ts=ts)
        except RefusedError as refusal:
            if refusal.code not in _FINISHED:  # too old to be changed: its thread still tells
                raise

    async def _readable(self, method: str, channel: str, content: Content, **place: str) -> dict[str, Any]:
        """One call; what Slack cannot show in blocks it gets as plain text."""
        try:
            return await self._call(method, channel, content, place)
        except RefusedError as refusal:
            if refusal.code not in _UNREADABLE:
                raise
            return await self._call(method, channel, Content(content.plain), place)

    async def _call(
        self, method: str, channel: str, content: Content, place: dict[str, str]
    ) -> dict[str, Any]:
        self._require_credentials()
        body: dict[str, Any] = {
            "channel": channel,
            "text": content.text,
            "blocks": content.blocks,
            "attachments": content.attachments,
        }
        posts = method == "chat.postMessage"
        if posts:
            body |= {"unfurl_links": False, "unfurl_media": False}
        known = self._ids.get(channel, channel)
        async with self._pace.turn(known if posts else ""):
            self._require_credentials()
            try:
                return await self._ask(method, body | place)
            except RefusedError as refusal:
                if refusal.credentials:
                    self._refused, self._refused_until = refusal.code, time.monotonic() + PAUSE_S
                elif refusal.retry_after is not None:
                    self._pace.pause(known, refusal.retry_after)
                raise

    def _require_credentials(self) -> None:
        left = self._refused_until - time.monotonic()
        if left > 0:
            raise RefusedError(self._refused, retry_after=left)

    async def _ask(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        if self._client.session is None:
            self._client.session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        try:
            answer = await self._client.api_call(method, json=body)
        except SlackApiError as error:
            raise _refusal(error) from None
        except (aiohttp.ClientError, TimeoutError, OSError, AttributeError) as error:
            # AttributeError: what slack_sdk makes of an answer in plain text, as proxies give it
            raise SinkError(f"request failed: {type(error).__name__}", retryable=True) from None
        return dict(answer.data) if isinstance(answer.data, dict) else {}


def _refusal(error: SlackApiError) -> RefusedError:
    """What Slack's answer means; of its text only the code is kept."""
    answer: Any = error.response
    status = int(getattr(answer, "status_code", getattr(answer, "status", 0)))
    data = getattr(answer, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    wait = dict(answer.headers).get("Retry-After", "") if status == 429 else ""
    return RefusedError(
        code[:64] or f"status {status}",
        retry_after=float(wait) if wait.isdecimal() else None,
        trouble=status == 429 or status >= 500 or not code,
    )
