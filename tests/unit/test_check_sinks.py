"""`accountpulse check` on Slack and on the routes file."""

import pytest
from pydantic import SecretStr

from streams.cli.check_result import Status
from streams.cli.check_sinks import look_at_routes, look_at_slack
from streams.settings import Settings, Sinks, Slack
from tests.slack_server import TOKEN, slack_server


@pytest.mark.parametrize(
    ("token", "status", "words"),
    [
        (TOKEN, Status.OK, "workspace Acme Workspace"),
        ("xoxb-wr0ng", Status.ENVIRONMENT, "Slack answered invalid_auth"),
    ],
)
async def test_slack_token(token, status, words):
    """The token is tried without posting anything, and not shown."""
    async with slack_server() as server:
        result = await look_at_slack(Slack(token=SecretStr(token), channel="#c", base_url=server.url))
        assert server.messages == []
    assert result.status is status
    assert words in result.text
    assert token not in repr(result)


@pytest.mark.parametrize(
    ("text", "statuses", "words"),
    [
        (None, [], ""),
        ("route: {receiver: mute}", ["warning"], "no receiver of the routes uses the sink stdout"),
        ("receivers: [{name: a, sink: stdout}]\nroute: {receiver: a}", ["ok"], "is valid"),
        ("receivers: [{name: a, sink: slack}]\nroute: {receiver: a}", ["warning"] * 2, "does not have"),
        ("route: {receiver: nobody}", ["error"], "not declared: nobody"),
    ],
)
def test_routes(tmp_path, text, statuses, words):
    """A routes file is read; its faults are errors, sinks it misses or that are missing are warnings."""
    path = None
    if text is not None:
        path = tmp_path / "routes.yaml"
        path.write_text(text)
    results = look_at_routes(Settings(sinks=Sinks(stdout=True, routes=path)))
    assert [result.status.value for result in results] == statuses
    assert words in "".join(result.text for result in results)


def test_absent_routes_file(tmp_path):
    """A routes file that is not there is a fault of the environment."""
    (result,) = look_at_routes(Settings(sinks=Sinks(routes=tmp_path / "absent.yaml")))
    assert result.status is Status.ENVIRONMENT
