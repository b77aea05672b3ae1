"""Credentials for the sources of imagery that ask for some."""

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["ImagerySettings"]


class ImagerySettings(BaseSettings):
    """Read from the environment (prefix ``HEITU_``); never shown, never stored."""

    model_config = SettingsConfigDict(env_prefix="HEITU_")

    copernicus_user: str | None = None
    """Account of the Copernicus Data Space, for files of source ``copernicus``."""

    copernicus_password: SecretStr | None = None
    """Its password."""

    sentinel_hub_client_id: str | None = None
    """OAuth client of a Sentinel Hub account."""

    sentinel_hub_client_secret: SecretStr | None = None
    """Its secret."""

    sentinel_hub_deployment: Literal["sentinel-hub", "copernicus"] = "copernicus"
    """Whose Sentinel Hub: the Copernicus Data Space's or Planet's."""

    sentinel_hub_token_url: str | None = None
    """Where its tokens come from, instead of the deployment's own address."""
