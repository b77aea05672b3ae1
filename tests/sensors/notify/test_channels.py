from datetime import UTC, datetime
from typing import Any

import pytest

from sensors.notify import ChannelInvalid, channel, shown
from store.notifications import Channel

AT = datetime(2026, 7, 1, tzinfo=UTC)


def made(**parts: Any) -> Channel:
    given: dict[str, Any] = {
        "name": "a",
        "kind": "webhook",
        "address": "https://x.org/h",
        "at": AT,
    }
    return channel(**(given | parts))


@pytest.mark.parametrize(
    "parts",
    [
        {"name": "A b"},
        {"name": ""},
        {"kind": "pigeon"},
        {"address": "ftp://x.org"},
        {"address": "file:///etc/passwd"},
        {"address": "https://"},
        {"address": "https://user:word@x.org/"},
        {"address": "http://x.org:99999/"},
        {"address": "http://[::1/"},
        {"address": "http://x.org/ a"},
        {"address": "http://a..b/"},
        {"address": f"http://{'a' * 64}.org/"},
        {"kind": "email", "address": "li"},
        {"kind": "email", "address": "li@x..org"},
        {"kind": "email", "address": "vets:li@x.org"},
        {"kind": "email", "address": "li(vet)@x.org"},
        {"kind": "email", "address": "li@x.org, bo@x.org"},
        {"kind": "email", "address": "li@[192.0.2.1]"},
        {"kind": "email", "address": "li@["},
        {"kind": "mqtt", "address": "a/b"},
        {"kind": "mqtt", "address": "#"},
        {"language": "fr"},
        {"severity": "loud"},
        {"per_hour": 0},
        {"secret": "short"},
        {"kind": "email", "address": "li@x.org", "secret": "0123456789abcdef"},
    ],
)
def test_a_channel_that_cannot_be_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ChannelInvalid, match="通知渠道无效"):
        made(**parts)


@pytest.mark.parametrize(
    "parts",
    [
        {"address": "https://例子.中国/钩"},
        {"address": "http://[::1]:8080/h"},
        {"kind": "email", "address": "li.wei+farm@mail.x-y.org"},
        {"kind": "email", "address": "李@例子.中国"},
    ],
)
def test_addresses_of_all_the_world_are_taken(parts: dict[str, Any]) -> None:
    assert made(**parts).address == parts["address"]


def test_a_secret_is_in_no_message_and_not_shown() -> None:
    with pytest.raises(ChannelInvalid) as caught:
        made(secret="s3cr3t")
    assert "s3cr3t" not in str(caught.value)
    assert "0123456789abcdef" not in repr(made(secret="0123456789abcdef"))


def test_of_a_webhook_only_the_host_is_shown() -> None:
    assert shown(made(address="https://x.org:8443/k3y?t=1")) == "https://x.org:8443/…"
    assert shown(made(kind="email", address="li@x.org")) == "li@x.org"
