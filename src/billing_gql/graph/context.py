"""What a request carries: who asks, the snapshot that it reads, and its loaders."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from graphql import DocumentNode
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import HTTPConnection

from billing_gql.documents.sign import Signer
from billing_gql.graph.links import Links
from billing_gql.graph.loaders import Loaders
from billing_gql.kernel.actor import Actor
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from billing_gql.payments.providers import Providers
from billing_gql.store.database import Database, Outcome


class RequestOver(Exception):
    """The request was answered already: nobody waits for what would be read."""


class Context:
    """One request. All that it reads is of one instant, until a mutation begins another."""

    def __init__(
        self,
        database: Database,
        providers: Providers,
        links: Links,
        request: HTTPConnection,
        turns: asyncio.Semaphore | None = None,
    ) -> None:
        """With `turns`, snapshots of this kind of request wait for each other."""
        self.database = database
        self.providers = providers
        self.links = links
        self.request = request
        self.authorization = request.headers.get("authorization")
        # A WebSocket's own address would be no address of a document.
        self._base_url = re.sub(r"^ws", "http", str(request.base_url))
        self._signer: Signer | None = None
        self._turns = turns
        self._organization: Organization | None = None
        self._actor: Actor | None = None
        self._stack = AsyncExitStack()
        self._session: AsyncSession | None = None
        # One connection serves the request: loaders that are ready at once take turns.
        self._turn = asyncio.Lock()
        self._over = False
        self._readers: set[asyncio.Task[object] | None] = set()
        self.document: DocumentNode | None = None
        """What was admitted and may be executed."""
        self.extensions: dict[str, object] = {}
        """Of the answer, as far as they are known."""
        self.outcomes: dict[str, Outcome] = {}
        """Of the mutation fields that were begun, by their names in the answer."""
        self.loaders = Loaders(self)

    @property
    def organization(self) -> Organization:
        """The organization of the request's key; set by `enter`."""
        if self._organization is None:
            raise AssertionError("the request is not authenticated")
        return self._organization

    @property
    def actor(self) -> Actor:
        """Who acts, at the organization's present as the request found it."""
        if self._actor is None:
            raise AssertionError("the request is not authenticated")
        return self._actor

    @property
    def signer(self) -> Signer:
        """Makes links to the organization's documents; those of one request expire together."""
        if self._signer is None:
            self._signer = self.links.signer(self.organization, self._base_url)
        return self._signer

    def enter(self, organization: Organization) -> None:
        """Makes the organization the one that the request sees, and its present the present."""
        self._organization = organization
        self._actor = actor_of(organization)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """The request's snapshot, for one statement at a time."""
        task = asyncio.current_task()
        self._readers.add(task)
        try:
            async with self._turn:
                if self._over:
                    raise RequestOver
                if self._session is None:
                    if self._turns is not None:
                        await self._stack.enter_async_context(self._turns)
                    self._session = await self._stack.enter_async_context(self.database.snapshot())
                try:
                    yield self._session
                except DBAPIError as error:
                    # The failed statement has ended the snapshot's transaction.
                    await self._give_back()
                    self.database.refuse(error)
                    raise
        finally:
            self._readers.discard(task)

    async def renew(self) -> None:
        """Ends the snapshot; the next reader begins another, with fresh loaders."""
        async with self._turn:
            await self._give_back()
        self.loaders = Loaders(self)

    async def stop(self) -> None:
        """Ends the request before its time. Loaders are tasks of their own: what they read is
        cancelled too, in the database as well."""
        self._over = True
        for task in self._readers:
            if task is not None:
                task.cancel()
        await self.close()

    async def close(self) -> None:
        """Ends the request.

        An error can answer it while loaders still read: their statement ends first, and what they
        would read after it is refused.
        """
        async with self._turn:
            self._over = True
            await self._give_back()

    def reopen(self) -> None:
        """Begins to read again after `close`, with fresh loaders; links expire later then."""
        self._over = False
        self._signer = None
        self.loaders = Loaders(self)

    async def _give_back(self) -> None:
        self._session = None
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()
