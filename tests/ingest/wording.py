"""Messages that people read: English and Chinese in one line."""

import re


def english(message: str) -> str:
    """Check that a message is "English text · 中文" and give its English half."""
    first, second = message.split(" · ")
    assert re.search("[a-z]{3}", first)
    assert re.search("[\u4e00-\u9fff]", second)
    return first
