"""Settings, from the environment: every name is the field's, upper case, after BILLING_GQL_."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
URL_PARAMETERS = {"host", "port", "ssl", "sslmode"}
"""What may stand behind the `?`; `sslmode` is libpq's word for asyncpg's `ssl`."""
STRIPE_KEY = r"(sk|rk)_[A-Za-z0-9_]+"
STRIPE_TEST_KEY = r"(sk|rk)_test_[A-Za-z0-9_]+"
STRIPE_SIGNING = r"whsec_[A-Za-z0-9_+/=-]+"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")
"""As browsers send it: without a path, in lower case."""


def listed(given: str | None) -> list[str]:
    """What stands between commas."""
    return [one.strip() for one in (given or "").split(",") if one.strip()]


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
    request_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="Longest time of one request."
    )
    graphql_body_bytes: int = Field(
        default=2_000_000, ge=1_000, description="Largest GraphQL request."
    )
    events_body_bytes: int = Field(
        default=8_000_000, ge=1_000, description="Largest body of POST /v1/events, unpacked."
    )
    max_depth: int = Field(
        default=12, ge=1, le=100, description="Levels of fields of an operation."
    )
    max_aliases: int = Field(default=30, ge=0, le=10_000, description="Aliases of an operation.")
    max_tokens: int = Field(
        default=2_000, ge=100, le=100_000, description="Tokens of a GraphQL document."
    )
    max_mutation_fields: int = Field(
        default=10, ge=1, le=1_000, description="Mutation fields of an operation."
    )
    max_cost: int = Field(
        default=10_000, ge=1, le=10**9, description="Cost of an operation; see docs/api.md."
    )
    rate_limit: int | None = Field(
        default=None, ge=1, le=10**9, description="Cost that a key may use a minute, a process."
    )
    introspection: bool = Field(
        default=True, description="Whether the schema can be asked for; GraphiQL goes with it."
    )
    trusted_documents_only: bool = Field(
        default=False, description="Whether only registered documents run; GraphiQL is off then."
    )
    cors_origins: str | None = Field(
        default=None, description="Origins of pages that may call from a browser, with commas."
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
    stripe_secret_key: SecretStr | None = Field(
        default=None, description="Stripe's secret key for LIVE organizations."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None, description="What Stripe signs the events of that account with."
    )
    stripe_test_secret_key: SecretStr | None = Field(
        default=None,
        description="Stripe's secret key for TEST organizations, of Stripe's test mode.",
    )
    stripe_test_webhook_secret: SecretStr | None = Field(
        default=None, description="What Stripe signs the events of that test mode with."
    )
    stripe_api_base: str = Field(
        default="https://api.stripe.com", description="Where Stripe's API is."
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

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, given: str | None) -> str | None:
        for origin in listed(given):
            if not ORIGIN.fullmatch(origin):
                raise PydanticCustomError(
                    "cors_origins",
                    "{origin} is no origin; one looks like https://app.example.com",
                    {"origin": repr(origin)},
                )
        return given

    @property
    def graphiql(self) -> bool:
        """Whether GraphiQL is served: not where it could neither explore nor ask."""
        return self.introspection and not self.trusted_documents_only

    @property
    def allowed_origins(self) -> list[str]:
        """`cors_origins`, one by one."""
        return listed(self.cors_origins)

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

    @field_validator("stripe_secret_key")
    @classmethod
    def _secret_key(cls, given: SecretStr | None) -> SecretStr | None:
        return _like(STRIPE_KEY, given, "a secret or restricted key, sk_… or rk_…")

    @field_validator("stripe_test_secret_key")
    @classmethod
    def _test_key(cls, given: SecretStr | None) -> SecretStr | None:
        """A TEST organization's clock must never move real money."""
        return _like(STRIPE_TEST_KEY, given, "a key of Stripe's test mode, sk_test_… or rk_test_…")

    @field_validator("stripe_webhook_secret", "stripe_test_webhook_secret")
    @classmethod
    def _webhook_secret(cls, given: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """A secret says which account an event is of, so that each needs its own."""
        _like(STRIPE_SIGNING, given, "a webhook's signing secret, whsec_…")
        key = f"{info.field_name}".replace("webhook_secret", "secret_key")
        if given is not None and info.data.get(key) is None:
            raise _bad_stripe(f"it needs BILLING_GQL_{key.upper()} beside it")
        if given is not None and given == info.data.get("stripe_webhook_secret"):
            raise _bad_stripe("it must not be the same as BILLING_GQL_STRIPE_WEBHOOK_SECRET")
        return given

    @field_validator("stripe_api_base")
    @classmethod
    def _api_base(cls, given: str) -> str:
        """The secret keys are sent there, so not in the clear over a network."""
        address = urlsplit(given)
        secure = address.scheme == "https" or (
            address.scheme == "http" and address.hostname in LOOPBACK
        )
        if not (secure and address.hostname and address.path in ("", "/")):
            raise _bad_stripe("it must be an https address without a path, or http on loopback")
        return given.rstrip("/")

    @property
    def stripe_webhook_secrets(self) -> dict[bool, SecretStr]:
        """Those that are set, by whether they are for TEST organizations."""
        secrets = {False: self.stripe_webhook_secret, True: self.stripe_test_webhook_secret}
        return {is_test: secret for is_test, secret in secrets.items() if secret is not None}


def _like(pattern: str, given: SecretStr | None, what: str) -> SecretStr | None:
    """Raises for another look, without showing it."""
    if given is not None and re.fullmatch(pattern, given.get_secret_value()) is None:
        raise _bad_stripe(f"it must be {what}")
    return given


def _bad_stripe(what: str) -> PydanticCustomError:
    return PydanticCustomError("stripe", "{what}", {"what": what})


def _with_driver(url: URL) -> URL:
    query = {("ssl" if name == "sslmode" else name): value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query)


def _bad_url(what: str) -> PydanticCustomError:
    return PydanticCustomError(
        "database_url", "{what}; it looks like postgresql://user:password@host/name", {"what": what}
    )
