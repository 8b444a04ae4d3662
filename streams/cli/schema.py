"""`accountpulse schema`: the contracts, printed or written to a directory, and the pages made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams import event_docs, metric_docs, schemas
from streams.cli.output import ExitCode, complain

ALL = "all"
PAGES = {"markdown": event_docs.markdown, "metrics": metric_docs.markdown}
"""docs/events.md and docs/metrics.md."""


def schema(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[TYPE|asyncapi|all|markdown|metrics]",
            help="An event type, `asyncapi`, everything, or the page docs/events.md or docs/metrics.md.",
        ),
    ] = ALL,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write files there instead of printing.")
    ] = None,
) -> None:
    """Print the event schemas and the AsyncAPI document."""
    if name in PAGES:
        typer.echo(PAGES[name](), nl=False)
        return
    documents = schemas.documents()
    if name != ALL and name not in documents:
        complain(f"no schema {name!r}; there are {', '.join((*documents, ALL, *PAGES))}")
        raise typer.Exit(ExitCode.USAGE)
    chosen = documents if name == ALL else {name: documents[name]}
    if out is None:
        typer.echo(schemas.encode(chosen if name == ALL else chosen[name]), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for key, document in chosen.items():
        (out / schemas.filename(key)).write_text(schemas.encode(document), encoding="utf-8")
