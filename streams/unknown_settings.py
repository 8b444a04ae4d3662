"""Environment variables that look like settings and are none: a mistyped name must not pass for a default.

Names with a wrong part after `__` are refused by the settings themselves. Those here are told and not refused, as an
orchestrator may have set them: Kubernetes names a variable after every service of the namespace.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import BaseModel

from streams.settings import PREFIX, Settings

_OTHERS: Final = re.compile(
    rf"{PREFIX}(CONFIG$|TEST_|REQUIRE_SERVERS$|(\w+_)?SERVICE_(HOST|PORT)|(\w+_)?PORT($|_\d))"
)
"""The settings file, switches of the tests, and what Kubernetes makes of services whose names begin as ours."""


def warnings(environment: Iterable[str]) -> list[str]:
    """A line for each name in the environment that begins as a setting and is none, with the nearest that is one."""
    known = set(_names(Settings, PREFIX))
    first_parts = {name.removeprefix(PREFIX).split("__")[0] for name in known}
    out = []
    for name in sorted(environment):
        stranger = (
            name.startswith(PREFIX) and name.removeprefix(PREFIX).split("__")[0].upper() not in first_parts
        )
        if stranger and not _OTHERS.match(name):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            out.append(f"{name} is no setting and changes nothing{hint}")
    return out


def _names(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for field, info in model.model_fields.items():
        inner = _model(info.annotation)
        if inner is None:
            yield prefix + field.upper()
        else:
            yield from _names(inner, f"{prefix}{field.upper()}__")


def _model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - whatever a field is declared as
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
