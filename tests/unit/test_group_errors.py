"""What the worker does about errors that the group coordinator keeps."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors as kafka_errors

from streams.group_errors import hear


def coordinator(error: Exception | None, *, died: bool = False, closing: bool = False) -> Any:
    """One that keeps an error."""
    loop = asyncio.new_event_loop()
    futures = loop.create_future(), loop.create_future()
    for future, done in zip(futures, (closing, died), strict=True):
        if done:
            future.set_result(None)
    loop.close()

    def check() -> None:
        if error:
            raise error

    return SimpleNamespace(_closing=futures[0], _coordination_task=futures[1], check_errors=check)


@pytest.mark.parametrize(
    ("error", "died", "closing", "ends"),
    [
        (None, False, False, False),
        (kafka_errors.KafkaError("GroupLoadInProgressError()"), False, False, False),
        (kafka_errors.KafkaError("Unexpected error during coordination"), True, False, True),
        (kafka_errors.GroupAuthorizationFailedError("accountpulse"), False, False, True),
        (kafka_errors.GroupAuthorizationFailedError("accountpulse"), False, True, False),
    ],
)
def test_what_a_try_may_mend_is_tried(error, died, closing, ends):
    """The worker goes on after an error that may pass, and ends if it is final or the coordinator died of it; not if it stops anyway."""
    failed: list[BaseException] = []
    hear(coordinator(error, died=died, closing=closing), failed.append)
    assert failed == ([error] if ends else [])
