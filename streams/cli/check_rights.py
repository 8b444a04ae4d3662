"""What this principal may do in Kafka: which roles could run with these settings."""

from __future__ import annotations

from typing import Final

from streams.acls import Role, acls
from streams.cli.check_result import Result, Status
from streams.kafka_clients import admin_client
from streams.rights import lacks, missing, way_out
from streams.settings import Settings

_ROLES: Final = (Role.WORKER, Role.NOTIFIER, Role.VIEW)


async def look_at_rights(settings: Settings) -> list[Result]:
    """A role that lacks something is a fault only if no role has all it needs: each may have its own principal.

    Raises aiokafka.errors.KafkaError or OSError if the broker cannot be asked.
    """
    async with admin_client(settings.kafka) as admin:
        lacking = {role: await missing(admin, acls(settings, role)) for role in _ROLES}
    able = [role for role, some in lacking.items() if not some]
    status = Status.NOTE if able else Status.ERROR
    found = [Result("rights", Status.OK, f"Kafka lets this principal run: {', '.join(able)}")] if able else []
    return found + [
        Result("rights", status, f"{role}: {lacks(settings, some)}", way_out(role))
        for role, some in lacking.items()
        if some
    ]
