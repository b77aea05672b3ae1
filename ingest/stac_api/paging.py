"""Every page of a search, or an error.

pystac-client ends a search at the first page without items, also where the server
names a next one, and counts on the server for the rest. A catalogue that filters after
it has cut its pages has empty ones in the middle; one under load cuts answers short.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pystac import Link
from pystac.link import HREF
from pystac_client import ItemSearch
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests import Response

from ingest.http import Web, shown
from ingest.source_errors import SourceUnreachable
from ingest.stac_api.errors import ApiInvalid, PagingEndless
from ingest.stac_api.patience import Transient, patiently, refusal

__all__ = ["CatalogueIO", "Page", "pages"]

Page = dict[str, Any]

# Seconds to connect and between two bytes: a search over a season takes its time.
_TIMEOUT: Final = (20.0, 120.0)
_WORDS: Final = 200


class CatalogueIO(StacApiIO):
    """The requests of pystac-client, repeated where that can help.

    Parameters
    ----------
    web : Web
        Whose patience it has; its connections are those of pystac-client.
    """

    def __init__(self, web: Web) -> None:
        super().__init__(timeout=_TIMEOUT, max_retries=None)
        self._web = web
        self._headers: Mapping[str, str] = {}
        self.session.hooks["response"].append(self._remember)

    def read_json(
        self, source: HREF, *args: object, **kwargs: object
    ) -> dict[str, Any]:
        """Read one document; a busy server or a cut answer is asked again.

        Raises
        ------
        SourceBusy, SourceUnreachable
            Longer than we are ready to wait.
        ApiRefuses
            The server will not answer this.
        ApiInvalid
            Its answer is not a JSON object, again and again.
        """
        href = str(source.href if isinstance(source, Link) else source)

        def ask() -> dict[str, Any]:
            self._headers = {}
            try:
                answer = super(CatalogueIO, self).read_json(source, *args, **kwargs)
            except APIError as exc:
                raise self._failure(exc, href) from exc
            except ValueError as exc:
                raise Transient(invalid(href, f"is no JSON ({exc})")) from exc
            if not isinstance(answer, dict):
                raise invalid(href, "is no JSON object")
            return answer

        return patiently(self._web, ask)

    def _remember(self, response: Response, *_: object, **__: object) -> None:
        self._headers = response.headers

    def _failure(self, exc: APIError, href: str) -> Exception:
        status = getattr(exc, "status_code", None)
        if status is not None:
            words = " ".join(str(exc).split())[:_WORDS]
            return refusal(status, href=href, headers=self._headers, words=words)
        name = shown(href)
        return Transient(
            SourceUnreachable(
                f"no whole answer from {name} ({type(exc.__context__).__name__}): "
                "check the line and the address, then run again"
                f" · {name} 没有完整响应，请检查网络和地址后重新运行",
                href=name,
            )
        )


def pages(search: ItemSearch, io: CatalogueIO) -> Iterator[Page]:
    """Give all pages of a search, empty ones too.

    Raises
    ------
    PagingEndless
        A next link that was followed before.
    ApiInvalid
        A page that is no collection of items, or a next link that leads nowhere.
    SourceBusy, SourceUnreachable, ApiRefuses
        As `CatalogueIO.read_json`.
    """
    asked = search.get_parameters()
    page = io.read_json(search.url, method=search.method, parameters=asked)
    followed = set()
    while True:
        if not isinstance(page.get("features"), list):
            raise invalid(search.url, "has no list of features")
        yield page
        following = _next_link(page, search.url)
        if following is None:
            return
        mark = json.dumps(following, sort_keys=True)
        if mark in followed:
            raise endless(search.url)
        followed.add(mark)
        page = io.read_json(Link.from_dict(following), parameters=asked)


def endless(href: str) -> PagingEndless:
    """Say that a search does not come to an end."""
    name = shown(href)
    return PagingEndless(
        f"{name} gives the same page over and over: its paging is broken; nothing was "
        "taken from it. Ask for fewer days at a time, or take another provider"
        f" · {name} 分页循环不止，未采用任何结果，请缩短时段或改用其他来源",
        href=name,
    )


def invalid(href: str, problem: str) -> ApiInvalid:
    """Say that an answer is not one of a STAC API."""
    name = shown(href)
    return ApiInvalid(
        f"the answer of {name} {problem}: check that it is the address of a STAC API, "
        f"or try later · {name} 的响应不是有效的 STAC API 结果，请检查地址或稍后再试",
        href=name,
    )


def _next_link(page: Page, href: str) -> dict[str, Any] | None:
    links = page.get("links") or []
    found = [link for link in links if isinstance(link, dict)]
    following = next((link for link in found if link.get("rel") == "next"), None)
    if following is None:
        return None
    if not str(following.get("href")).startswith(("http://", "https://")):
        raise invalid(href, f"names {following.get('href')!r} as its next page")
    return following
