"""The words of the page: both languages, complete and in use."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from api.bulletin.words import GRADE_COLOURS
from sensors.quantities import DEVICE_KINDS, QUANTITIES
from store.estimates import Status

SOURCES = Path(__file__).parents[2] / "api" / "web" / "src"
CODE = "\n".join(path.read_text("utf-8") for path in sorted(SOURCES.glob("*.ts")))
MARKUP = (SOURCES / "index.html").read_text("utf-8")


def words(language: str) -> dict[str, str]:
    loaded: dict[str, str] = json.loads(
        (SOURCES / f"{language}.json").read_text("utf-8")
    )
    return loaded


def keys_in_code() -> set[str]:
    """Keys written out in t("..."), in lists of keys, and in the markup."""
    called = re.findall(r'\bt\(\s*"([^"]+)"', CODE)
    marked = re.findall(r'data-i18n(?:-label)?="([^"]+)"', MARKUP)
    return {*called, *marked}


def families_in_code() -> set[str]:
    """First parts of keys put together by t(`crop.${crop}`) or term("kind", ..)."""
    made = re.findall(r"\bt\(\s*`(\w+)\.\$\{", CODE)
    terms = re.findall(r'\bterm\("(\w+)"', CODE)
    return {*made, *terms}


def test_both_languages_have_the_same_keys() -> None:
    assert words("zh").keys() == words("en").keys()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_word_is_empty(language: str) -> None:
    assert [key for key, value in words(language).items() if not value.strip()] == []


def test_both_languages_fill_the_same_holes() -> None:
    def holes(text: str) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", text))

    english = words("en")
    assert [
        key
        for key, chinese in words("zh").items()
        if holes(chinese) != holes(english[key])
    ] == []


def test_every_key_in_the_code_has_words() -> None:
    keys = keys_in_code()
    assert len(keys) > 50
    assert keys - words("zh").keys() == set()


def test_every_family_of_keys_has_words() -> None:
    families = families_in_code()
    assert families == {"crop", "tab", "kind", "quantity", "status", "flag"}
    assert families <= {key.split(".")[0] for key in words("zh")}


def test_no_words_are_left_over() -> None:
    quoted = set(re.findall(r'"([^"\s]+)"', CODE)) | keys_in_code()
    families = families_in_code()
    assert [
        key
        for key in words("zh")
        if key not in quoted and key.split(".")[0] not in families
    ] == []


def test_grades_of_the_page_have_the_colours_of_the_map() -> None:
    (written,) = re.findall(r"GRADE_COLOURS = \[([^]]+)\]", CODE)
    assert tuple(re.findall(r"#\w{6}", written)) == GRADE_COLOURS


def test_every_quantity_has_words() -> None:
    wanted = {f"quantity.{name}" for name in QUANTITIES}
    assert wanted - words("zh").keys() == set()


def test_kinds_of_device_are_named_as_in_the_commands() -> None:
    chinese, english = words("zh"), words("en")
    for kind in DEVICE_KINDS.values():
        assert chinese[f"kind.{kind.name}"] == kind.name_zh
        assert english[f"kind.{kind.name}"] == kind.name_en


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_status_of_an_estimate_has_words(language: str) -> None:
    wanted = {f"status.{name}" for name in get_args(Status)}
    assert wanted - words(language).keys() == set()
