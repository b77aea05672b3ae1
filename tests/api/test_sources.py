"""Sources by name, with the credentials of the environment."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import shapely
from typer.testing import CliRunner, Result

from api.cli import app
from api.errors import SettingInvalid, SourceUnknown
from api.imagery_settings import ImagerySettings
from api.settings import from_environment
from api.sources import source_named
from ingest.archive import Archive
from ingest.http import Web
from ingest.offer import SceneOffer
from ingest.searches import read_searches
from ingest.source_errors import SourceDenied, SourceStopped
from ingest.stac_api import COPERNICUS
from ingest.stac_api.errors import WantedInvalid
from ingest.stac_api.items import read_item
from tests.ingest.sentinel_hub.scenes import ITEM, tile, to_degrees, wanted
from tests.ingest.sentinel_hub.server import CLIENT_ID, CLIENT_SECRET, HubServer
from tests.ingest.stac_api import items
from tests.ingest.wording import english

# Inside the product of the stand-in; metres of UTM zone 51N.
MIDDLE = (602_000, 4_851_000, 604_000, 4_853_000)
SECRET = "HEITU_SENTINEL_HUB_CLIENT_SECRET"
TOKEN_URL = "HEITU_SENTINEL_HUB_TOKEN_URL"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    # oauthlib refuses http unless told; the stand-in has no certificate.
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HEITU_SENTINEL_HUB_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv(SECRET, CLIENT_SECRET)
    monkeypatch.delenv("HEITU_ARCHIVE", raising=False)
    with HubServer((tile(),)) as server:
        monkeypatch.setenv(TOKEN_URL, server.token_url)
        yield server


def _scenes(hub: HubServer, data: Path, *more: object) -> Result:
    place = to_degrees(shapely.box(*MIDDLE)).bounds
    words = ["--bbox", *place, "--year", 2024, "--url", hub.url, "--bands", "R"]
    command = ["ingest", "scenes", "--source", "sentinel-hub", *words]
    return CliRunner().invoke(app, [str(w) for w in (*command, "--data", data, *more)])


def test_scene_of_sentinel_hub_comes_into_the_archive(
    hub: HubServer, tmp_path: Path
) -> None:
    result = _scenes(hub, tmp_path)
    assert result.exit_code == 0, result.output
    assert "1 scenes added, 0 missing" in result.output
    archive = Archive(tmp_path / "archive", create=False)
    (item,) = archive.items("sentinel-2-l2a")
    assert item.id == ITEM
    assert {*item.assets} >= {"B04", "SCL"}
    assert archive.verify() == []
    # By its name the completeness of Sentinel-2 knows that this was asked.
    (search,) = read_searches(tmp_path / "ingest/searches")
    assert search.collection == "sentinel-2-l2a"


def test_second_run_does_nothing(hub: HubServer, tmp_path: Path) -> None:
    _scenes(hub, tmp_path)
    asked = len(hub.seen["process"])
    result = _scenes(hub, tmp_path)
    assert result.exit_code == 0, result.output
    assert "nothing to come" in result.output
    assert len(hub.seen["process"]) == asked


def test_refused_account_is_named_without_its_secret(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = CLIENT_SECRET[::-1]
    monkeypatch.setenv(SECRET, wrong)
    result = _scenes(hub, tmp_path)
    assert result.exit_code == 1
    said = f"{result.output} {result.exception}"
    assert hub.token_url in said
    assert "refuses the account (invalid_client)" in said
    assert wrong not in said
    assert Archive(tmp_path / "archive").collections() == []


@pytest.mark.parametrize("name", ["CLIENT_ID", "CLIENT_SECRET"])
def test_missing_credentials_are_named(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(f"HEITU_SENTINEL_HUB_{name}")
    with pytest.raises(SettingInvalid, match=f"HEITU_SENTINEL_HUB_{name}") as caught:
        source_named("sentinel-hub", from_environment(ImagerySettings), url=hub.url)
    english(str(caught.value))
    assert CLIENT_SECRET not in str(caught.value)


def test_run_that_has_ended_does_not_ask_sentinel_hub(hub: HubServer) -> None:
    stop = Event()
    settings = from_environment(ImagerySettings)
    source = source_named("sentinel-hub", settings, url=hub.url, web=Web(stop=stop))
    assert len(source.search(wanted()).offers) == 1
    stop.set()
    with pytest.raises(SourceStopped):
        source.search(wanted())
    assert len(hub.seen["search"]) == 1


@pytest.fixture
def copernicus() -> SceneOffer:
    """A scene of Copernicus whose one file is for registered users."""
    offer = COPERNICUS.offer(read_item(items.copernicus()), ())
    return replace(offer, bands={"B04": offer.bands["B04"]})


def test_missing_account_of_copernicus_names_its_settings(
    copernicus: SceneOffer, tmp_path: Path
) -> None:
    source = source_named("copernicus", ImagerySettings())
    with pytest.raises(SourceDenied) as caught:
        source.fetch(copernicus, "B04", clip=None, folder=tmp_path)
    assert "set HEITU_COPERNICUS_USER and HEITU_COPERNICUS_PASSWORD" in english(
        str(caught.value)
    )


def test_unknown_source_is_refused() -> None:
    with pytest.raises(SourceUnknown, match="take one of earth-search") as caught:
        source_named("mars", ImagerySettings())
    english(str(caught.value))


def test_address_that_is_none_of_the_web_is_refused(tmp_path: Path) -> None:
    words = ["--bbox", "125", "43", "126", "44", "--year", "2025", "--url", "foo"]
    command = ["ingest", "scenes", *words, "--data", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, WantedInvalid)
