"""Settings of one platform: where its data lies and which doors it opens."""

from pathlib import Path
from typing import Any, TypeVar

import platformdirs
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.errors import SettingInvalid

Kind = TypeVar("Kind", bound=BaseSettings)

__all__ = ["Settings", "command_settings", "from_environment"]


class Settings(BaseSettings):
    """Read from the environment (prefix ``HEITU_``); the command line overrides it.

    Everything listens on 127.0.0.1 unless told otherwise: devices have a credential
    each and changes need the token, but the page and its numbers are open to all who
    can reach them.
    """

    model_config = SettingsConfigDict(env_prefix="HEITU_", populate_by_name=True)

    data: Path = Field(default_factory=lambda: platformdirs.user_data_path("heitu"))
    """Data folder: the archive and, without ``database_url``, the database."""

    archive_location: str | None = Field(default=None, validation_alias="HEITU_ARCHIVE")
    """Folder or ``s3://BUCKET/PREFIX`` of the archive; none: in the data folder.

    Object storage is used as the AWS variables say: ``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``.
    """

    database_url: SecretStr | None = None
    """PostgreSQL 15 or newer to use instead of the embedded one."""

    host: str = "127.0.0.1"
    """Address that the page, the HTTP API and the MQTT endpoint listen on."""

    port: int = Field(default=8421, ge=0, le=65_535)
    """HTTP port; 0 takes any free one."""

    mqtt_port: int = Field(default=1883, ge=0, le=65_535)
    """MQTT port; 0 takes any free one."""

    token: SecretStr | None = None
    """Bearer token of those who may change things; none: this machine alone may."""

    dask: str | None = None
    """Scheduler of a dask cluster that computes seasons; none: threads here."""

    @property
    def archive(self) -> Path | str:
        """Folder of the STAC archive, or its URL."""
        if not self.archive_location:
            return self.data / "archive"
        if "://" in self.archive_location:
            return self.archive_location
        return Path(self.archive_location).expanduser().resolve()

    @property
    def incoming(self) -> Path:
        """Folder in which bands wait until all of their scene are there."""
        return self.data / "ingest" / "incoming"

    @property
    def searches(self) -> Path:
        """Folder of what catalogues said they have."""
        return self.data / "ingest" / "searches"

    @property
    def growth(self) -> Path:
        """Folder of the growth of places, and of the tables of their counties."""
        return self.data / "growth"

    @property
    def bulletins(self) -> Path:
        """Folder of the county bulletins."""
        return self.data / "bulletins"

    @property
    def url(self) -> str | None:
        """The database's address in clear, for the store alone."""
        return self.database_url.get_secret_value() if self.database_url else None


def from_environment(kind: type[Kind]) -> Kind:
    """Read settings of a kind from the environment.

    Raises
    ------
    SettingInvalid
        One of them cannot be used; the message names it, not its value.
    """
    try:
        return kind()
    except ValidationError as exc:
        faults = "; ".join(
            f"HEITU_{str(fault['loc'][0]).upper()}: {fault['msg']}"
            for fault in exc.errors(include_input=False)
        )
        raise SettingInvalid(f"{faults} · 环境变量设置无效") from None


def command_settings(
    data: Path | None, *, port: int | None = None, mqtt_port: int | None = None
) -> Settings:
    """Read the settings of the environment under what a command line gives.

    Raises
    ------
    SettingInvalid
        As `from_environment`.
    """
    settings = from_environment(Settings)
    given = {"data": data or settings.data, "port": port, "mqtt_port": mqtt_port}
    update: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    update["data"] = update["data"].expanduser().resolve()
    return settings.model_copy(update=update)
