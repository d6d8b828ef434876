"""Links to documents: how the operator wants them, and where they lead."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from billing_gql.documents.printed import DocumentForm, DocumentKind
from billing_gql.documents.sign import Signer, document_path, key_of, page_path, signer
from billing_gql.kernel.clock import WallClock
from billing_gql.organizations.tables import Organization


@dataclass(frozen=True, slots=True)
class Links:
    """The settings of links."""

    secret: SecretStr | None
    public_url: str | None
    """None for the address that a request was sent to."""
    seconds: int

    def key(self, organization: Organization) -> bytes:
        """What signs the links of an organization."""
        secret = None if self.secret is None else self.secret.get_secret_value()
        return key_of(secret, organization.id, organization.link_key)

    def signer(self, organization: Organization, base_url: str) -> Signer:
        """Makes links for a request that was sent to `base_url`."""
        base = self.public_url or base_url
        return signer(self.key(organization), base, WallClock().now(), self.seconds)


def pdf_link(
    links: Signer, kind: DocumentKind, document_id: str, breakdown: Sequence[str] = ()
) -> str:
    """The signed address of a document's PDF."""
    return links.link(document_path(kind, document_id), breakdown)


def page_link(links: Signer, kind: DocumentKind, document_id: str) -> str:
    """The signed address of the page that shows a document."""
    return links.link(page_path(kind, document_id))


def xml_link(links: Signer, kind: DocumentKind, document_id: str) -> str:
    """The signed address of a document's e-invoice."""
    return links.link(document_path(kind, document_id, DocumentForm.XML))
