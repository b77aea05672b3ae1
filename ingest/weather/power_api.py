"""Asking NASA POWER's daily point API."""

from datetime import date
from typing import Final
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError

from ingest.http import Unsigned, Web, no_answer
from ingest.weather.errors import PowerUnexpected
from ingest.weather.power import Point, PowerAnswer, parse

__all__ = ["BASE_URL", "address", "fetch"]

BASE_URL: Final = "https://power.larc.nasa.gov"

# The dew point rather than the relative humidity: it gives the vapour pressure, and
# so the same humidity as the other sources.
_ASKED: Final = "T2M_MIN,T2M_MAX,PRECTOTCORR,ALLSKY_SFC_SW_DWN,WS2M,T2MDEW"

# The answer repeats the coordinates, rounded.
_SAME_PLACE = 0.01


def address(point: Point, *, start: date, end: date, base_url: str = BASE_URL) -> str:
    """Give the request for a point and days, in local solar time.

    Parameters
    ----------
    point
        Longitude and latitude, degrees.
    """
    query = {
        "parameters": _ASKED,
        "community": "AG",
        "longitude": f"{point[0]:.4f}",
        "latitude": f"{point[1]:.4f}",
        "start": f"{start:%Y%m%d}",
        "end": f"{end:%Y%m%d}",
        "format": "JSON",
        "time-standard": "LST",
    }
    return f"{base_url.rstrip('/')}/api/temporal/daily/point?{urlencode(query)}"


def fetch(
    web: Web, point: Point, *, start: date, end: date, base_url: str = BASE_URL
) -> PowerAnswer:
    """Ask for the days from `start` to `end`, both included.

    Days that the answer lacks are not in it: compare with what was asked. A busy
    server is asked again, after the time that it names.

    Raises
    ------
    ingest.source_errors.SourceError
        No answer, or none that succeeds.
    WeatherUnreadable, UnitUnknown
        An answer that is cut off or of another form.
    PowerUnexpected
        An answer for another point, or for days that nobody asked for.
    """
    href = address(point, start=start, end=end, base_url=base_url)
    try:
        with web.get(href, signer=Unsigned()) as response:
            body = response.read(decode_content=True)
    except HTTPError as exc:
        raise no_answer(href, exc) from exc
    answer = parse(body, path=href)
    _check(answer, point, start, end, href)
    return answer


def _check(
    answer: PowerAnswer, point: Point, start: date, end: date, href: str
) -> None:
    for lon, lat in answer.points:
        if max(abs(lon - point[0]), abs(lat - point[1])) > _SAME_PLACE:
            raise _unexpected(href, f"for the point {lon:g}, {lat:g}")
    days = {d for s in answer.points.values() for one in s.values() for d in one}
    if days and not start <= min(days) <= max(days) <= end:
        raise _unexpected(href, f"for {min(days)} to {max(days)}")


def _unexpected(href: str, what: str) -> PowerUnexpected:
    return PowerUnexpected(
        f"NASA POWER answers {what}, not what {href} asks; nothing of it is kept"
        " · NASA POWER 的回答与请求不符，未导入",
        path=href,
    )
