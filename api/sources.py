"""The sources of imagery by name, with the credentials of the settings."""

from typing import Final

from api.errors import SettingInvalid, SourceUnknown
from api.imagery_settings import ImagerySettings
from ingest.http import Web
from ingest.sentinel_hub import HubSettings, HubSource, Patience
from ingest.stac_api import PROVIDERS, Credentials, StacSource

__all__ = ["SOURCES", "source_named"]

SENTINEL_HUB: Final = "sentinel-hub"
SOURCES: Final = (*PROVIDERS, SENTINEL_HUB)
"""Names that `source_named` takes."""

_COPERNICUS: Final = ("HEITU_COPERNICUS_USER", "HEITU_COPERNICUS_PASSWORD")


def source_named(
    name: str,
    settings: ImagerySettings,
    *,
    url: str | None = None,
    collection: str | None = None,
    web: Web | None = None,
) -> StacSource | HubSource:
    """Open a source of scenes.

    Parameters
    ----------
    name
        One of `SOURCES`.
    settings
        Credentials.
    url
        Address of the API instead of the source's own.
    collection
        The source's name of a collection; its first if left out.
    web
        How servers are asked, and the event that ends a run.

    Raises
    ------
    SourceUnknown
        No source has that name.
    SettingInvalid
        It wants credentials, and the settings have none.
    ingest.IngestError
        It has no such collection, or its settings cannot be used.
    """
    if name == SENTINEL_HUB:
        return HubSource(
            _hub_settings(settings, url),
            collection=collection or "sentinel-2-l2a",
            patience=None if web is None else Patience(stop=web.stop),
        )
    if name not in PROVIDERS:
        raise SourceUnknown(
            f"no source {name!r}: take one of {', '.join(SOURCES)}"
            f" · 没有数据源 {name}，可选 {'、'.join(SOURCES)}"
        )
    return StacSource(
        PROVIDERS[name],
        url=url,
        collection=collection,
        credentials=_credentials(settings),
        settings=_COPERNICUS,
        web=web,
    )


def _credentials(settings: ImagerySettings) -> Credentials | None:
    user, password = settings.copernicus_user, settings.copernicus_password
    if user is None or password is None:
        return None
    return Credentials(user, password.get_secret_value())


def _hub_settings(settings: ImagerySettings, url: str | None) -> HubSettings:
    client, secret = (
        settings.sentinel_hub_client_id,
        settings.sentinel_hub_client_secret,
    )
    if client is None or secret is None:
        raise SettingInvalid(
            "source sentinel-hub asks for credentials: set "
            "HEITU_SENTINEL_HUB_CLIENT_ID and HEITU_SENTINEL_HUB_CLIENT_SECRET"
            " · 数据源 sentinel-hub 需要凭据，请设置 HEITU_SENTINEL_HUB_CLIENT_ID 和 "
            "HEITU_SENTINEL_HUB_CLIENT_SECRET"
        )
    return HubSettings(
        client_id=client,
        client_secret=secret,
        deployment=settings.sentinel_hub_deployment,
        base_url=url,
        token_url=settings.sentinel_hub_token_url,
    )
