"""Messages that people read are in English and in Chinese."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from models import ModelError

E = TypeVar("E", bound=ModelError)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def in_both_languages(text: str) -> bool:
    """Whether `text` reads "English · 中文": two halves, each in its language."""
    english, _, chinese = text.partition(" · ")
    return (
        text.count(" · ") == 1
        and re.search("[a-z]{2}", english) is not None
        and not CHINESE.search(english)
        and CHINESE.search(chinese) is not None
    )


@contextmanager
def refused(kind: type[E], *, match: str) -> Iterator[pytest.ExceptionInfo[E]]:
    """As `pytest.raises`, for a message in both languages."""
    with pytest.raises(kind, match=match) as error:
        yield error
    assert in_both_languages(str(error.value))
