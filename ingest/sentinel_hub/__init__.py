"""Sentinel Hub as a source of scenes: catalogue and Process API."""

from ingest.sentinel_hub.errors import (
    HubAnswerInvalid,
    HubFailing,
    HubLoginRefused,
    HubPieceEmpty,
    HubPieceInvalid,
    HubQuotaUsedUp,
    HubRateLimited,
    HubRequestRefused,
    HubSearchIncomplete,
    HubSettingInvalid,
    HubTileMissing,
)
from ingest.sentinel_hub.settings import HubSettings, Patience
from ingest.sentinel_hub.source import HubSource

__all__ = [
    "HubAnswerInvalid",
    "HubFailing",
    "HubLoginRefused",
    "HubPieceEmpty",
    "HubPieceInvalid",
    "HubQuotaUsedUp",
    "HubRateLimited",
    "HubRequestRefused",
    "HubSearchIncomplete",
    "HubSettingInvalid",
    "HubSettings",
    "HubSource",
    "HubTileMissing",
    "Patience",
]
