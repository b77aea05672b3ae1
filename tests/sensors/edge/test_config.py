"""The configuration and the files it names: whole, or a clear error."""

from pathlib import Path

import pytest

from sensors.edge import ConfigInvalid, load
from sensors.edge.credentials import (
    FileAuthenticator,
    read_credentials,
    read_password,
)
from sensors.endpoint import Login, Principal, Refusal
from sensors.passwords import hash_secret
from tests.sensors.edge.farm import write_config


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_a_whole_configuration(tmp_path: Path) -> None:
    path = write_config(
        tmp_path,
        8883,
        more="""
[disk]
max_mib = 64
when_full = "drop-oldest"

[devices.a]
kind = "weather-station"
thing = "barn"

[[rule]]
name = "hot"
severity = "warning"
text_zh = "热"
text_en = "hot"
condition = { type = "threshold", side = "above", level = 28 }
scope = { quantity = "air_temperature" }
action = { device = "fan", opened = { fan = "on" }, when = "always" }
""",
    )

    config = load(path)

    assert config.folder == tmp_path / "queue"
    assert (config.upstream.port, config.upstream.protocol) == (8883, 5)
    assert (config.disk.max_mib, config.disk.when_full) == (64, "drop-oldest")
    assert config.devices["a"].thing == "barn"
    assert config.rules[0].rule.name == "hot"
    assert config.rules[0].action is not None
    assert config.rules[0].action.opened == {"fan": "on"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('farm = "f1"', "", r"farm is missing · 配置项 farm 缺失"),
        ('farm = "f1"', 'farm = "a/b"', "without / \\+ #"),
        ('farm = "f1"', "farm = 7", "farm is 7: another type"),
        ('farm = "f1"', "farm = ", "no TOML"),
        ("port = 1", "port = 70000\nx = 1", "upstream.port is 70000: from 1 to 65535"),
        ("port = 1", "port = true", "upstream.port is True: another type"),
        ("tls = false", "tsl = false", "upstream.tsl is unknown"),
        ("tls = false", "tls = 0", "upstream.tls is 0: another type"),
        ("tls = false", "protocol = 3", "upstream.protocol is 3: from 4 to 5"),
        ("gateway.secret", "absent", "upstream.password_file names .*absent.*不存在"),
        ("devices.passwd", "absent", "local.credentials names .*absent"),
        ('gateways = ["lora"]', "gateways = [1]", "local.gateways must be a list"),
        ('["lora"]', '["lora"]\n[disk]\nmax_mib = 0', "disk.max_mib is 0"),
        ('["lora"]', '["lora"]\n[disk]\nwhen_full = "lose"', "hold, drop-oldest"),
        ('["lora"]', '["lora"]\ncertificate = "devices.passwd"', "belong together"),
        ('["lora"]', '["lora"]\n[[rule]]\nname = "x"', "rule refused"),
        ("down_after_s = 0", "down_after_s = -1", "down_after_s is -1"),
        ("down_after_s = 0", "extra = 1", "extra is unknown"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = changed(write_config(tmp_path, 1), old, new)

    with pytest.raises(ConfigInvalid, match=message):
        load(path)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"nowhere\.toml cannot be read.*无法读取"):
        load(tmp_path / "nowhere.toml")


def test_a_rule_name_twice(tmp_path: Path) -> None:
    rule = """
[[rule]]
name = "hot"
severity = "warning"
text_zh = "热"
text_en = "hot"
condition = { type = "threshold", side = "above", level = 28 }
scope = { quantity = "air_temperature" }
"""

    with pytest.raises(ConfigInvalid, match="'hot' occurs twice"):
        load(write_config(tmp_path, 1, more=2 * rule))


def test_devices_come_in_by_their_hash() -> None:
    authenticator = FileAuthenticator(
        {"a": hash_secret("right"), "lora": hash_secret("right")},
        farm="f1",
        gateways=["lora"],
    )

    answers = authenticator.authenticate(
        [
            Login("a", "x", b"right", "127.0.0.1"),
            Login("a", "x", b"wrong", "127.0.0.1"),
            Login("nobody", "x", b"right", "127.0.0.1"),
            Login("lora", "x", b"right", "127.0.0.1"),
        ]
    )

    assert answers == [
        Principal("a", "f1"),
        Refusal.CREDENTIALS,
        Refusal.CREDENTIALS,
        Principal("lora", "f1", gateway=True),
    ]


def test_credentials_skip_empty_lines_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.write_text(f"# exported\n\na:{hash_secret('x')}\n")

    assert list(read_credentials(path)) == ["a"]


@pytest.mark.parametrize(
    "line", ["a", "a:secret", ":$7$101$x$y", "a/b:$7$101$x$y", "+:$7$101$x$y"]
)
def test_a_line_that_is_no_credential_is_named_and_not_shown(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "passwd"
    path.write_text(f"b:{hash_secret('x')}\n{line}\n")

    with pytest.raises(ConfigInvalid, match=r"line 2.*第 2 行") as caught:
        read_credentials(path)
    assert "secret" not in str(caught.value)


def test_a_device_twice(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.write_text(f"a:{hash_secret('x')}\na:{hash_secret('y')}\n")

    with pytest.raises(ConfigInvalid, match="line 2"):
        read_credentials(path)


@pytest.mark.parametrize("content", ["", "\n", "  \nsecond"])
def test_an_empty_password(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content)

    with pytest.raises(ConfigInvalid, match=r"is empty.*为空"):
        read_password(path)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    assert "upstream-secret" not in repr(load(write_config(tmp_path, 1)))
