"""Asking a server for bytes: patient where it pays, plain where it does not.

A server that is busy (429, 503) or stumbles (500, 502, 504) is asked again, after the
time its Retry-After names (RFC 9110, 10.2.3) or else twice as long as the time before.
Everything else is an error at once. Query strings may hold signatures, so that no
message ever shows one.
"""

import email.utils
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Final, Protocol
from urllib.parse import urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry, Timeout

from ingest.source_errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceStopped,
    SourceUnreachable,
)

__all__ = [
    "TRANSIENT",
    "Request",
    "Signer",
    "Unsigned",
    "Web",
    "no_answer",
    "retry_after",
    "shown",
]

SUCCESS: Final = frozenset({200, 206})
TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
USER_AGENT: Final = "heitu"

# Redirects are followed; everything else is repeated here, where waiting is counted.
_REDIRECTS: Final = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5)


@dataclass(frozen=True, slots=True)
class Request:
    """An address with all that the server wants to see; never shown as it is."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Signer(Protocol):
    """Makes a request of an href: adds a signature, a token, or nothing."""

    def sign(self, href: str, *, renew: bool = False) -> Request:
        """Give the request; `renew` after the server refused the one before."""


class Unsigned:
    """For servers that ask for no credentials."""

    def sign(self, href: str, *, renew: bool = False) -> Request:
        """Give the plain request."""
        return Request(href)


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A pool of connections and the patience it has; safe for threads.

    Attributes
    ----------
    tries : int
        Requests before giving up, the first among them.
    longest_wait : float
        Seconds; a server that puts us off for longer is `SourceBusy` at once.
    first_wait : float
        Seconds before the second try; doubled from try to try.
    stop : Event
        Once set, nobody waits or asks any more: a run is being ended.
    pool : urllib3.PoolManager
        The connections.
    """

    tries: int = 6
    longest_wait: float = 300.0
    first_wait: float = 0.5
    stop: Event = field(default_factory=Event)
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(
            num_pools=32, maxsize=16, timeout=Timeout(connect=20, read=60)
        )
    )

    @contextmanager
    def get(
        self, href: str, *, signer: Signer, headers: Mapping[str, str] | None = None
    ) -> Iterator[BaseHTTPResponse]:
        """Open a successful answer (200 or 206), its body not yet read.

        Raises
        ------
        SourceDenied, SourceMissing, SourceBusy, SourceUnreachable
        SourceError
            Another status that is no success.
        """
        response = self._answer(href, signer, headers or {})
        try:
            yield response
        finally:
            # A body not read to its end leaves a connection that nobody can use again.
            response.close()
            response.release_conn()

    def pause(self, attempt: int, asked: float | None = None) -> None:
        """Wait before the try after number `attempt` (from 0), a little at random.

        Everybody who was cut off at once would else come back at once.
        """
        backoff = self.first_wait * 2**attempt * random.uniform(0.5, 1.0)
        self.stop.wait(min(backoff, self.longest_wait) if asked is None else asked)

    def _answer(
        self, href: str, signer: Signer, headers: Mapping[str, str]
    ) -> BaseHTTPResponse:
        renew = False
        for attempt in range(self.tries):
            if self.stop.is_set():
                raise SourceStopped(
                    "stopped; run again to go on · 已停止，重新运行即可继续",
                    href=shown(href),
                )
            found = self._ask(signer.sign(href, renew=renew), href, headers)
            if not isinstance(found, _Failure):
                return found
            # A signature that has run out looks like a refusal, once.
            expired = isinstance(found.error, SourceDenied) and not renew
            renew = renew or expired
            wait = found.wait or 0
            last = attempt + 1 == self.tries or wait > self.longest_wait
            if last or not (found.transient or expired):
                raise found.error
            if not expired:
                self.pause(attempt, found.wait)
        raise AssertionError("tries is at least 1")

    def _ask(
        self, request: Request, href: str, headers: Mapping[str, str]
    ) -> "BaseHTTPResponse | _Failure":
        sent = {"User-Agent": USER_AGENT, **request.headers, **headers}
        try:
            response = self.pool.request(
                "GET",
                request.url,
                headers=sent,
                preload_content=False,
                # Bytes as they lie in the file: ranges count those.
                decode_content=False,
                retries=_REDIRECTS,
            )
        except HTTPError as exc:
            return _Failure(no_answer(href, exc), transient=True)
        if response.status in SUCCESS:
            return response
        response.drain_conn()
        wait = retry_after(response.headers)
        error = _refusal(response.status, href, wait)
        return _Failure(error, transient=response.status in TRANSIENT, wait=wait)


@dataclass(frozen=True, slots=True)
class _Failure:
    """An answer that is no success, and whether and when to ask again."""

    error: SourceError
    transient: bool
    wait: float | None = None


def no_answer(href: str, cause: HTTPError) -> SourceUnreachable:
    """Say that a server did not answer.

    The text of the cause may hold the signed address: its kind has to be enough.
    """
    return SourceUnreachable(
        f"no answer from {shown(href)} ({type(cause).__name__}): check the line and "
        "the address, then run again; what is there is kept"
        f" · {shown(href)} 没有响应，请检查网络和地址后重新运行，已下载的会保留",
        href=shown(href),
    )


def shown(href: str) -> str:
    """Give an address that may be shown: without user, password and query."""
    parts = urlsplit(href)
    if not parts.scheme:
        return href
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def retry_after(
    headers: Mapping[str, str], *, now: datetime | None = None
) -> float | None:
    """Read how many seconds a server wants us to wait (RFC 9110, 10.2.3).

    A date is compared with the server's own clock, its Date header, since ours may be
    wrong; None where nothing readable is said.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    today = _http_date(headers.get("Date", "")) or now or datetime.now(UTC)
    return max(0.0, (until - today).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refusal(status: int, href: str, wait: float | None) -> SourceError:
    name = shown(href)
    if status in {401, 403}:
        return SourceDenied(
            f"{name}: the server refuses ({status}); check the credentials of this "
            f"source · {name}：服务器拒绝访问（{status}），请检查该数据源的凭据",
            href=name,
        )
    if status in {404, 410}:
        return SourceMissing(
            f"{name} is not there any more ({status}); search again"
            f" · {name} 已不存在（{status}），请重新检索",
            href=name,
        )
    if status in TRANSIENT:
        when = "" if wait is None else f" and wants to be left alone for {wait:g} s"
        return SourceBusy(
            f"{name}: the server is busy ({status}){when}; run again later, what is "
            f"there is kept · {name}：服务器繁忙（{status}），请稍后重新运行，"
            "已下载的会保留",
            href=name,
        )
    return SourceError(
        f"{name}: the server answers {status}; check the address"
        f" · {name}：服务器返回 {status}，请检查地址",
        href=name,
    )
