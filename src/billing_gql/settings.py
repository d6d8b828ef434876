"""Settings, from the environment: every name is the field's, upper case, after BILLING_GQL_."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All that an operator can set. What is not set has the value shown here."""

    model_config = SettingsConfigDict(env_prefix="BILLING_GQL_", extra="ignore")

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
    log_format: str = Field(
        default="console", pattern="^(console|json)$", description="How log lines look."
    )
