"""The database itself refuses what the code must never do: here the code goes round itself."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.invoices.metered import all_invoices, call, call_plan, grace, send
from tests.support import Api, Json

COPY = """
INSERT INTO invoices ({columns}) SELECT {values} FROM invoices WHERE id = :id
"""


async def sql(api: Api, statement: str, **values: object) -> int:
    """Runs a statement in a transaction of its own; the number of rows that it changed."""
    async with api.database.engine.begin() as connection:
        return (await connection.execute(text(statement), values)).rowcount


async def refused(api: Api, statement: str, words: str, **values: object) -> None:
    """The statement must be refused with these words, and must have aimed at a row."""
    with pytest.raises(DBAPIError, match=words):
        await sql(api, statement, **values)


async def rows(api: Api) -> list[tuple[object, ...]]:
    async with api.database.engine.connect() as connection:
        found = []
        for table in ("invoices", "line_items", "usage_events"):
            statement = f"SELECT to_jsonb(t) FROM {table} t WHERE organization_id = :id ORDER BY 1"
            result = await connection.execute(text(statement), {"id": api.organization_id})
            found += [tuple(row) for row in result]
        return found


@pytest.fixture
async def finalized(api: Api) -> Json:
    """A finalized January with a fixed and a usage line."""
    await grace(api, 0)
    plan = await call_plan(api)
    await api.subscription(await api.customer(), plan, startedAt="2026-01-01T00:00:00Z")
    await send(api, call("1", "2026-01-10T00:00:00Z"), call("2", "2026-01-11T00:00:00Z"))
    await api.advance("2026-02-01T00:00:00Z")
    (invoice,) = await all_invoices(api)
    assert (invoice["status"], invoice["total"]) == ("FINALIZED", "312.00")
    return invoice


FROZEN = [
    "subtotal = subtotal + 1, total = total + 1",
    "total_discount = 1, total = total - 1",
    "total_tax = 1, total = total + 1",
    "total_prepaid_credits_applied = 1, total = total - 1",
    "customer_balance_applied = 1",
    "number = 'ACM-001-999'",
    "currency = 'EUR'",
    "timezone = 'Asia/Tokyo'",
    "issue_date = issue_date + 1",
    "due_date = due_date + 1",
    "due_date = NULL",
    "overdue_at = overdue_at + interval '1 day'",
    "billing_period = NULL",
    "id = 'inv_other'",
    "period_start = period_start - interval '1 day'",
    "period_end = period_end + interval '1 day'",
    "memo = 'other'",
    "seller = jsonb_build_object('name', 'Other')",
    "buyer = jsonb_build_object('name', 'Other')",
    "finalized_at = finalized_at + interval '1 second'",
    "created_at = created_at - interval '1 second'",
    "invoice_type = 'ONE_TIME'",
    "billing_reason = 'MANUAL'",
    "subscription_id = NULL",
    "status = 'DRAFT', number = NULL",
]


@pytest.mark.parametrize("change", FROZEN)
async def test_what_a_finalized_invoice_says_cannot_change(
    api: Api, finalized: Json, change: str
) -> None:
    before = await rows(api)
    await refused(
        api,
        f"UPDATE invoices SET {change} WHERE id = :id",
        "is FINALIZED: what it says cannot change",
        id=finalized["id"],
    )
    assert await rows(api) == before


@pytest.mark.parametrize(
    "change",
    [
        "metadata = jsonb_build_object('a', 1)",
        "amount_paid = 5",
        "total_credited = 5",
        "paid_at = now()",
    ],
)
async def test_later_facts_have_columns_of_their_own(
    api: Api, finalized: Json, change: str
) -> None:
    assert await sql(api, f"UPDATE invoices SET {change} WHERE id = :id", id=finalized["id"]) == 1


LINE_CHANGES = [
    "UPDATE line_items SET amount = amount + 1 WHERE invoice_id = :id",
    "UPDATE line_items SET name = 'Other' WHERE invoice_id = :id",
    "UPDATE line_items SET usage_generation = 99 WHERE invoice_id = :id",
    "DELETE FROM line_items WHERE invoice_id = :id",
    """INSERT INTO line_items (id, organization_id, invoice_id, position, type, name, currency,
         quantity, amount, discount_amount, tax_amount, customer_id, pricing_steps)
       SELECT 'lin_' || :id, organization_id, invoice_id, 9, 'MANUAL', 'More', currency, 1, 0, 0, 0,
         customer_id, '[]' FROM line_items WHERE invoice_id = :id AND type = 'FIXED'""",
]


@pytest.mark.parametrize("statement", LINE_CHANGES)
@pytest.mark.parametrize("status", ["FINALIZED", "VOIDED"])
async def test_the_lines_of_a_finalized_invoice_cannot_change(
    api: Api, finalized: Json, statement: str, status: str
) -> None:
    if status == "VOIDED":
        await api.done("invoiceVoid", "invoice { id }", invoiceId=finalized["id"])
    before = await rows(api)
    await refused(api, statement, f"is {status}: its lines cannot change", id=finalized["id"])
    assert await rows(api) == before


async def test_a_line_cannot_move_to_a_finalized_invoice(api: Api, finalized: Json) -> None:
    draft = await api.one_off({"id": await customer_of(api)}, "5.00")
    await refused(
        api,
        "UPDATE line_items SET invoice_id = :to WHERE invoice_id = :id",
        "its lines cannot change",
        id=draft["id"],
        to=finalized["id"],
    )


async def customer_of(api: Api) -> str:
    data = await api.query('{ customer(externalId: "acme") { id } }')
    found: str = data["customer"]["id"]
    return found


@pytest.mark.parametrize("voided", [False, True])
async def test_only_a_draft_can_be_deleted(api: Api, finalized: Json, voided: bool) -> None:
    if voided:
        await api.done("invoiceVoid", "invoice { id }", invoiceId=finalized["id"])
    await refused(
        api, "DELETE FROM invoices WHERE id = :id", "cannot be deleted", id=finalized["id"]
    )
    draft = await api.one_off({"id": await customer_of(api)}, "5.00")
    assert await sql(api, "DELETE FROM invoices WHERE id = :id", id=draft["id"]) == 1


async def test_a_voided_invoice_stays_voided(api: Api, finalized: Json) -> None:
    await api.done("invoiceVoid", "invoice { id }", invoiceId=finalized["id"])
    for change in ("status = 'FINALIZED', voided_at = NULL", "metadata = '{}'"):
        await refused(
            api,
            f"UPDATE invoices SET {change} WHERE id = :id",
            "is VOIDED: what it says cannot change",
            id=finalized["id"],
        )


FINALIZE = """status = 'FINALIZED', number = 'X-1', issue_date = '2026-02-01',
  due_date = '2026-03-01', finalized_at = now(), seller = '{}', buyer = '{}'"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (f"{FINALIZE}, subtotal = subtotal + 1, total = total + 1", "do not add up"),
        (f"{FINALIZE}, total_tax = 1, total = total + 1", "do not add up"),
        (f"{FINALIZE}, total_discount = 1, total = total - 1", "do not add up"),
        (FINALIZE.replace("number = 'X-1'", "number = NULL"), "ck_invoices_number"),
        (FINALIZE.replace("seller = '{}'", "seller = NULL"), "ck_invoices_finalized"),
        (FINALIZE.replace("'2026-03-01'", "NULL"), "ck_invoices_finalized"),
        ("total = total + 1", "ck_invoices_total"),
        ("total_discount = -1, total = total + 1", "ck_invoices_signs"),
        ("total_discount = 6, total = -1", "ck_invoices_signs"),
        ("customer_balance_applied = 6", "ck_invoices_signs"),
        ("amount_paid = -1", "ck_invoices_signs"),
        ("number = 'X-1'", "ck_invoices_number"),
        ("status = 'VOIDED', number = 'X-1', voided_at = now()", "a draft: it cannot be voided"),
        ("period_start = now(), period_end = now()", "ck_invoices_period"),
        ("amount_due = 1", "can only be updated to DEFAULT"),
    ],
)
async def test_a_draft_cannot_become_what_does_not_hold(api: Api, change: str, words: str) -> None:
    draft = await api.one_off(await api.customer(), "5.00")
    await refused(api, f"UPDATE invoices SET {change} WHERE id = :id", words, id=draft["id"])
    assert await sql(api, f"UPDATE invoices SET {FINALIZE} WHERE id = :id", id=draft["id"]) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("amount = -1", "ck_line_items_negative"),
        ("quantity = -1", "ck_line_items_signs"),
        ("discount_amount = amount + 1", "ck_line_items_signs"),
        ("tax_amount = -1", "ck_line_items_signs"),
        ("type = 'USAGE'", "ck_line_items_usage"),
    ],
)
async def test_a_drafts_line_cannot_be_what_no_line_is(api: Api, change: str, words: str) -> None:
    draft = await api.one_off(await api.customer(), "5.00")
    await refused(
        api, f"UPDATE line_items SET {change} WHERE invoice_id = :id", words, id=draft["id"]
    )


async def copy_of(api: Api, invoice_id: str, words: str | None, **changes: str) -> None:
    """Inserts a copy of the invoice with changed columns; refused with `words` if there are any."""
    async with api.database.engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_name = 'invoices' AND is_generated = 'NEVER'"
            )
        )
        columns = list(found.scalars())
    statement = COPY.format(
        columns=", ".join(columns), values=", ".join(changes.get(one, one) for one in columns)
    )
    if words is None:
        assert await sql(api, statement, id=invoice_id) == 1
    else:
        await refused(api, statement, words, id=invoice_id)


async def test_a_period_of_a_subscription_has_one_invoice(api: Api, finalized: Json) -> None:
    copy = {"id": f"'inv_copy' || '{finalized['id']}'", "number": "'ACM-001-002'"}
    await copy_of(api, finalized["id"], "uq_invoices_subscription_period", **copy)
    draft = {**copy, "status": "'DRAFT'", "number": "NULL"}
    await copy_of(api, finalized["id"], "uq_invoices_subscription_period", **draft)
    await api.done("invoiceVoid", "invoice { id }", invoiceId=finalized["id"])
    again = {**copy, "status": "'FINALIZED'", "voided_at": "NULL"}
    await copy_of(api, finalized["id"], None, **again)


async def test_a_number_is_taken_once_in_an_organization(api: Api, finalized: Json) -> None:
    copy = {"id": "'inv_copy' || id", "period_start": "period_start - interval '1 day'"}
    await copy_of(api, finalized["id"], "uq_invoices_number", **copy)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_events SET timestamp = timestamp + interval '1 day'",
        "UPDATE usage_events SET properties = '{}'",
        "DELETE FROM usage_events",
    ],
)
async def test_usage_events_are_never_changed_or_deleted(
    api: Api, finalized: Json, statement: str
) -> None:
    before = await rows(api)
    await refused(
        api,
        f"{statement} WHERE organization_id = :id",
        "usage events are never changed or deleted",
        id=api.organization_id,
    )
    assert await rows(api) == before
    assert finalized["id"]


async def test_an_event_is_stored_once(api: Api, finalized: Json) -> None:
    columns = "organization_id, transaction_id, customer_id, event_name, timestamp, properties"
    await refused(
        api,
        f"""INSERT INTO usage_events ({columns}, generation, received_at)
            SELECT {columns}, generation, received_at FROM usage_events
            WHERE organization_id = :id AND transaction_id = '1'""",
        "usage_events_pkey",
        id=api.organization_id,
    )
    assert finalized["id"]


async def test_a_period_is_opened_once_and_closed_once(api: Api, finalized: Json) -> None:
    opening = {
        "id": f"'inv_open' || '{finalized['id']}'",
        "number": "'ACM-001-002'",
        "plan_id": "NULL",
        "opens_plan_id": "plan_id",
        "opens_at": "period_start",
        "opens_until": "period_end",
    }
    await copy_of(api, finalized["id"], None, **opening)
    again = {**opening, "id": f"'inv_again' || '{finalized['id']}'", "number": "'ACM-001-003'"}
    await copy_of(api, finalized["id"], "uq_invoices_subscription_opening", **again)
