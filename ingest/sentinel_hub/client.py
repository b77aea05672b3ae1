"""The `sentinelhub` client, made patient, and silent about its secrets.

Three things are not left to the library (3.12): a token is renewed by a clock that
nobody sets, and when the service refuses it; a service that answers 429 for ever is
an error at last; and nobody's log receives the secret.
"""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any, Final, TypeVar
from urllib.parse import quote_plus

import requests
from oauthlib.oauth2 import OAuth2Error
from sentinelhub.config import SHConfig
from sentinelhub.download.models import DownloadRequest, DownloadResponse
from sentinelhub.download.sentinelhub_client import SentinelHubDownloadClient
from sentinelhub.download.session import SentinelHubSession
from sentinelhub.exceptions import DownloadFailedException

from ingest.sentinel_hub.errors import (
    HubAnswerInvalid,
    HubFailing,
    HubLoginRefused,
    HubQuotaUsedUp,
    HubRateLimited,
    HubRequestRefused,
)
from ingest.sentinel_hub.settings import HubSettings, Patience
from ingest.source_errors import (
    SourceCutOff,
    SourceError,
    SourceStopped,
    SourceUnreachable,
)

__all__ = ["HubClient", "Line"]

# A token is renewed this many seconds, but at most a quarter of its life, before its
# end: the time that a request in flight may take.
_MARGIN = 60.0
# Characters of an answer that a message repeats.
_QUOTED = 300
_CUT_OFF = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
_UNAUTHORIZED: Final = 401

T = TypeVar("T")


class _NoDebug(logging.Filter):
    """Lets warnings and errors pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG


# It writes the body of the request for a token, secret included, and the token.
logging.getLogger("requests_oauthlib.oauth2_session").addFilter(_NoDebug())


class Line:
    """What all requests to one service share: login, waiting, and limits.

    Safe for threads.
    """

    def __init__(self, settings: HubSettings, patience: Patience) -> None:
        self.settings = settings
        self.patience = patience
        self.config = settings.config(patience.timeout)
        self.session = _Session(self.config, settings, patience)
        self._lock = Lock()
        self._open_at = patience.clock()

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Repeat what fails for a reason that may pass, and wait as told.

        Raises
        ------
        SourceUnreachable, SourceCutOff, HubFailing, HubRateLimited
            The last failure, when there were too many or the wait is too long.
        SourceStopped
            A run that is being ended.
        """
        failures = refusals = 0
        put_off = 0.0
        while True:
            self._wait()
            try:
                return attempt()
            except HubRateLimited as exc:
                refusals += 1
                # The back-off is the least: units of Retry-After are not agreed upon.
                wait = max(self.patience.wait_after(refusals), exc.retry_after or 0.0)
                put_off += wait
                if put_off > self.patience.longest_wait:
                    raise
                self._close(wait)
            except (SourceUnreachable, SourceCutOff, HubFailing):
                failures += 1
                if failures >= self.patience.tries:
                    raise
                self._rest(self.patience.wait_after(failures))

    def _close(self, seconds: float) -> None:
        # The limit is the account's, so that every thread waits.
        with self._lock:
            until = self.patience.clock() + seconds
            self._open_at = max(self._open_at, until)

    def _wait(self) -> None:
        while (left := self._open_at - self.patience.clock()) > 0:
            self._rest(left)
        self._go_on()

    def _rest(self, seconds: float) -> None:
        self.patience.stop.wait(seconds)
        self._go_on()

    def _go_on(self) -> None:
        if self.patience.stop.is_set():
            raise SourceStopped(
                "stopped; run again to go on · 已停止，重新运行即可继续",
                href=self.settings.service,
            )


class _Session(SentinelHubSession):
    """The library's login; when to log in again is decided here.

    The library compares ``expires_at`` with the date of this computer and asks for no
    other token when the service refuses the one it has.
    """

    def __init__(
        self, config: SHConfig, settings: HubSettings, patience: Patience
    ) -> None:
        # Not the library's own, which logs in at once.
        self.config = config
        self.refresh_before_expiry = None
        self._settings = settings
        self._clock = patience.clock
        self._guard = Lock()
        self._token: dict[str, Any] = {}
        self._ends_at = 0.0

    @property
    def token(self) -> dict[str, Any]:
        """A token that is good for a while; logs in where there is none.

        Raises
        ------
        SourceError
            One try to log in failed.
        """
        with self._guard:
            if not self._token or self._clock() >= self._ends_at:
                self._log_in()
            return self._token

    def renew(self, refused: str) -> None:
        """Log in again, unless another thread already did."""
        with self._guard:
            if self._token.get("access_token") in (refused, None):
                self._log_in()

    def scrubbed(self, text: str, *tokens: str) -> str:
        """Give a text of the service without what must not be shown."""
        secret = self._settings.client_secret.get_secret_value()
        now = str(self._token.get("access_token", ""))
        # As the body of a request for a token has it, too.
        for hidden in (secret, quote_plus(secret), *tokens, now):
            text = text.replace(hidden, "***") if hidden else text
        return text

    def _log_in(self) -> None:
        asked_at = self._clock()
        told = self._settings.token_service
        # None of the causes is chained: their requests hold the secret.
        try:
            token = self._collect_new_token()
        except OAuth2Error as exc:
            raise _login_refused(told, self.scrubbed(str(exc.error))) from None
        except (requests.RequestException, DownloadFailedException) as exc:
            cause = getattr(exc, "request_exception", None) or exc
            raise self._failed(told, cause) from None
        except ValueError:
            raise _not_a_token(told) from None
        life = float(token.get("expires_in") or "inf")
        self._token = dict(token)
        self._ends_at = asked_at + life - min(_MARGIN, life / 4)

    def _failed(self, told: str, cause: BaseException) -> SourceError:
        response = getattr(cause, "response", None)
        if isinstance(response, requests.Response):
            return fault_of(response, told, self.scrubbed)
        return _lost(told, cause)


class HubClient(SentinelHubDownloadClient):
    """The library's client for one piece of work; cheap, one a call.

    Parameters
    ----------
    line
        What it shares with the others.
    told
        What it works on, for messages: "sentinel-2-l2a/S2B_… 10 m [0:2048, 0:2048]".
    """

    def __init__(self, line: Line, told: str) -> None:
        super().__init__(session=line.session, config=line.config)
        self._line = line
        self._told = told

    def fetch(self, request: DownloadRequest) -> bytes:
        """Send one request and give the body of its answer.

        Raises
        ------
        SourceError
            As `fault_of`, or when nothing comes or too little.
        """
        (response,) = self.download([request], decode_data=False, max_threads=1)
        content: bytes = response.content
        return content

    # The library's place for how a request is sent, with tries and waits.
    def _execute_download(self, request: DownloadRequest) -> DownloadResponse:
        return self._line.patiently(lambda: self._try(request))

    def _try(self, request: DownloadRequest) -> DownloadResponse:
        response = self._send(request)
        sent = _sent_token(response)
        if response.status_code == _UNAUTHORIZED:
            self._line.session.renew(sent)
            response = self._send(request)
        if not response.ok:
            session = self._line.session
            raise fault_of(
                response, self._told, lambda text: session.scrubbed(text, sent)
            )
        return DownloadResponse.from_response(response, request)

    def _send(self, request: DownloadRequest) -> requests.Response:
        try:
            return self._do_download(request)
        except requests.RequestException as exc:
            raise _lost(self._told, exc) from exc


def _sent_token(response: requests.Response) -> str:
    header = str(response.request.headers.get("Authorization", ""))
    return header.removeprefix("Bearer ")


def fault_of(
    response: requests.Response, told: str, scrub: Callable[[str], str]
) -> SourceError:
    """Name what an answer of status 400 and above means.

    Parameters
    ----------
    response
        The answer.
    told
        What it concerns.
    scrub
        Takes the secrets out of what the service says.
    """
    status, text = response.status_code, response.text
    reason = " ".join((scrub(_reason(text)) or str(response.reason)).split())
    quoted = f"{status} {reason[:_QUOTED]}"
    # Both come with 403 as well as with 429.
    if status in (403, 429) and "INSUFFICIENT_PROCESSING_UNITS" in text:
        return _quota_used_up(told, quoted)
    if status == 429 or (status == 403 and "RATE_LIMIT" in text):
        return _rate_limited(told, quoted, retry_after(response.headers))
    if status in (401, 403):
        return _login_refused(told, quoted)
    if status == 408 or status >= 500:
        return HubFailing(
            f"{told}: Sentinel Hub fails again and again ({quoted}); look at its "
            "status page and run again later, finished pieces are kept"
            f" · {told}：Sentinel Hub 多次出错（{quoted}），请查看其状态页并稍后重试，"
            "已完成的分块会保留",
            href=told,
        )
    return HubRequestRefused(
        f"{told}: Sentinel Hub does not accept the request ({quoted}); check "
        "collection, dates and deployment"
        f" · {told}：Sentinel Hub 不接受该请求（{quoted}），请检查数据集、日期和"
        "服务部署",
        href=told,
    )


def retry_after(
    headers: "requests.structures.CaseInsensitiveDict[str]",
) -> float | None:
    """Seconds that the header asks to wait; None where it is absent or unreadable.

    Sentinel Hub counts milliseconds (its documentation, Rate limiting), other servers
    on the way may give a date (RFC 9110, 10.2.3).
    """
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return int(value) / 1000
    until = _moment(value)
    # Against the server's own date: ours may be wrong.
    now = _moment(headers.get("Date", "")) or datetime.now(UTC)
    return None if until is None else max((until - now).total_seconds(), 0.0)


def _moment(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _reason(text: str) -> str:
    """Give the message of an error of the service, or the text as it is."""
    try:
        error = json.loads(text)["error"]
        return f"{error.get('code', '')} {error['message']}".strip()
    except (ValueError, TypeError, KeyError, AttributeError):
        return text


def _lost(told: str, cause: BaseException) -> SourceError:
    if isinstance(cause, _CUT_OFF):
        return SourceCutOff(
            f"{told}: the answer of Sentinel Hub breaks off; check the connection and "
            "run again, finished pieces are kept"
            f" · {told}：Sentinel Hub 的响应中途断开，请检查网络后重试，已完成的分块会"
            "保留",
            href=told,
        )
    return SourceUnreachable(
        f"{told}: Sentinel Hub gives no answer ({type(cause).__name__}); check the "
        "connection and the address, then run again"
        f" · {told}：Sentinel Hub 无响应（{type(cause).__name__}），请检查网络和地址后"
        "重试",
        href=told,
    )


def _login_refused(told: str, quoted: str) -> HubLoginRefused:
    return HubLoginRefused(
        f"{told}: Sentinel Hub refuses the account ({quoted}); check client id, client "
        "secret and deployment, and that the account may use this collection"
        f" · {told}：Sentinel Hub 拒绝该账户（{quoted}），请检查 client id、client "
        "secret、服务部署以及账户对该数据集的权限",
        href=told,
    )


def _quota_used_up(told: str, quoted: str) -> HubQuotaUsedUp:
    return HubQuotaUsedUp(
        f"{told}: the account has no processing units left ({quoted}); wait for the "
        "next month or extend it, finished pieces are kept"
        f" · {told}：账户的处理单元已用完（{quoted}），请等下月或扩容，已完成的分块会"
        "保留",
        href=told,
    )


def _rate_limited(told: str, quoted: str, wait: float | None) -> HubRateLimited:
    asked = "" if wait is None else f"; Retry-After {wait:g} s"
    return HubRateLimited(
        f"{told}: Sentinel Hub puts us off ({quoted}{asked}), longer than we wait; run "
        "again later or with fewer at a time, finished pieces are kept"
        f" · {told}：Sentinel Hub 限流（{quoted}{asked}），超出允许的等待时间，请稍后"
        "重试或减少并发，已完成的分块会保留",
        href=told,
        retry_after=wait,
    )


def _not_a_token(told: str) -> HubAnswerInvalid:
    return HubAnswerInvalid(
        f"{told}: the answer is no token; check the address"
        f" · {told}：返回的不是令牌，请检查地址",
        href=told,
    )
