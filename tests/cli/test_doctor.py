"""What `doctor` finds, without the process around it."""

from billing_gql.doctor import examine
from billing_gql.kernel.clock import WallClock
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.store.trusted_documents import NewDocument, register


async def test_trusted_documents_alone_need_some(own_database: Database) -> None:
    settings = Settings(trusted_documents_only=True)
    *_, found = await examine(settings, own_database)
    assert (found.subject, found.ok) == ("documents", False)
    assert found.message == "0 are registered, and nothing else is run"
    assert found.remedy == "Run: billing-gql documents register FILE"
    async with own_database.transaction() as session:
        new = NewDocument("one", "query One { organization { id } }", ("One",))
        await register(session, [new], WallClock().now())
    *_, found = await examine(settings, own_database)
    assert (found.ok, found.message) == (True, "1 are registered, and nothing else is run")
    assert "documents" not in {one.subject for one in await examine(Settings(), own_database)}
