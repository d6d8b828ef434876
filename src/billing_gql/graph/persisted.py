"""Which text a request means: its own, a registered one by its id, or one that was sent before.

Ids are those of the GraphQL-over-HTTP draft, appendix on persisted documents. A text that was sent
before is found by Apollo's protocol of automatic persisted queries: the client sends its hash
alone, is told PersistedQueryNotFound, sends it with the text, and from then on the hash does.
"""

import hashlib
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from strawberry.http import GraphQLRequestData, GraphQLRequestProtocol

from billing_gql.graph.bodies import HttpProblem
from billing_gql.graph.context import Context
from billing_gql.graph.read_document import Documents
from billing_gql.kernel.problems import InvalidInput
from billing_gql.store.trusted_documents import (
    ID,
    MAX_ID,
    MAX_TEXT,
    SHA256,
    checked_id,
    find_text,
)

TRUSTED_BYTES = 32_000_000
"""Of the registered texts that a process remembers."""
TRUSTED_SECONDS = 60.0
"""How long a process goes on with one that was removed meanwhile."""
AUTOMATIC_BYTES = 8_000_000
"""Of the texts that clients had a process remember."""
AUTOMATIC_OPERATIONS = 10
"""Of such a text: each is priced, which takes long where they share many fragments. Clients send
one."""
ENTRY_BYTES = 600
"""What a text is remembered with: its key, and the places in the map."""

VERSION = 1
"""Of Apollo's protocol: there is no other."""
UNCACHED = {"Cache-Control": "no-store"}
"""The next one who asks by this hash may get an answer."""


@dataclass
class SentRequest(GraphQLRequestData):
    """A request as it came; `execute_operation` finds its query where it has only an id."""

    document_id: object = None


def sent_request(sent: object, protocol: GraphQLRequestProtocol) -> SentRequest:
    """A request from its parameters or its JSON; raises HttpProblem."""
    if not isinstance(sent, dict):
        raise HttpProblem(400, "BAD_REQUEST", "Batching is not enabled: send one JSON object.")
    query, operation_name = sent.get("query"), sent.get("operationName")
    for name, value in (("query", query), ("operationName", operation_name)):
        if not isinstance(value, str | None):
            raise HttpProblem(400, "BAD_REQUEST", f"`{name}` must be a string or null.")
    variables, extensions = sent.get("variables"), sent.get("extensions")
    for name, value in (("variables", variables), ("extensions", extensions)):
        if not isinstance(value, dict | None):
            raise HttpProblem(400, "BAD_REQUEST", f"`{name}` must be an object or null.")
    return SentRequest(
        query, variables, operation_name, extensions, protocol, sent.get("documentId")
    )


class Texts:
    """Texts by a key, those used last, no more bytes of them than is said."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._texts: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def find(self, key: str) -> tuple[str, float] | None:
        """The text, and when it was put."""
        found = self._texts.get(key)
        if found is not None:
            self._texts.move_to_end(key)
        return found

    def put(self, key: str, text: str, now: float) -> None:
        """Remembers a text, and forgets those that have not been used for longest."""
        self.drop(key)
        self._texts[key] = (text, now)
        self.bytes += _bytes(text)
        while self.bytes > self.most_bytes:
            self.drop(next(iter(self._texts)))

    def drop(self, key: str) -> None:
        """Forgets it."""
        found = self._texts.pop(key, None)
        if found is not None:
            self.bytes -= _bytes(found[0])


def _bytes(text: str) -> int:
    """In memory: a text with one character beyond the basic plane has four bytes for each."""
    return sys.getsizeof(text) + ENTRY_BYTES


class PersistedDocuments:
    """Finds texts. One a process."""

    def __init__(
        self,
        documents: Documents,
        *,
        trusted_only: bool,
        automatic_bytes: int = AUTOMATIC_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.documents = documents
        self.trusted_only = trusted_only
        self._clock = clock
        self._trusted = Texts(TRUSTED_BYTES)
        self._automatic = Texts(automatic_bytes)

    async def text_of(
        self,
        context: Context,
        query: str | None,
        document_id: object,
        extensions: Mapping[str, object] | None,
    ) -> str:
        """The text of a request, whatever it came by; raises HttpProblem.

        The context is that of an authenticated caller: it reads the database where the process
        does not remember an id.
        """
        digest = _automatic_hash(extensions)
        if document_id is not None:
            if query or digest is not None:
                message = "Send `documentId`, `query` or a hash in `extensions`, not two of them."
                raise HttpProblem(400, "BAD_REQUEST", message)
            return await self._by_id(context, document_id)
        if not query:
            if digest is None:
                raise HttpProblem(400, "BAD_REQUEST", "No GraphQL query found in the request.")
            return await self._by_hash(context, digest)
        if digest is not None and digest != _hash(query):
            message = "`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`."
            raise HttpProblem(400, "BAD_REQUEST", message)
        if self.trusted_only:
            return await self._only_if_trusted(context, query)
        if digest is not None:
            self._remember(digest, query)
        return query

    async def _by_id(self, context: Context, document_id: object) -> str:
        try:
            wanted = checked_id(document_id)
        except InvalidInput as problem:
            raise HttpProblem(400, "BAD_REQUEST", f"`documentId`: {problem}") from None
        text = await self._registered(context, wanted)
        if text is None:
            raise _not_registered(wanted)
        return text

    async def _by_hash(self, context: Context, digest: str) -> str:
        """Registered texts go by their hash too: clients with a manifest send nothing else."""
        found = None if self.trusted_only else self._automatic.find(digest)
        if found is not None:
            return found[0]
        text = None
        if len(digest) <= MAX_ID and ID.fullmatch(digest):
            text = await self._registered(context, digest)
        if text is not None:
            return text
        if self.trusted_only:
            # PersistedQueryNotFound would have the client send a text, which is refused as well.
            raise _not_registered(digest[:MAX_ID])
        raise HttpProblem(
            200, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound", headers=UNCACHED
        )

    async def _only_if_trusted(self, context: Context, query: str) -> str:
        text = None
        if len(query) <= MAX_TEXT:
            text = await self._registered(context, SHA256 + _hash(query))
        if text is None:
            message = (
                "Only registered documents run here, and this one is not: send the `documentId` of"
                " one that is, or its text exactly as it was registered."
            )
            raise HttpProblem(403, "PERSISTED_DOCUMENT_REQUIRED", message)
        return text

    async def _registered(self, context: Context, document_id: str) -> str | None:
        """What is not remembered is asked for, so a new one is known at once."""
        now = self._clock()
        found = self._trusted.find(document_id)
        if found is not None and now < found[1] + TRUSTED_SECONDS:
            return found[0]
        async with context.reading() as session:
            text = await find_text(session, document_id)
        if text is None:
            self._trusted.drop(document_id)
        else:
            self._trusted.put(document_id, text, now)
        return text

    def _remember(self, digest: str, text: str) -> None:
        """Only what could run: nobody else's place is taken by what is refused anyway."""
        if len(text) > MAX_TEXT or self._automatic.find(digest) is not None:
            return
        document = self.documents.read(text)
        many = len(document.operations) > AUTOMATIC_OPERATIONS
        if not many and not self.documents.never_runs(document):
            self._automatic.put(digest, text, self._clock())


def _automatic_hash(extensions: Mapping[str, object] | None) -> str | None:
    """The hash that an Apollo client sends; raises HttpProblem."""
    sent = (extensions or {}).get("persistedQuery")
    if sent is None:
        return None
    if not isinstance(sent, dict) or not isinstance(sent.get("sha256Hash"), str):
        message = '`extensions.persistedQuery` must be {"version": 1, "sha256Hash": "…"}.'
        raise HttpProblem(400, "BAD_REQUEST", message)
    if sent.get("version") is True or sent.get("version") != VERSION:
        raise HttpProblem(
            200, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported", headers=UNCACHED
        )
    digest: str = sent["sha256Hash"]
    return digest


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _not_registered(document_id: str) -> HttpProblem:
    message = f"There is no registered document {document_id!r}."
    return HttpProblem(404, "PERSISTED_DOCUMENT_NOT_FOUND", message)
