"""The county bulletin 县级农情简报: gathered once, shown as HTML and PDF."""

from api.bulletin.content import Bulletin, gather
from api.bulletin.files import LANGUAGES, Language, write_bulletin

__all__ = ["LANGUAGES", "Bulletin", "Language", "gather", "write_bulletin"]
