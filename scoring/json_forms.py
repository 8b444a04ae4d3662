"""Parts of score records as JSON text, for many accounts at once.

Accounts that know the same dimensions and signals differ in their numbers only: these are put into a form made once.
Building an object for each part and encoding it took five times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import numpy as np
from msgspec import Raw

from scoring.evaluate import Evaluation
from scoring.layout import DIMENSIONS, SEEN, D
from scoring.model import Model
from scoring.times import UNSET, Int64, iso_column

Part = Raw | dict[str, Any]
"""JSON of an object, or an empty one, which a record leaves out."""
MOST: Final = 100_000
"""Thousandths of a point that a score has at most."""
_MOST_FORMS: Final = 4096


class _Form:
    """A JSON object with places for values."""

    def __init__(self, parts: Sequence[tuple[str, int]], end: str) -> None:
        """`parts`: a text, and the number of the value that follows it."""
        self._pieces = [piece for text, _ in parts for piece in (text, "")] + [end]
        places = [place for _, place in parts]
        self._pick: Callable[[Sequence[str]], tuple[str, ...]] = (
            itemgetter(*places) if len(places) > 1 else lambda values: (values[places[0]],)
        )

    def of(self, values: Sequence[str]) -> Raw:
        """The object with these values, each of them JSON."""
        self._pieces[1::2] = self._pick(values)
        return Raw("".join(self._pieces).encode())


class DimensionForms:
    """`ScoreRecord.dimensions` of accounts scored by one model."""

    def __init__(self, model: Model) -> None:
        self._points = _points()
        signals = [(slot, s) for slot, name in enumerate(DIMENSIONS) for s in _signals(model, name)]
        first = 2 * D  # the numbers are sub-scores, contributions, and the signals in the order of the model
        self._told = [
            (name, slot, sorted((s, first + i) for i, (of, s) in enumerate(signals) if of == slot))
            for name, slot in sorted((name, slot) for slot, name in enumerate(DIMENSIONS))
        ]
        self._form = lru_cache(_MOST_FORMS)(self._make)

    def of(self, e: Evaluation, at: Int64) -> list[Part]:
        """Those of the accounts `at` of an evaluation."""
        numbers = np.concatenate([e.sub, e.contribution, e.values])[:, at].T
        shape = np.packbits(numbers >= 0, axis=1)
        weight = np.ascontiguousarray(e.weight[:, at].T)
        keys = np.concatenate([weight.view(np.uint8), shape], axis=1)
        texts, shapes = self._texts(numbers), keys.tobytes()
        n, length = numbers.shape[1], keys.shape[1]
        return [
            {} if form is None else form.of(texts[j * n : j * n + n])
            for j in range(len(at))
            for form in [self._form(shapes[j * length : j * length + length])]
        ]

    def _texts(self, numbers: Int64) -> list[str]:
        if numbers.max(initial=0) > MOST:  # by a signal of somebody else
            return [repr(n / 1000) for n in numbers.ravel().tolist()]
        return list(map(self._points.__getitem__, numbers.ravel().tolist()))

    def _make(self, shape: bytes) -> _Form | None:
        weight = np.frombuffer(shape, np.int64, D).tolist()
        known = np.unpackbits(np.frombuffer(shape, np.uint8, offset=8 * D)).tolist()
        parts: list[tuple[str, int]] = []
        before = "{"
        for name, slot, signals in self._told:
            if not known[slot]:
                continue
            parts.append((f'{before}"{name}":{{"score":', slot))
            parts.append((f',"weight":{weight[slot]},"contribution":', D + slot))
            told = [(s, place) for s, place in signals if known[place]]
            for i, (signal, place) in enumerate(told):
                parts.append((("," if i else ',"signals":{') + f'"{signal}":', place))
            before = "}}," if told else ',"signals":{}},'
        return _Form(parts, before[:-1] + "}") if parts else None


def last_seen(times: Int64) -> list[Part]:
    """`ScoreRecord.last_seen`, by the times of the types SEEN, an account a row."""
    known = np.packbits(times != UNSET, axis=1, bitorder="little")[:, 0].tolist()
    texts, n = iso_column(times.ravel()), times.shape[1]
    return [_seen_form(bits).of(texts[j * n : j * n + n]) if bits else {} for j, bits in enumerate(known)]


@lru_cache(_MOST_FORMS)
def _seen_form(known: int) -> _Form:
    told = sorted((name, place) for place, name in enumerate(SEEN) if known >> place & 1)
    parts = [(f'{"," if i else "{"}"{name}":"', place) for i, (name, place) in enumerate(told)]
    closed = [(('"' if i else "") + text, place) for i, (text, place) in enumerate(parts)]
    return _Form(closed, '"}')


def _signals(model: Model, dimension: str) -> Sequence[str]:
    spec = model.dimensions.get(dimension)
    return () if spec is None else list(spec.signals)


@lru_cache(1)
def _points() -> Sequence[str]:
    """Thousandths of a point as JSON numbers in points, 0 to MOST; what is MISSING gets some of them."""
    parts = [repr(n / 1000)[1:] for n in range(1000)]
    return [whole + part for whole in map(str, range(MOST // 1000 + 1)) for part in parts]
