"""The outbox: what each verb tells, numbered without gaps, and read in a safe order."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.worker import work_once
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.clock import WallClock
from billing_gql.payments.providers import SANDBOX_ONLY
from billing_gql.store.outbox import Event, Position, emit, purge_events, read_events
from billing_gql.store.subjects import Subject
from tests.concurrency.together import at_once
from tests.invoices.metered import call, call_plan, grace, send
from tests.support import Api
from tests.verbs import adjust, coupon, wallet

UPDATE = "invoice.updated"


async def events(api: Api, after: Position | None = None, limit: int = 1000) -> Sequence[Event]:
    """What a reader sees once no older transaction of the server, of whichever database, runs."""
    committed = "SELECT max(transaction) FROM outbox_events WHERE organization_id = :id"
    running = "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
    async with api.database.engine.connect() as connection:
        last = await connection.scalar(text(committed), {"id": api.organization_id})
    for _ in range(6_000):
        async with api.database.engine.connect() as connection:
            oldest = await connection.scalar(text(running))
        if last is None or oldest > last:
            break
        await asyncio.sleep(0.01)
    return await events_now(api, after, limit)


async def events_now(api: Api, after: Position | None = None, limit: int = 1000) -> Sequence[Event]:
    """What a reader sees at once."""
    async with api.database.snapshot() as session:
        return await read_events(session, api.organization_id, after, limit)


async def types(api: Api, stream_id: str) -> list[str]:
    """What was told of an invoice or a wallet; its numbers must have no gaps."""
    found = [one for one in await events(api) if one.stream_id == stream_id]
    assert [one.sequence for one in found] == list(range(1, len(found) + 1))
    return [one.type for one in found]


async def test_each_verb_of_an_invoice_tells_once(api: Api) -> None:
    customer = await api.customer()
    invoice = await api.one_off(customer, "10.00")
    at = {"invoiceId": invoice["id"]}
    line = {"name": "More", "amount": "5.00"}
    added = await api.done("invoiceLineItemCreate", "lineItem { id }", **at, lineItem=line)
    await api.done("invoiceUpdate", "invoice { id }", **at, memo="Thanks")
    await api.done("invoiceRefresh", "invoice { id }", **at)
    gone = {"lineItemId": added["lineItem"]["id"]}
    await api.done("invoiceLineItemDelete", "invoice { id }", **gone)
    await coupon(api, "OFF", amount="1.00", invoice_id=invoice["id"])
    await api.done("invoiceFinalize", "invoice { id }", **at)
    await api.done("invoiceUpdate", "invoice { id }", **at, metadata={"a": "b"})
    await api.done("invoiceVoid", "invoice { id }", **at)
    told = ["invoice.created", *[UPDATE] * 5, "invoice.finalized", UPDATE, "invoice.voided"]
    assert await types(api, invoice["id"]) == told
    finalized = (await events(api))[6]
    assert finalized.subject_kind is Subject.INVOICE
    assert (finalized.subject_id, finalized.invoice_id) == (invoice["id"], invoice["id"])
    assert finalized.happened_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert abs(WallClock().now() - finalized.created_at) < timedelta(minutes=1)
    assert finalized.payload == {
        "number": "ACM-001-001",
        "status": "FINALIZED",
        "paymentStatus": "PENDING",
        "invoiceType": "ONE_TIME",
        "billingReason": "MANUAL",
        "customerId": customer["id"],
        "subscriptionId": None,
        "currency": "USD",
        "subtotal": "10.00",
        "totalDiscount": "1.00",
        "totalTax": "0.00",
        "totalPrepaidCreditsApplied": "0.00",
        "total": "9.00",
        "customerBalanceApplied": "0.00",
        "totalCredited": "0.00",
        "amountDue": "9.00",
        "amountPaid": "0.00",
        "issueDate": "2026-01-01",
        "dueDate": "2026-01-31",
        "periodStart": None,
        "periodEnd": None,
    }


async def test_money_that_moves_tells_of_itself_and_of_its_invoice(api: Api) -> None:
    customer = await api.customer()
    method = {"customerId": customer["id"], "provider": "SANDBOX"}
    await api.done("customerPaymentMethodSet", "customer { id }", **method, token="pm_recovers")
    invoice = await api.one_off(customer, "10.00", finalize=True)
    at = {"invoiceId": invoice["id"]}
    await api.advance("2026-01-02T00:00:00Z")
    await api.done("paymentRecord", "payment { id }", **at, amount="4.00")
    line = {"lineItemId": invoice["lineItems"][0]["id"], "amount": "1.00"}
    note = {"reason": "OTHER", "settlement": "OFFSET", "lineItems": [line]}
    await api.done("creditNoteCreate", "creditNote { id }", **at, **note)
    await api.done("invoiceMarkUncollectible", "invoice { id }", **at)
    await api.done("invoiceRetryPayment", "payment { id }", **at)
    await api.advance("2026-01-03T00:00:00Z")
    told = await types(api, invoice["id"])
    assert told == [
        "invoice.created",
        "invoice.finalized",
        *["payment.processing", UPDATE, "payment.failed", UPDATE],
        *["payment.succeeded", UPDATE],
        *["credit_note.created", UPDATE],
        "invoice.marked_uncollectible",
        *["payment.processing", UPDATE, "payment.succeeded", "invoice.paid"],
    ]
    found = {one.type: one for one in await events(api)}
    assert found["credit_note.created"].payload["total"] == "1.00"
    assert found["payment.succeeded"].payload["amount"] == "5.00"
    assert found["payment.failed"].payload["state"] == "FAILED"
    paid = found["invoice.paid"].payload
    assert (paid["paymentStatus"], paid["amountDue"], paid["amountPaid"]) == (
        "PAID",
        "9.00",
        "9.00",
    )


async def test_a_deleted_draft_and_one_finalized_at_once(api: Api) -> None:
    customer = await api.customer()
    draft = await api.one_off(customer, "10.00")
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=draft["id"])
    assert await types(api, draft["id"]) == ["invoice.created", "invoice.deleted"]
    final = await api.one_off(customer, "10.00", finalize=True)
    assert await types(api, final["id"]) == ["invoice.created", "invoice.finalized"]


async def test_the_billing_run_tells_what_it_does(api: Api) -> None:
    await grace(api, 1)
    plan = await call_plan(api)
    await api.subscription(await api.customer(), plan, startedAt="2026-01-01T00:00:00Z")
    await api.advance("2026-02-01T00:00:00Z")
    (draft,) = await api.invoices()
    assert await types(api, draft["id"]) == ["invoice.created"]
    await send(api, call("late", "2026-01-31T23:00:00Z"))
    await api.advance("2026-02-02T00:00:00Z")
    told = ["invoice.created", UPDATE, "invoice.finalized"]
    assert await types(api, draft["id"]) == told


async def test_wallets_tell_every_movement(api: Api) -> None:
    customer = await api.customer()
    ends = datetime(2026, 2, 1, tzinfo=UTC)
    full = await wallet(api, customer["id"], "5.00", expires_at=ends)
    empty = await wallet(api, customer["id"], expires_at=ends)
    await adjust(api, customer["id"], "1.00")  # a balance is none of the subjects
    invoice = await api.one_off(customer, "3.00", finalize=True)
    await api.done("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])
    await api.advance("2026-02-01T00:00:00Z")
    told = ["created", "topped_up", "drawn", "returned", "expired"]
    assert await types(api, full) == [f"wallet.{one}" for one in told]
    assert await types(api, empty) == ["wallet.created", "wallet.expired"]
    drawn = next(one for one in await events(api) if one.type == "wallet.drawn")
    assert (drawn.subject_kind, drawn.subject_id) == (Subject.WALLET, full)
    assert drawn.invoice_id == invoice["id"]
    assert drawn.payload == {
        "customerId": customer["id"],
        "currency": "USD",
        "amount": "-3.00",
        "balance": "2.00",
    }


async def test_concurrent_changes_are_numbered_without_gaps(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10.00")
    await at_once(
        [
            api.mutate("invoiceUpdate", "invoice { id }", invoiceId=invoice["id"], memo=f"{n}")
            for n in range(32)
        ]
    )
    assert await types(api, invoice["id"]) == ["invoice.created", *[UPDATE] * 32]


async def test_a_change_that_is_refused_or_undone_tells_nothing(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10.00")
    await api.mutate("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])
    with pytest.raises(RuntimeError, match="on the way"):
        async with api.database.transaction() as session:
            await emit_one(session, api, invoice["id"])
            raise RuntimeError("on the way")
    await api.done("invoiceFinalize", "invoice { id }", invoiceId=invoice["id"])
    assert await types(api, invoice["id"]) == ["invoice.created", "invoice.finalized"]


async def emit_one(session: AsyncSession, api: Api, stream: str, type: str = UPDATE) -> None:
    actor = Actor(api.organization_id, is_test=True, now=datetime(2026, 1, 1, tzinfo=UTC))
    await emit(session, actor, Subject.INVOICE, stream, type, {}, invoice_id=stream)


async def test_an_event_needs_its_invoice(api: Api) -> None:
    actor = Actor(api.organization_id, is_test=True, now=datetime(2026, 1, 1, tzinfo=UTC))
    async with api.database.transaction() as session:
        with pytest.raises(ValueError, match="needs its invoice"):
            await emit(session, actor, Subject.PAYMENT, "pay_1", "payment.created", {})
        for limit in (0, 1001):
            with pytest.raises(ValueError, match="from 1 to 1000"):
                await read_events(session, api.organization_id, None, limit)


async def test_what_an_open_transaction_may_come_before_is_held_back(api: Api) -> None:
    async with api.database.transaction() as slow:
        await emit_one(slow, api, "inv_slow")
        async with api.database.transaction() as quick:
            await emit_one(quick, api, "inv_quick")
        assert await events_now(api) == []
    assert [one.stream_id for one in await events(api)] == ["inv_slow", "inv_quick"]


async def test_an_older_transaction_that_waits_for_a_stream_comes_after_it(api: Api) -> None:
    async with api.database.transaction() as older:
        await emit_one(older, api, "inv_own")
        async with api.database.transaction() as newer:
            await emit_one(newer, api, "inv_both", "first")
        await emit_one(older, api, "inv_both", "second")
    assert [(one.stream_id, one.type) for one in await events(api)] == [
        ("inv_own", UPDATE),
        ("inv_both", "first"),
        ("inv_both", "second"),
    ]


async def test_a_reader_sees_all_in_order_while_others_write(api: Api) -> None:
    streams, writers, each = 5, 8, 25
    seen: list[Event] = []
    writing = True

    async def write(writer: int) -> None:
        for n in range(each):
            async with api.database.transaction() as session:
                first = (writer * 7 + n) % streams
                # In one order, as locks are taken everywhere.
                for stream in sorted({first, (first + n) % streams}):
                    await emit_one(session, api, f"inv_{api.organization_id}_{stream}")
                await asyncio.sleep(0.001 * (n % 3))

    async def read() -> None:
        while True:
            last = not writing
            look = events if last else events_now
            found = await look(api, seen[-1].position if seen else None, 7)
            seen.extend(found)
            if last and not found:
                return

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    writing = False
    await reading
    assert [one.position for one in seen] == sorted({one.position for one in seen})
    by_stream: dict[str, list[int]] = {}
    for one in seen:
        by_stream.setdefault(one.stream_id, []).append(one.sequence)
    assert len(by_stream) == streams
    for numbers in by_stream.values():
        assert numbers == list(range(1, len(numbers) + 1))
    async with api.database.engine.connect() as connection:
        count = "SELECT count(*) FROM outbox_events WHERE organization_id = :id"
        written = await connection.scalar(text(count), {"id": api.organization_id})
    assert len(seen) == written


async def test_another_organization_reads_nothing(api: Api, other: Api) -> None:
    await api.one_off(await api.customer(), "10.00")
    assert len(await events(api)) == 1
    assert await events(other) == []


async def sql(api: Api, *statements: str) -> None:
    async with api.database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement), {"id": api.organization_id})


@pytest.mark.parametrize(
    "change", ["UPDATE outbox_events SET type = ''", "DELETE FROM outbox_events"]
)
async def test_events_are_never_changed_and_kept_for_a_while(api: Api, change: str) -> None:
    await api.one_off(await api.customer(), "10.00")
    with pytest.raises(DBAPIError, match="events of the outbox are never changed"):
        await sql(api, f"{change} WHERE organization_id = :id")


async def test_the_worker_purges_what_is_old_and_numbers_go_on(alone: Api) -> None:
    customer = await alone.customer()
    invoice = await alone.one_off(customer, "10.00")
    await sql(
        alone,
        "ALTER TABLE outbox_events DISABLE TRIGGER USER",
        "UPDATE outbox_events SET created_at = created_at - interval '31 days'"
        " WHERE organization_id = :id",
        "ALTER TABLE outbox_events ENABLE TRIGGER USER",
    )
    kept = await alone.one_off(customer, "10.00")
    await work_once(alone.database, SANDBOX_ONLY, "outbox")
    assert [one.stream_id for one in await events(alone)] == [kept["id"]]
    await alone.done("invoiceUpdate", "invoice { id }", invoiceId=invoice["id"], memo="More")
    (found,) = [one for one in await events(alone) if one.stream_id == invoice["id"]]
    assert found.sequence == 2
    async with alone.database.transaction() as session:
        assert await purge_events(session, WallClock().now()) == 0
