from collections.abc import Iterator
from datetime import date
from threading import Event
from urllib.parse import parse_qs, urlsplit

import pytest

from ingest.http import Web
from ingest.source_errors import SourceBusy, SourceError, SourceUnreachable
from ingest.weather.errors import PowerUnexpected
from ingest.weather.power import PowerAnswer
from ingest.weather.power_api import address, fetch
from tests.ingest.weather.power_server import PowerServer, power_server
from tests.ingest.wording import english

HERE = (124.25, 43.25)
MAY_1, MAY_3 = date(2026, 5, 1), date(2026, 5, 3)


class Waits(Event):
    """Notes the waits in place of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return False


@pytest.fixture
def server() -> Iterator[PowerServer]:
    with power_server() as running:
        yield running


def ask(server: PowerServer, web: Web | None = None) -> PowerAnswer:
    return fetch(web or Web(tries=1), HERE, start=MAY_1, end=MAY_3, base_url=server.url)


def test_the_question() -> None:
    parts = urlsplit(address(HERE, start=MAY_1, end=MAY_3))
    assert (parts.netloc, parts.path) == (
        "power.larc.nasa.gov",
        "/api/temporal/daily/point",
    )
    assert {name: value[0] for name, value in parse_qs(parts.query).items()} == {
        "parameters": "T2M_MIN,T2M_MAX,PRECTOTCORR,ALLSKY_SFC_SW_DWN,WS2M,T2MDEW",
        "community": "AG",
        "longitude": "124.2500",
        "latitude": "43.2500",
        "start": "20260501",
        "end": "20260503",
        "format": "JSON",
        "time-standard": "LST",
    }


def test_days_of_a_point(server: PowerServer) -> None:
    answer = ask(server)
    assert list(answer.points) == [HERE]
    assert sorted(answer.points[HERE]["tmin"]) == [
        date(2026, 5, day) for day in (1, 2, 3)
    ]


def test_a_busy_server_is_asked_again_when_it_says(server: PowerServer) -> None:
    waits = Waits()
    server.troubles = [(429, {"Retry-After": "7"}), (503, {"Retry-After": "2"})]
    ask(server, Web(stop=waits))
    assert waits.seconds == [7.0, 2.0]
    assert len(server.asked) == 3


def test_a_server_that_stays_busy(server: PowerServer) -> None:
    server.troubles = [(429, {"Retry-After": "1"})] * 2
    with pytest.raises(SourceBusy):
        ask(server, Web(tries=2, stop=Waits()))


def test_a_question_that_is_refused(server: PowerServer) -> None:
    server.troubles = [(422, {})]
    with pytest.raises(SourceError, match="422"):
        ask(server)


def test_a_cut_answer(server: PowerServer) -> None:
    server.troubles = ["cut"]
    with pytest.raises(SourceUnreachable):
        ask(server)


def test_no_server() -> None:
    with power_server() as gone:
        pass
    with pytest.raises(SourceUnreachable):
        ask(gone)


def test_an_answer_for_another_point(server: PowerServer) -> None:
    server.moved = 1.0
    with pytest.raises(PowerUnexpected) as caught:
        ask(server)
    assert "125.25, 43.25" in english(str(caught.value))


def test_an_answer_for_other_days(server: PowerServer) -> None:
    server.changes = {"T2M_MIN": {"20250501": 5.0}}
    with pytest.raises(PowerUnexpected, match="2025-05-01"):
        ask(server)
