"""Accounts, addresses and patience."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.offer import Source
from ingest.sentinel_hub import HubSettingInvalid, HubSettings, HubSource, Patience
from tests.ingest.wording import english


def settings(**changes: Any) -> HubSettings:
    usual: dict[str, Any] = {"client_id": "me", "client_secret": SecretStr("hidden")}
    return HubSettings(**{**usual, **changes})


def test_main_deployment() -> None:
    assert settings().service == "https://services.sentinel-hub.com"
    assert settings().token_service == (
        "https://services.sentinel-hub.com/auth/realms/main/protocol/openid-connect/token"
    )


def test_copernicus_data_space() -> None:
    cdse = settings(deployment="copernicus")
    assert cdse.service == "https://sh.dataspace.copernicus.eu"
    assert cdse.token_service == (
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/"
        "openid-connect/token"
    )


def test_configuration_of_the_library_is_made_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sentinelhub"
    folder.mkdir()
    (folder / "config.toml").write_text(
        '[default-profile]\nsh_client_id = "other"\nmax_download_attempts = 9\n'
    )
    before = (folder / "config.toml").stat().st_mtime_ns
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("SH_CLIENT_SECRET", "from-the-environment")
    monkeypatch.setenv("SH_PROFILE", "not-there")
    config = settings(base_url="https://sh.example/").config(30)
    assert (config.sh_client_id, config.sh_client_secret) == ("me", "hidden")
    assert config.sh_base_url == "https://sh.example"
    assert (config.max_download_attempts, config.download_timeout_seconds) == (1, 30)
    assert (folder / "config.toml").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client_id": " "}, "client id"),
        ({"client_secret": SecretStr("")}, "client secret"),
        ({"deployment": "mars"}, "'mars'"),
        ({"base_url": "http://sh.example"}, "https"),
        ({"token_url": "http://sh.example/token"}, "https"),
        ({"base_url": "https://me:hidden@sh.example"}, "https"),
        ({"base_url": "sh.example"}, "https"),
        ({"base_url": "file:///etc"}, "https"),
    ],
)
def test_setting_that_cannot_be_used_is_named(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(HubSettingInvalid, match=told) as caught:
        settings(**changes)
    assert "hidden" not in english(str(caught.value))


def test_this_machine_may_be_asked_in_clear() -> None:
    assert settings(base_url="http://127.0.0.1:8000").service == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"collection": "landsat-ot-l2"}, "landsat-ot-l2"),
        ({"resolution": 30.0}, "30.0"),
        ({"piece_size": 2501}, "2501"),
        ({"piece_size": 0}, "piece_size 0"),
    ],
)
def test_what_cannot_be_asked_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(HubSettingInvalid, match=told) as caught:
        HubSource(settings(), **changes)
    english(str(caught.value))


@pytest.mark.parametrize(
    "changes", [{"tries": 0}, {"first_wait": 0}, {"longest_wait": -1}, {"timeout": 0}]
)
def test_impatience_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(HubSettingInvalid, match="at least one try") as caught:
        Patience(**changes)
    english(str(caught.value))


def test_it_is_a_source_as_any_other() -> None:
    source: Source = HubSource(settings())
    assert source.name == "sentinel-hub"


def test_waits_double_up_to_the_longest() -> None:
    patience = Patience(first_wait=1, longest_wait=6)
    assert [patience.wait_after(failures) for failures in range(1, 6)] == [
        1,
        2,
        4,
        6,
        6,
    ]
