"""What a request carries: who asks, the snapshot that it reads, and its loaders."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.documents.sign import Signer
from billing_gql.graph.links import Links
from billing_gql.graph.loaders import Loaders
from billing_gql.kernel.actor import Actor
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from billing_gql.store.database import Database, refuse_bad_text


class RequestOver(Exception):
    """The request was answered already: nobody waits for what would be read."""


class Context:
    """One request. All that it reads is of one instant, until a mutation begins another."""

    def __init__(self, database: Database, links: Links, base_url: str) -> None:
        self.database = database
        self._links = links
        self._base_url = base_url
        self._signer: Signer | None = None
        self._organization: Organization | None = None
        self._actor: Actor | None = None
        self._stack = AsyncExitStack()
        self._session: AsyncSession | None = None
        # One connection serves the request: loaders that are ready at once take turns.
        self._turn = asyncio.Lock()
        self._over = False
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
            self._signer = self._links.signer(self.organization, self._base_url)
        return self._signer

    def enter(self, organization: Organization) -> None:
        """Makes the organization the one that the request sees, and its present the present."""
        self._organization = organization
        self._actor = actor_of(organization)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """The request's snapshot, for one statement at a time."""
        async with self._turn:
            if self._over:
                raise RequestOver
            if self._session is None:
                self._session = await self._stack.enter_async_context(self.database.snapshot())
            try:
                yield self._session
            except DBAPIError as error:
                # The failed statement has ended the snapshot's transaction.
                await self._give_back()
                refuse_bad_text(error)
                raise

    async def renew(self) -> None:
        """Ends the snapshot; the next reader begins another, with fresh loaders."""
        async with self._turn:
            await self._give_back()
        self.loaders = Loaders(self)

    async def close(self) -> None:
        """Ends the request.

        An error can answer it while loaders still read: their statement ends first, and what they
        would read after it is refused.
        """
        async with self._turn:
            self._over = True
            await self._give_back()

    async def _give_back(self) -> None:
        self._session = None
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()
