"""A Kafka that asks who somebody is, and one that lets nobody do what was not granted."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from streams.acls import Acl
from streams.kafka_clients import admin_client
from streams.servers.kafka import QUICK_FAULTS, KafkaServer, java_command
from streams.servers.process import free_port
from streams.settings import Kafka, Sasl
from streams.topic_metadata import OPERATIONS

PASSWORD = "s3cret"
ADMIN = "admin"
_RESOURCES = {"topic": 2, "group": 3, "transactional-id": 5}
_PATTERNS = {"literal": 3, "prefixed": 4}
_ALLOW = 3
_CLOSED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": f"User:{ADMIN};User:ANONYMOUS",  # the broker itself comes without a name
}


class GuardedKafka:
    """Its addresses, and its access control lists."""

    def __init__(self, server: KafkaServer, address: str) -> None:
        self.server = server
        self.open = server.bootstrap
        """Where nobody is asked."""
        self.address = address
        """Where a name and the password are."""

    def settings_of(self, user: str, **more: Any) -> Kafka:
        """The settings of a client that is this user."""
        sasl = Sasl(mechanism="PLAIN", username=user, password=PASSWORD)
        return Kafka(bootstrap=self.address, sasl=sasl, request_timeout=10, **more)

    def change_password(self, user: str, before: str, after: str) -> None:
        """From the next start of the broker on."""
        config = self.server.directory / "server.properties"
        told = config.read_text("utf-8")
        assert f'user_{user}="{before}"' in told
        config.write_text(told.replace(f'user_{user}="{before}"', f'user_{user}="{after}"'), "utf-8")

    async def grant(self, user: str, acls: Iterable[Acl]) -> None:
        await self._change(CreateAclsRequest, user, acls)

    async def revoke(self, user: str, acls: Iterable[Acl]) -> None:
        await self._change(DeleteAclsRequest, user, acls)

    async def _change(self, kind: type, user: str, acls: Iterable[Acl]) -> None:
        async with admin_client(Kafka(bootstrap=self.open)) as admin:
            for acl in acls:
                pattern, operation = _PATTERNS[acl.pattern], OPERATIONS[acl.operation]
                request = kind(
                    _RESOURCES[acl.resource], acl.name, pattern, f"User:{user}", "*", operation, _ALLOW
                )
                answer = await admin._send_to_controller(request)
                for code, message, *found in (
                    getattr(answer, "creation_responses", None) or answer.filter_responses
                ):
                    if code:
                        raise for_code(code)(message)
                    assert found != [[]], f"{user} had no right to {acl}"

    async def typed(self, words: list[str]) -> None:
        """Run a call of `kafka-acls` with Kafka's own program, where nobody is asked."""
        assert words[:3] == ["kafka-acls", "--bootstrap-server", self.address]
        program = [*java_command(128), "org.apache.kafka.tools.AclCommand", "--bootstrap-server", self.open]
        done = await asyncio.to_thread(
            subprocess.run, program + words[3:], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def guarded_kafka(users: Iterable[str], *, listed: bool = False) -> Iterator[GuardedKafka]:
    """Started, for these users and the administrator; with access control lists if `listed`, all of them empty."""
    server, address = KafkaServer(properties=QUICK_FAULTS), f"127.0.0.1:{free_port()}"
    logins = " ".join(f'user_{user}="{PASSWORD}"' for user in (ADMIN, *users))
    for name in ("listeners", "advertised.listeners"):
        server.properties[name] += f",GUARDED://{address}"
    server.properties["listener.security.protocol.map"] += ",GUARDED:SASL_PLAINTEXT"
    server.properties |= {
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.guarded.plain.sasl.jaas.config":
            f"org.apache.kafka.common.security.plain.PlainLoginModule required {logins};",
        **(_CLOSED if listed else {}),
    }  # fmt: skip
    with server:
        yield GuardedKafka(server, address)
