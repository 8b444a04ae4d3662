"""What brokers say about quotas, and what is known of a partition while they do not answer."""

from types import SimpleNamespace

import pytest
from aiokafka.protocol.fetch import FetchResponse_v11

from streams.fetched_ends import FetchedEnd, Lag, lag
from streams.throttling import CLIENTS, Throttling

NOW = 1_000_000
STALE = 1_000


async def test_time_that_is_held_back_is_summed_by_client():
    """Each answer adds what it says to its own client; answers that say nothing of it add nothing."""
    answers = [FetchResponse_v11(held, 0, 0, []) for held in (250, 0, 1_000)] + [object()]

    async def send(node: int, request: object) -> object:
        return answers.pop(0)

    client, throttling = SimpleNamespace(send=send), Throttling()
    throttling.listen(client, CLIENTS[0])
    told = [await client.send(1, None) for _ in range(4)]
    assert isinstance(told[0], FetchResponse_v11)
    assert throttling.seconds == {CLIENTS[0]: 1.25, CLIENTS[1]: 0.0}


@pytest.mark.parametrize(
    ("end", "position", "last_record_ms", "expected"),
    [
        (None, 5, NOW, Lag(0, 0.0)),
        (FetchedEnd(10, NOW - 200), 10, NOW - 90_000, Lag(0, 0.0)),
        (FetchedEnd(10, NOW - 200), 4, NOW - 90_000, Lag(6, 90.0)),
        (FetchedEnd(10, NOW - 200), 4, None, Lag(6, 0.0)),
        (FetchedEnd(10, NOW - 200), None, None, Lag(0, 0.0)),
        (FetchedEnd(10, NOW - STALE), 10, NOW, Lag(0, 0.0)),
        (FetchedEnd(10, NOW - 30_000), 10, NOW - 40_000, Lag(0, 30.0)),
        (FetchedEnd(10, NOW - 30_000), 4, NOW - 40_000, Lag(6, 40.0)),
        (FetchedEnd(10, NOW - 30_000), 4, NOW - 20_000, Lag(6, 30.0)),
        (FetchedEnd(10, NOW + 30_000), 4, NOW + 40_000, Lag(6, 0.0)),
    ],
)
def test_lag(end, position, last_record_ms, expected):
    """Whoever waits has waited since the last record taken, or since the last answer if that is long ago; clocks set back make it nothing."""
    assert lag(end, position, last_record_ms, NOW, STALE) == expected
