"""Settings of a worker, read once from the environment and frozen.

Every setting is a `BEELINE_…` variable and an option of the commands that use it. An unknown `BEELINE_…`
variable is an error: a typing mistake must not silently leave a default in force.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "BEELINE_"

TOOL_VARIABLES: Final = frozenset({"BEELINE_BROKER_HOME", "BEELINE_BROKER_LOCAL_URL"})
"""Read by `deploy/broker.sh`, not by the worker."""


class SettingsError(Exception):
    """A setting is wrong; the text says which and what to do."""


def _default_worker_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


class Settings(BaseSettings):
    """The contract's settings; durations in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    amqp_url: SecretStr = Field(
        default=SecretStr("amqp://guest:guest@127.0.0.1:5672/"), description="the broker; amqps:// for TLS"
    )
    amqp_url_file: Path | None = Field(
        default=None, description="a file that holds BEELINE_AMQP_URL, as a mounted secret; the variable wins"
    )
    namespace: str = Field(
        default="beeline", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="first part of all names"
    )
    shards: int = Field(default=32, ge=1, le=1024, description="number of shards, fixed for a namespace")
    accounts: Path = Field(default=Path("accounts.toml"), description="account file or a folder of them")
    worker_id: str = Field(
        default_factory=_default_worker_id,
        pattern=r"^[\w.:-]{1,128}$",
        description="stable name of this worker, so that it gets its shards back after a restart",
    )
    http_host: str = Field(default="127.0.0.1", description="where /metrics and the status page listen")
    http_port: int = Field(default=9464, ge=0, le=65535, description="0 takes a free port and logs it")
    signal_ttl: float = Field(default=30.0, gt=0, le=900, description="validity of a signal that names none")
    recv_window_ms: int = Field(
        default=5000, ge=100, le=60000, description="how long a signed request is acceptable"
    )
    recv_window_max_ms: int = Field(
        default=0,
        ge=0,
        le=60000,
        description="how far a slow way to a venue may widen the recv window, the same for all workers; 0: not",
    )
    heartbeat: int = Field(default=5, ge=2, le=300, description="AMQP heartbeat; the lease follows from it")
    prefetch: int = Field(default=50, ge=1, le=2000, description="unacknowledged signals per shard")
    venue_timeout: float = Field(default=11.0, gt=0, le=120, description="how long a reply may take")
    resolution_budget: float = Field(default=300.0, gt=0, le=3600, description="then the outcome is unknown")
    memory: float = Field(default=900.0, ge=1, le=3300, description="how long an answered id is known")
    drain_timeout: float = Field(
        default=60.0, gt=0, le=3600, description="how long a stop may wait for orders"
    )
    ip_share: float = Field(
        default=1.0, gt=0, le=1, description="this worker's share of the IP's weight budget"
    )
    egress: str = Field(
        default="default", pattern=r"^[\w.-]{1,64}$", description="name of the egress IP group"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe line"
    )
    log_format: Literal["auto", "json", "console"] = Field(default="auto", description="auto: json on a pipe")

    @model_validator(mode="before")
    @classmethod
    def _read_the_url_s_file(cls, given: dict[str, object]) -> dict[str, object]:
        file = given.get("amqp_url_file")
        if not file or "amqp_url" in given:
            return given
        try:
            return given | {"amqp_url": Path(str(file)).read_text(encoding="utf-8").strip()}
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ValueError(f"BEELINE_AMQP_URL_FILE: {file} cannot be read: {reason}") from None

    @field_validator("amqp_url")
    @classmethod
    def _is_an_amqp_url(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in ("amqp", "amqps") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("must look like amqp://user:password@host:5672/ (amqps:// for TLS)")
        return url

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _in_either_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _no_unknown_variables(self) -> Self:
        unknown = unknown_variables(os.environ)
        if unknown:
            raise ValueError(f"unknown variable {', '.join(unknown)}")
        return self


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """List `BEELINE_…` variables that no setting reads."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | TOOL_VARIABLES
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def load_settings(**overrides: object) -> Settings:
    """Read the settings; options given on the command line win over the environment.

    Raises:
        SettingsError: a value is wrong, or a `BEELINE_…` variable is unknown.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic validates what the command line gave
    except ValidationError as error:
        raise SettingsError(
            "\n".join(_problem(item["loc"], item["msg"]) for item in error.errors())
        ) from None


def _problem(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0]).upper()
    return f"{name if name.startswith(PREFIX) else PREFIX + name}: {message[0].lower()}{message[1:]}"
