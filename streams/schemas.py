"""The contracts as documents, made from the Structs: a JSON Schema per event type, one AsyncAPI 3 document.

They are checked in under docs/schemas and compared in a test: who changes a Struct sees the contract change.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from alerts.model import Alert
from alerts.render import Notification
from scoring.events import EVENT_TYPES, SOURCES, TYPE_NAMES
from scoring.record import ScoreRecord
from streams.dead_letters import DeadLetter

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
CONTRACT_VERSION: Final = "1.0.0"
ASYNCAPI: Final = "asyncapi"
_EVENTS: Final[dict[str, type[Struct]]] = dict(zip(TYPE_NAMES, EVENT_TYPES, strict=True))
_OUTPUTS: Final[dict[str, tuple[str, type[Struct], str]]] = {
    "scores": (
        "score",
        ScoreRecord,
        "The newest score of each account; compacted. Skip keys that start with NUL.",
    ),
    "alerts": (
        "alert",
        Alert,
        "Alert phases, at least once; `(id, phase, revision)` identifies each. Key: account_id."
        " Skip keys that start with NUL.",
    ),
    "dead-letters": (
        "dead-letter",
        DeadLetter,
        "Rejected records with place and reason. Key: that of the record. Skip keys that start with NUL.",
    ),
}
_MESSAGES: Final[dict[str, type[Struct]]] = _EVENTS | {name: struct for name, struct, _ in _OUTPUTS.values()}


def documents() -> dict[str, dict[str, Any]]:
    """Every document by name: the event types, what is written (`score`, `alert`, ...), and `asyncapi`."""
    schemas = {name: json_schema(struct) for name, struct in _MESSAGES.items()}
    return schemas | {"notification": json_schema(Notification), ASYNCAPI: asyncapi()}


def filename(name: str) -> str:
    """File name of a document under docs/schemas."""
    return f"{name}.json" if name == ASYNCAPI else f"{name}.schema.json"


def encode(document: dict[str, Any]) -> str:
    """A document as it is checked in."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def json_schema(struct: type[Struct]) -> dict[str, Any]:
    """JSON Schema (2020-12) of one Struct, with what it refers to."""
    return {"$schema": DIALECT, **msgspec.json.schema(struct)}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 over all topics other programs write to or read from."""
    _, schemas = msgspec.json.schema_components(
        _MESSAGES.values(), ref_template="#/components/schemas/{name}"
    )
    inputs = {source: _channel(source, list(_EVENTS), _INPUT_TEXT) for source in SOURCES}
    outputs = {topic: _channel(topic, [message], text) for topic, (message, _, text) in _OUTPUTS.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "accountpulse",
            "version": CONTRACT_VERSION,
            "description": "Events in; scores, alerts and rejected records out. Unknown fields are ignored.",
        },
        "defaultContentType": "application/json",
        "channels": inputs | outputs,
        "operations": {source: _operation("receive", source) for source in inputs}
        | {topic: _operation("send", topic) for topic in outputs},
        "components": {
            "messages": {name: _message(name, struct) for name, struct in _MESSAGES.items()},
            "schemas": schemas,
        },
    }


_INPUT_TEXT: Final = (
    "Key: account_id in UTF-8, partition: murmur2(key) mod n as Java's default partitioner does it. "
    "Every event type is accepted on every input."
)


def _channel(topic: str, messages: list[str], description: str) -> dict[str, Any]:
    return {
        "address": f"{{prefix}}{topic}",
        "description": description,
        "parameters": {
            "prefix": {
                "default": "accountpulse.",
                "description": "ACCOUNTPULSE_TOPIC_PREFIX of the installation.",
            }
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _message(name: str, struct: type[Struct]) -> dict[str, Any]:
    return {
        "name": name,
        "payload": {"$ref": f"#/components/schemas/{struct.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }
