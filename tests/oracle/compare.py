"""What differs between two results, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ABSENT = "nothing"


def differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    """One line per differing value, with its path (`acme.usage[20500]: expected 3000, got 2000`).

    Works on any nesting of mappings and sequences: accounts by id, one account, or a list under a name.
    Keys are compared as text and tuples as lists, so a result that travelled as JSON compares equal.
    """
    return [f"{path}: expected {left!r}, got {right!r}" for path, left, right in _walk("", expected, actual)]


def _walk(path: str, left: Any, right: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        yield from _mappings(path, left, right)
    elif _is_list(left) and _is_list(right):
        yield from _lists(path, left, right)
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        yield path or ".", left, right


def _mappings(path: str, left: Mapping[Any, Any], right: Mapping[Any, Any]) -> Iterator[tuple[str, Any, Any]]:
    left, right = ({str(key): value for key, value in side.items()} for side in (left, right))
    for key in sorted(left.keys() | right.keys()):
        step = f"[{key}]" if key.lstrip("-").isdigit() else f".{key}" if path else key
        if key in left and key in right:
            yield from _walk(path + step, left[key], right[key])
        else:
            yield path + step, left.get(key, ABSENT), right.get(key, ABSENT)


def _lists(path: str, left: Sequence[Any], right: Sequence[Any]) -> Iterator[tuple[str, Any, Any]]:
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        yield from _walk(f"{path}#{place}", one, other)
    for place in range(min(len(left), len(right)), max(len(left), len(right))):
        in_left = place < len(left)
        yield f"{path}#{place}", left[place] if in_left else ABSENT, ABSENT if in_left else right[place]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
