"""The checked-in contracts and examples agree with the code."""

import json
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from typer.testing import CliRunner

from alerts import render
from scoring import events
from streams import event_docs, schemas
from streams.cli.main import app
from tests.unit.test_render import make

ROOT = Path(__file__).parents[2]
DOCUMENTS = schemas.documents()
EXAMPLES = sorted((ROOT / "examples" / "events").glob("*/*.json"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_checked_in(name):
    """A document under docs/schemas is what `accountpulse schema all --out docs/schemas` writes."""
    path = ROOT / "docs" / "schemas" / schemas.filename(name)
    assert path.read_text("utf-8") == schemas.encode(DOCUMENTS[name])


def test_nothing_else_is_checked_in():
    """No document of a type that is gone lies about."""
    present = {path.name for path in (ROOT / "docs" / "schemas").iterdir()}
    assert present == {schemas.filename(name) for name in DOCUMENTS}


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != schemas.ASYNCAPI])
def test_schemas_are_json_schema(name):
    """Every schema is valid JSON Schema 2020-12."""
    Draft202012Validator.check_schema(DOCUMENTS[name])


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(DOCUMENTS[name], format_checker=FormatChecker())


def test_every_type_has_examples():
    """There are at least two examples of each event type."""
    counts = {name: sum(path.parent.name == name for path in EXAMPLES) for name in events.TYPE_NAMES}
    assert min(counts.values()) >= 2, counts


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_example(path):
    """An example decodes to its type, satisfies its schema, and no field of it is unknown."""
    event = events.decode(path.read_bytes())
    document = json.loads(path.read_text("utf-8"))
    validator(path.parent.name).validate(document)
    assert event.__struct_config__.tag == path.parent.name
    assert document.keys() - {"type"} <= set(event.__struct_fields__)


@pytest.mark.parametrize(
    "change",
    [{"event_id": ""}, {"ts": "yesterday"}, {"type": "nonsense"}, {"account_id": None}, {"quantity": -1}],
    ids=str,
)
def test_decoder_and_schema_refuse_alike(change):
    """What the schema refuses the decoder refuses, too."""
    document = json.loads((ROOT / "examples/events/usage/feature_used.json").read_text()) | change
    assert not validator("usage").is_valid(document)
    with pytest.raises(msgspec.ValidationError):
        events.decode(msgspec.json.encode(document))


def test_notification_satisfies_its_schema():
    """What the webhook sends is what its schema says."""
    validator("notification").validate(json.loads(render.body(make())))


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_asyncapi_is_whole():
    """The AsyncAPI document names every topic other programs use, and all it refers to is in it."""
    document = DOCUMENTS[schemas.ASYNCAPI]
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {*events.SOURCES, "scores", "alerts", "dead-letters"}
    for source in events.SOURCES:
        assert set(document["channels"][source]["messages"]) == set(events.TYPE_NAMES)
    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_command(tmp_path):
    """`schema` prints one document, writes all of them, and refuses an unknown name as wrong usage."""
    run = CliRunner().invoke
    assert json.loads(run(app, ["schema", "usage"]).stdout) == DOCUMENTS["usage"]
    assert set(json.loads(run(app, ["schema"]).stdout)) == set(DOCUMENTS)
    assert run(app, ["schema", "all", "--out", str(tmp_path / "new")]).exit_code == 0
    assert len(list((tmp_path / "new").iterdir())) == len(DOCUMENTS)
    wrong = run(app, ["schema", "nonsense"])
    assert wrong.exit_code == 2
    assert "usage" in wrong.stderr


def test_events_page_is_generated():
    """docs/events.md is what the program writes from the Structs."""
    assert (ROOT / "docs/events.md").read_text("utf-8") == event_docs.markdown()
