"""Settings, from the environment: every name is the field's, upper case, after BILLING_GQL_."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
URL_PARAMETERS = {"host", "port", "ssl", "sslmode"}
"""What may stand behind the `?`; `sslmode` is libpq's word for asyncpg's `ssl`."""


class Settings(BaseSettings):
    """All that an operator can set. What is not set has the value shown here."""

    model_config = SettingsConfigDict(
        env_prefix="BILLING_GQL_", extra="ignore", hide_input_in_errors=True
    )

    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL 15 or newer. Without it the bundled server is started.",
    )
    data_dir: Path | None = Field(
        default=None, description="Folder of the bundled server; by default the user's data folder."
    )
    pool_size: int = Field(default=10, ge=1, le=200, description="Connections a process.")
    statement_seconds: int = Field(
        default=10, ge=1, le=600, description="Longest time of one statement."
    )
    graphql_body_bytes: int = Field(
        default=2_000_000, ge=1_000, description="Largest GraphQL request."
    )
    events_body_bytes: int = Field(
        default=8_000_000, ge=1_000, description="Largest body of POST /v1/events, unpacked."
    )
    worker_seconds: float = Field(
        default=5.0, gt=0, le=3600, description="Pause of the worker when nothing is due."
    )
    max_subscriptions: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="Live subscriptions of one organization in a process.",
    )
    heartbeat_seconds: float = Field(
        default=15.0, gt=0, le=600, description="How often a quiet live stream is kept alive."
    )
    log_format: str = Field(
        default="console",
        pattern="^(console|json)$",
        description="How log lines look: console or json.",
    )

    log_level: str = Field(
        default="info",
        pattern="^(debug|info|warning|error)$",
        description="The least that is logged: debug, info, warning or error.",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Who sends it may read /metrics, which without it does not exist.",
    )
    trace_fields: bool = Field(
        default=False,
        description="Traces have a span for each field: for a while, to find a cause.",
    )

    @field_validator("database_url")
    @classmethod
    def _for_asyncpg(cls, given: SecretStr | None) -> SecretStr | None:
        """The address in SQLAlchemy's words; what is wrong is told without the address."""
        if given is None:
            return None
        try:
            url = make_url(given.get_secret_value())
        except (ArgumentError, ValueError):
            raise _bad_url("is no address") from None
        if url.drivername not in SCHEMES:
            raise _bad_url("is of another kind of server")
        if unknown := set(url.query) - URL_PARAMETERS:
            names = ", ".join(sorted(unknown))
            raise _bad_url(
                f"has a parameter that is not known here ({names}; known:"
                f" {', '.join(sorted(URL_PARAMETERS))})"
            )
        return SecretStr(_with_driver(url).render_as_string(hide_password=False))


def _with_driver(url: URL) -> URL:
    query = {("ssl" if name == "sslmode" else name): value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query)


def _bad_url(what: str) -> PydanticCustomError:
    return PydanticCustomError(
        "database_url", "{what}; it looks like postgresql://user:password@host/name", {"what": what}
    )
