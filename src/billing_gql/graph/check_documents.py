"""Documents that are to be trusted, held against the schema and the limits."""

from billing_gql.graph.read_document import Document, Documents
from billing_gql.store.trusted_documents import MAX_TEXT


def names_of(document: Document) -> tuple[str, ...]:
    """The names of its operations; an operation without one has none here either."""
    return tuple(one.node.name.value for one in document.operations if one.node.name is not None)


def faults_of(
    documents: Documents, text: str, operation: str | None
) -> tuple[tuple[str, ...], list[str]]:
    """The names of the operations of a text, and why it cannot be registered: nothing, if it can.

    With the line, where there is one. `operation` is the one that must be in it.
    """
    if len(text) > MAX_TEXT:
        return (), [f"has {len(text):,} characters; at most {MAX_TEXT:,} are allowed."]
    if "\x00" in text:
        return (), ["must not contain the character U+0000."]
    document = documents.read(text)
    faults = []
    for error in documents.never_runs(document):
        line = f"line {error.locations[0].line}: " if error.locations else ""
        faults.append(line + error.message)
    names = names_of(document)
    if operation is not None and document.node is not None and operation not in names:
        faults.append(f"the text has no operation {operation!r}, as the manifest says it has.")
    return names, faults
