"""Signed requests: tokens that run out, kept where nobody sees them.

A token goes into the request and nowhere else: not into an href, a message or the
archive, and to no other server than its own.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from ingest.http import Request, Signer, Unsigned, Web, no_answer, shown
from ingest.source_errors import SourceDenied
from ingest.stac_api.errors import ApiRefuses
from ingest.stac_api.paging import invalid
from ingest.stac_api.patience import Transient, patiently, refusal
from ingest.stac_api.provider import Provider

__all__ = ["Credentials", "Token", "TokenSigner", "signer_of"]

# A token is renewed so many seconds, or this part of its life, before its end.
_MARGIN: Final = 300.0
_SHARE: Final = 0.2
_ONCE: Final = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=3)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Name and password of an account; the password is never shown."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """What a server gives out: the token, and for how many seconds it is good."""

    text: str = field(repr=False)
    life: float


class TokenSigner:
    """Adds a token to requests and renews it in time; safe for threads.

    The time left is counted by the server's clock when the token is made and by a
    steady one of ours afterwards, so that a wrong clock here does no harm.

    Parameters
    ----------
    get : callable
        Gets a new token.
    apply : callable
        Makes a request of an href and a token.
    secured : tuple of str
        Origins that get the token, as `Provider.secured` has them.
    clock : callable
        Steady, in seconds.
    """

    def __init__(
        self,
        get: Callable[[], Token],
        apply: Callable[[str, str], Request],
        *,
        secured: tuple[str, ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._get, self._apply = get, apply
        self._secured, self._clock = secured, clock
        self._text, self._until = "", float("-inf")
        self._lock = threading.Lock()
        self._handed = threading.local()

    def sign(self, href: str, *, renew: bool = False) -> Request:
        """Give the request; `renew` after the server refused the one before.

        Raises
        ------
        ApiRefuses, ApiInvalid, SourceBusy, SourceUnreachable, SourceDenied
            No token is to be had.
        """
        parts = urlsplit(href)
        origin = f"{parts.scheme}://{parts.hostname}"
        if not any(fnmatchcase(origin, pattern) for pattern in self._secured):
            return Request(href)
        return self._apply(href, self._token(renew=renew))

    def _token(self, *, renew: bool) -> str:
        with self._lock:
            # Of many threads refused at once the first renews the token for all.
            refused = renew and getattr(self._handed, "text", None) == self._text
            if refused or self._clock() >= self._until:
                asked = self._clock()
                token = self._get()
                margin = min(_MARGIN, token.life * _SHARE)
                self._text, self._until = token.text, asked + token.life - margin
            self._handed.text = self._text
            return self._text


def signer_of(
    provider: Provider,
    *,
    collection: str,
    web: Web,
    credentials: Credentials | None,
    settings: tuple[str, ...] = (),
) -> Signer:
    """Give what signs requests for the files of a collection.

    `settings` are the names under which credentials are set, for messages.
    """
    if provider.access == "open":
        return Unsigned()
    if provider.access == "sas":
        url = f"{provider.token_url}/token/{quote(collection, safe='')}"
        return TokenSigner(
            lambda: sas_token(web, url), _in_query, secured=provider.secured
        )
    return TokenSigner(
        lambda: account_token(web, provider, credentials, settings),
        _in_header,
        secured=provider.secured,
    )


def sas_token(web: Web, url: str) -> Token:
    """Get a shared access signature: ``{"msft:expiry": …, "token": …}``.

    Raises
    ------
    ApiRefuses, ApiInvalid, SourceBusy, SourceUnreachable
    """
    answer, headers = _ask(web, "GET", url)
    text, expiry = answer.get("token"), _moment(answer.get("msft:expiry"))
    if not isinstance(text, str) or not text or expiry is None:
        raise invalid(url, "holds no token with an end")
    life = (expiry - _now(headers)).total_seconds()
    if life <= 0:
        raise invalid(url, f"holds a token that ended {-life:.0f} s ago")
    return Token(text.removeprefix("?"), life)


def account_token(
    web: Web,
    provider: Provider,
    credentials: Credentials | None,
    settings: tuple[str, ...] = (),
) -> Token:
    """Get an access token for an account (OAuth 2.0, RFC 6749, 4.3).

    Raises
    ------
    SourceDenied
        No credentials, or wrong ones.
    ApiInvalid, SourceBusy, SourceUnreachable
    """
    url = provider.token_url
    if credentials is None:
        raise _no_account(provider, "no user and password are set", settings)
    form = {
        "grant_type": "password",
        "client_id": "cdse-public",
        "username": credentials.user,
        "password": credentials.password,
    }
    try:
        answer, _ = _ask(web, "POST", url, form=form)
    except ApiRefuses as exc:
        problem = f"those set are refused ({exc.status})"
        raise _no_account(provider, problem, settings) from exc
    text, life = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(text, str) or not isinstance(life, int | float) or life <= 0:
        raise invalid(url, "holds no token with an end")
    return Token(text, float(life))


def _no_account(
    provider: Provider, problem: str, settings: tuple[str, ...]
) -> SourceDenied:
    named = f"（{'、'.join(settings)}）" if settings else ""
    return SourceDenied(
        f"the files of {provider.name} need user and password of an account, and "
        f"{problem}: set {' and '.join(settings) or 'them'}"
        f" · {provider.name} 的文件需要登录，请设置正确的用户名和密码{named}",
        href=shown(provider.token_url),
    )


def _in_query(href: str, token: str) -> Request:
    return Request(f"{href}{'&' if '?' in href else '?'}{token}")


def _in_header(href: str, token: str) -> Request:
    return Request(href, {"Authorization": f"Bearer {token}"})


def _ask(
    web: Web, method: str, url: str, *, form: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Ask for a JSON object; give its headers as well."""

    def once() -> tuple[dict[str, Any], Mapping[str, str]]:
        response = _send(web, method, url, form)
        if response.status != 200:
            # The server's words are left out: they may repeat what was sent.
            raise refusal(response.status, href=url, headers=response.headers)
        try:
            answer = json.loads(response.data)
        except ValueError as exc:
            raise Transient(invalid(url, "is no JSON")) from exc
        if not isinstance(answer, dict):
            raise invalid(url, "is no JSON object")
        return answer, response.headers

    return patiently(web, once)


def _send(
    web: Web, method: str, url: str, form: Mapping[str, str] | None
) -> BaseHTTPResponse:
    body = None if form is None else urlencode(form)
    kind = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        return web.pool.request(method, url, body=body, headers=kind, retries=_ONCE)
    except HTTPError as exc:
        raise Transient(no_answer(url, exc)) from exc


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _now(headers: Mapping[str, str]) -> datetime:
    """Give the time by the server's clock, or ours where it does not say."""
    try:
        return parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        return datetime.now(UTC)
