"""Signed links to documents: each opens one document, in one form, until it expires. Pure."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from urllib.parse import quote, urlencode

from billing_gql.documents.printed import DocumentForm, DocumentKind


class Verdict(Enum):
    """What a link is worth."""

    GOOD = auto()
    EXPIRED = auto()
    FORGED = auto()


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes the links of one organization.

    `expires` is of the real clock, of a TEST organization too: links are for the world outside.
    """

    key: bytes
    base_url: str
    """Without a slash at the end."""
    expires: datetime

    def link(self, path: str, breakdown: Sequence[str] = ()) -> str:
        """The address of a path below the base; `breakdown` is signed with it."""
        seconds = int(self.expires.timestamp())
        query = [
            *(("breakdown", key) for key in breakdown),
            ("expires", str(seconds)),
            ("signature", signature(self.key, path, str(seconds), breakdown)),
        ]
        return f"{self.base_url}{quote(path)}?{urlencode(query)}"


def signer(key: bytes, base_url: str, now: datetime, seconds: int) -> Signer:
    """Links that hold for so long from now."""
    return Signer(key, base_url.rstrip("/"), now + timedelta(seconds=seconds))


def key_of(secret: str | None, organization_id: str, stored: bytes) -> bytes:
    """The key of an organization: its stored one, or one derived from the operator's secret."""
    if secret is None:
        return stored
    return hmac.digest(secret.encode(), organization_id.encode(), hashlib.sha256)


def signature(key: bytes, path: str, expires: str, breakdown: Sequence[str] = ()) -> str:
    """HMAC-SHA256 over all that the link says; the parts cannot run into each other."""
    parts = [path, expires, *breakdown]
    said = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return urlsafe_b64encode(hmac.digest(key, said, hashlib.sha256)).decode().rstrip("=")


def verify(
    key: bytes, path: str, expires: str, given: str, now: datetime, breakdown: Sequence[str] = ()
) -> Verdict:
    """Whether a link is ours, and still holds. Takes the same time whatever is wrong with it."""
    right = signature(key, path, expires, breakdown)
    if not hmac.compare_digest(right.encode(), given.encode()):
        return Verdict.FORGED
    # Signed by us, so it is a number.
    return Verdict.GOOD if now < datetime.fromtimestamp(int(expires), UTC) else Verdict.EXPIRED


def document_path(
    kind: DocumentKind, document_id: str, form: DocumentForm = DocumentForm.PDF
) -> str:
    """Where a form of a document is, below the service's address."""
    return f"/{kind.value}/{document_id}.{form.value}"


def page_path(kind: DocumentKind, document_id: str) -> str:
    """Where the page that shows a document is."""
    return f"/{kind.value}/{document_id}"
