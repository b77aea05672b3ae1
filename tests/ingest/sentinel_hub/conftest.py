from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.sentinel_hub.scenes import tile
from tests.ingest.sentinel_hub.server import HubServer


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    # oauthlib refuses http unless told; the stand-in has no certificate.
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with HubServer((tile(),)) as server:
        yield server
