"""Text from outside made harmless for Slack, and cut to Slack's limits. Pure.

Slack has no escape for its formatting characters, and shows `&gt;` at the start of a line as a quotation. So what
could be read as markup is replaced by characters that look alike: nothing of it formats, links or notifies.
"""

from __future__ import annotations

import re
from typing import Final

from alerts.render import plain

_LOOKALIKE: Final = str.maketrans({
    "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
    ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
    "*": "\N{ASTERISK OPERATOR}",
    "~": "\N{TILDE OPERATOR}",
    "`": "\N{MODIFIER LETTER GRAVE ACCENT}",
})  # fmt: skip
_UNDERSCORE: Final = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""Formats; one inside a word (an id) does not, and stays as it is."""
_COLON: Final = re.compile(r":(?=//|[\w+'-]*[A-Za-z+][\w+'-]*:)")
"""Begins a link or the name of an emoji."""
_MENTION: Final = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)
"""Whatever follows: cutting may leave the mention alone."""
ELLIPSIS: Final = "…"


def size(text: str) -> int:
    """Length as Slack may count it, in UTF-16 units: at least the number of characters."""
    return len(text.encode("utf-16-le")) // 2


def harmless(value: object, limit: int = 500) -> str:
    """One line for a `plain_text` object: no control or direction characters, nothing Slack would act on."""
    text = plain(value, limit).translate(_LOOKALIKE)
    text = _COLON.sub("\N{RATIO}", _UNDERSCORE.sub("\N{FULLWIDTH LOW LINE}", text))
    return _MENTION.sub("\N{FULLWIDTH COMMERCIAL AT}", text)


def mrkdwn(value: object, limit: int = 500) -> str:
    """The same for a `mrkdwn` text, where `&` has to be escaped as well."""
    return harmless(value, limit).replace("&", "&amp;")


def cut(text: str, limit: int) -> str:
    """At most `limit` units; an escaped character is not cut in two."""
    if size(text) <= limit:
        return text
    kept = text[: limit - 1]
    while size(kept) > limit - 1:
        kept = kept[:-1]
    start = kept.rfind("&", max(0, len(kept) - 4))
    if start >= 0 and ";" not in kept[start:]:
        kept = kept[:start]
    return f"{kept}{ELLIPSIS}"
