"""Credentials for the sources of imagery that ask for some."""

from typing import Literal

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.errors import SettingInvalid

__all__ = ["ImagerySettings", "read_imagery_settings"]


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


def read_imagery_settings() -> ImagerySettings:
    """Read the settings of the environment.

    Raises
    ------
    SettingInvalid
        One of them cannot be used; the message names it, not its value.
    """
    try:
        return ImagerySettings()
    except ValidationError as exc:
        faults = "; ".join(
            f"HEITU_{str(fault['loc'][0]).upper()}: {fault['msg']}"
            for fault in exc.errors(include_input=False)
        )
        raise SettingInvalid(f"{faults} · 环境变量设置无效") from None
