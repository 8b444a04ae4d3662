"""Settings: read once, from `ACCOUNTPULSE_*`, a TOML file and `*_FILE` secrets; nothing else reads the environment.

Nested names join with two underscores (`ACCOUNTPULSE_KAFKA__BOOTSTRAP`). A secret may be given as a file:
`..._PASSWORD_FILE`.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

PREFIX = "ACCOUNTPULSE_"


class UnusableFileError(OSError):
    """A file that the settings name cannot be used; the message names it and says why."""

    def __init__(self, what: str, path: object, reason: object) -> None:
        super().__init__(f"{what} {path}: {reason}")


def faults(error: ValidationError) -> list[tuple[list[str], str]]:
    """What was refused: the place, and what is wrong there. No values: they may be secrets."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [([str(part) for part in fault["loc"]], fault["msg"]) for fault in found]


def in_one_line(error: ValidationError) -> str:
    """All faults, each with its place."""
    return "; ".join(f"{'.'.join(place)}: {text}" if place else text for place, text in faults(error))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _WithSecretFiles(_Strict):
    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, data: Any) -> Any:  # noqa: ANN401 - whatever pydantic was given
        """`<name>_file: path` stands for the secret `<name>`; the file's last line break is cut off."""
        if not isinstance(data, dict):
            return data
        out = dict(data)
        for key in [k for k in data if k.endswith("_file") and k not in cls.model_fields]:
            path = Path(str(out.pop(key)))
            try:
                out[key.removesuffix("_file")] = path.read_text("utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise UnusableFileError(key, path, getattr(error, "strerror", "no UTF-8 text")) from None
        return out


class Tls(_Strict):
    """TLS for a client: certificate authority, optional client certificate, host name check."""

    enabled: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    check_hostname: bool = True

    def context(self) -> ssl.SSLContext | None:
        """An SSL context, or None if TLS is off. Raises UnusableFileError."""
        if not self.enabled:
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        except OSError as error:
            raise UnusableFileError("certificate authority", self.ca_file, error.strerror or error) from None
        context.check_hostname = self.check_hostname
        if self.cert_file:
            key = f" with key {self.key_file}" if self.key_file else ""
            try:  # a key with a passphrase is refused here: OpenSSL would ask for it at the terminal
                context.load_cert_chain(self.cert_file, self.key_file, password="")
            except OSError as error:
                reason = error.strerror or error
                raise UnusableFileError("certificate", f"{self.cert_file}{key}", reason) from None
        return context


class Sasl(_WithSecretFiles):
    """SASL credentials for Kafka."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str
    password: SecretStr


class Kafka(_Strict):
    """Where Kafka is and how the group behaves; seconds and bytes."""

    bootstrap: str = "127.0.0.1:9092"
    tls: Tls = Tls()
    sasl: Sasl | None = None
    group: str = "accountpulse"
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] = "accountpulse"
    """What brokers call our requests in their logs and metrics, and count for their quotas."""
    instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = None
    """Name of this worker in the group, its own among those that run: back within the session it moves no partition."""
    session_timeout: Annotated[float, Field(gt=0)] = 10.0
    heartbeat_interval: Annotated[float, Field(gt=0)] = 0.5
    request_timeout: Annotated[float, Field(gt=0)] = 20.0
    write_deadline: Annotated[float, Field(gt=0)] = 60.0
    fetch_bytes: Annotated[int, Field(ge=16_384)] = 1 << 20
    fetch_wait_ms: Annotated[int, Field(ge=0)] = 100
    replication_factor: Annotated[int, Field(ge=1)] = 1
    partitions: Annotated[int, Field(ge=1)] = 4
    partitioner: Literal["murmur2", "any"] = "murmur2"
    """`any` accepts every placement (no `wrong_partition` dead letters).

    Only if one key always lands on one partition.
    """


class Redis(_WithSecretFiles):
    """Where Redis is: delivery log and view."""

    url: str = "redis://127.0.0.1:6379/0"
    username: str | None = None
    password: SecretStr | None = None
    tls: Tls = Tls()
    prefix: str = ""
    """Begins every key; if it is empty it follows the topic prefix: what one installation sent, another did not."""


class Engine(_Strict):
    """The stream clock and the commit; seconds unless named otherwise."""

    tick: Annotated[int, Field(ge=1, le=86_400)] = 60
    """Grid of the clock; must divide an hour or be a whole number of hours."""
    grace: Annotated[float, Field(ge=0)] = 0.25
    idle: Annotated[float, Field(gt=0)] = 0.25
    """Real time without a new record after which a source that is read to its end no longer holds the clock back."""
    commit_interval: Annotated[float, Field(gt=0)] = 1.0
    score_interval: Annotated[float, Field(gt=0)] = 0.1
    max_queued: Annotated[int, Field(ge=1_000)] = 100_000
    """Records of one partition of one source that may wait for the clock before fetching pauses."""
    dead_letter_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The brake: the worker stops when more than this share of the last `dead_letter_window` records was dead."""
    dead_letter_window: Annotated[int, Field(ge=10)] = 10_000
    cold_start_hours: Annotated[float, Field(gt=0)] = 6.0
    model: Path | None = None
    """A model file; None is the model that comes with the package."""
    tick_log: Path | None = None
    """Appends what every tick decided, one JSON line per account, in the form of `replay --scores`: an audit trail.

    A worker that cannot write it ends.
    """

    @model_validator(mode="after")
    def _grid(self) -> Engine:
        if 3600 % self.tick and self.tick % 3600:
            raise ValueError(f"tick: {self.tick} s neither divides an hour nor is a whole number of hours")
        if self.grace > 60 * self.tick:
            raise ValueError(
                f"grace: {self.grace:g} s is more than 60 ticks: what is ahead travels with each commit"
            )
        return self


class Webhook(_WithSecretFiles):
    """A signed webhook; the body is signed with HMAC-SHA256 over `<timestamp>.<body>`."""

    url: SecretStr
    secret: SecretStr
    timeout: Annotated[float, Field(gt=0)] = 10.0


class Slack(_WithSecretFiles):
    """A Slack app that posts with its bot token (scope chat:write; chat:write.public spares the invitations)."""

    token: SecretStr
    channel: Annotated[str, Field(min_length=1, max_length=80)]
    """Default channel, by id or name: for what no route sends elsewhere, and where another channel is unknown."""
    base_url: str = "https://slack.com/api/"
    timeout: Annotated[float, Field(gt=0)] = 10.0
    interval: Annotated[float, Field(ge=0)] = 1.0
    """Seconds between two messages to one channel, as Slack asks for."""

    @field_validator("base_url")
    @classmethod
    def _encrypted(cls, url: str) -> str:
        parts = urlsplit(url)
        loopback = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
            raise ValueError(
                "must be an https URL (http only for a loopback address): the token travels with it"
            )
        return url


class Sinks(_Strict):
    """Delivery channels; one consumer group each."""

    stdout: bool = False
    webhook: Webhook | None = None
    slack: Slack | None = None
    routes: Path | None = None
    """A routes file: who hears of what. Without one everything goes to every sink."""
    log_days: Annotated[int, Field(ge=1)] = 14
    """How long the delivery log remembers what was sent."""
    receipt_days: Annotated[int, Field(ge=1)] = 180
    """How long it remembers where a message was posted, to come back to it when the alert changes or resolves."""


class Probes(_Strict):
    """The small HTTP server with /live, /ready and /metrics."""

    host: str = "0.0.0.0"  # noqa: S104 - it is there to be scraped
    port: Annotated[int, Field(ge=0, le=65535)] = 9108
    """0 picks a free port (printed in the log)."""


class View(_Strict):
    """The Redis view: how it is written, and when readers are warned."""

    batch: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Records in one transaction, which Redis runs in one piece."""
    stale_after: Annotated[float, Field(gt=0)] = 60.0
    """Seconds without a sign of life of the role after which readers are warned."""


class Settings(BaseSettings):
    """Everything a role needs; built by the command line, handed to the composition root."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        toml_file=None,
        nested_model_default_partial_update=True,
    )

    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "accountpulse."
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    engine: Engine = Engine()
    sinks: Sinks = Sinks()
    probes: Probes = Probes()
    view: View = View()

    @model_validator(mode="after")
    def _tell_installations_apart(self) -> Self:
        if not self.redis.prefix:
            prefix = f"{self.topic_prefix.rstrip('._-')}:"
            object.__setattr__(
                self, "redis", self.redis.model_copy(update={"prefix": prefix})
            )  # it is frozen
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file named by ACCOUNTPULSE_CONFIG."""
        path = os.environ.get(f"{PREFIX}CONFIG")  # noqa: TID251 - this is the place that reads it
        return (init_settings, env_settings, *([_toml(settings_cls, Path(path))] if path else []))


def environment_names() -> list[str]:
    """Names, without values, of the variables that begin as settings do."""
    return [name for name in os.environ if name.startswith(PREFIX)]  # noqa: TID251 - this is the place that reads it


def _toml(settings_cls: type[BaseSettings], path: Path) -> TomlConfigSettingsSource:
    """The settings of a file. Raises UnusableFileError; pydantic takes a file that is not there for an empty one."""
    if not path.is_file():
        raise UnusableFileError(f"{PREFIX}CONFIG", path, "does not exist or is no file")
    try:
        return TomlConfigSettingsSource(settings_cls, path)
    except ValueError as error:
        raise UnusableFileError(f"{PREFIX}CONFIG", path, error) from None
