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
    public_url: str | None = Field(
        default=None,
        pattern="^https?://[^/?#]+(/[^?#]*)?$",
        description="Where the service is reached from outside, for links to documents; by default"
        " the address that the request was sent to.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Signs links to documents; another one ends all that were made. Without it each"
        " organization has a key in the database.",
    )
    link_seconds: int = Field(
        default=86_400, ge=60, le=31_536_000, description="How long a link to a document holds."
    )
    document_processes: int = Field(
        default=2, ge=1, le=64, description="Documents that are made at once."
    )
    document_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Longest time to make a document."
    )
    document_bytes: int = Field(
        default=20_000_000, ge=10_000, description="Largest PDF or e-invoice that is made."
    )
    log_format: str = Field(
        default="console",
        pattern="^(console|json)$",
        description="How log lines look: console or json.",
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
