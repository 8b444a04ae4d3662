"""The sinks of the notifier and its routes file, looked at without sending anything."""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

from alerts.route_tree import RoutesError
from alerts.sinks.base import SinkError, SinkUnavailableError, installed, load
from alerts.sinks.webhook import parse_url
from streams.cli.check_result import Result, Status, knock
from streams.notifier import create_slack
from streams.routes_file import read_routes
from streams.settings import Settings, Slack, UnusableFileError

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


async def look_at_sinks(settings: Settings) -> list[Result]:
    """Those of the settings and those that packages offer, then the routes to them."""
    results = [_installed_sink(name) for name in installed()]
    if settings.sinks.stdout:
        results.append(Result("sinks", Status.OK, "stdout"))
    if settings.sinks.webhook:
        results += await _webhook(settings.sinks.webhook.url)
    if settings.sinks.slack:
        results.append(await look_at_slack(settings.sinks.slack))
    if not results:
        text = "no sink is configured: alerts are written to Kafka and nobody hears of them"
        way_out = (
            "ACCOUNTPULSE_SINKS__SLACK__*, ACCOUNTPULSE_SINKS__WEBHOOK__*, or ACCOUNTPULSE_SINKS__STDOUT=true"
        )
        results.append(Result("sinks", Status.NOTE, text, way_out))
    return [*results, *look_at_routes(settings)]


def look_at_routes(settings: Settings) -> list[Result]:
    """The routes file, and where it and the sinks do not meet."""
    way_out = "correct the file named by ACCOUNTPULSE_SINKS__ROUTES; `accountpulse alerts route` shows it"
    try:
        tree = read_routes(settings.sinks.routes)
    except RoutesError as error:
        return [Result("routes", Status.ERROR, fault, way_out) for fault in str(error).splitlines()]
    except UnusableFileError as error:
        return [Result("routes", Status.ENVIRONMENT, str(error), way_out)]
    if tree is None:
        return []
    known = {name for name in ("slack", "webhook", "stdout") if getattr(settings.sinks, name)} | {
        *installed()
    }
    gaps = [Result("routes", Status.WARNING, gap, way_out) for gap in tree.gaps(known)]
    return gaps or [Result("routes", Status.OK, "the routes file is valid")]


async def look_at_slack(slack: Slack) -> Result:
    """Whose token it is; nothing is posted."""
    sink = create_slack(slack)
    try:
        return Result("sinks", Status.OK, f"slack: the token is for the workspace {await sink.verify()}")
    except SinkError as error:
        way_out = (
            "check ACCOUNTPULSE_SINKS__SLACK__TOKEN, the app's scope chat:write, and the way to slack.com"
        )
        return Result("sinks", Status.ENVIRONMENT, f"slack: {error}", way_out)
    finally:
        await sink.close()


def _installed_sink(name: str) -> Result:
    try:
        load(name)
    except SinkUnavailableError as error:
        return Result("sinks", Status.ERROR, str(error), "repair or remove the package")
    return Result("sinks", Status.OK, f"{name} is installed; `notifier --sink {name}` uses it")


async def _webhook(url: SecretStr) -> list[Result]:
    """Name resolution and a connection; nothing is sent, and of the URL only host and port are shown."""
    try:
        parsed = parse_url(url)
    except ValueError as error:
        return [Result("sinks", Status.ERROR, str(error), "correct ACCOUNTPULSE_SINKS__WEBHOOK__URL")]
    host, port = parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80)
    results = []
    if parsed.scheme == "http" and host not in _LOOPBACK:
        text = f"webhook {host}: alerts travel unencrypted"
        results.append(Result("sinks", Status.WARNING, text, "use an https URL"))
    if fault := await knock(host, port):
        way_out = "check the host of ACCOUNTPULSE_SINKS__WEBHOOK__URL, name resolution and firewall"
        return [*results, Result("sinks", Status.ENVIRONMENT, f"webhook {host}:{port}: {fault}", way_out)]
    return [*results, Result("sinks", Status.OK, f"webhook {host}:{port} can be reached (nothing was sent)")]
