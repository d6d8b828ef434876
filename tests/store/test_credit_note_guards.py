"""The database refuses what no credit note and no invoice that is given up may be."""

import pytest

from tests.store.test_guards import refused, sql
from tests.support import Api, Json

NOTE = """
WITH note AS (
  INSERT INTO credit_notes (id, organization_id, invoice_id, number, reason, settlement, currency,
    subtotal, total_tax, total, created_at)
  SELECT 'crn_' || i.id, i.organization_id, i.id, {number}, 'OTHER', '{settlement}', 'USD',
    {subtotal}, {tax}, {total}, now() FROM invoices AS i WHERE i.id = :id RETURNING id)
SELECT id FROM note
"""
LINE = """
INSERT INTO credit_note_line_items (credit_note_id, line_item_id, organization_id, position,
  currency, amount, tax_amount)
SELECT n.id, l.id, n.organization_id, 9, {currency}, {amount}, {tax}
FROM credit_notes AS n JOIN line_items AS l ON l.id = :line
WHERE n.id = {note}
"""


@pytest.fixture
async def invoice(api: Api) -> Json:
    """A finalized invoice of 10.00 and 5.00; a note gives back 4.00 of the first line."""
    found = await api.one_off(await api.customer(), "10.00", "5.00", finalize=True)
    await api.done("creditNoteCreate", "creditNote { id }", **note_of(found, "4.00", "OFFSET"))
    return found


def note_of(invoice: Json, amount: str, settlement: str) -> Json:
    lines = [{"lineItemId": invoice["lineItems"][0]["id"], "amount": amount}]
    values = {"invoiceId": invoice["id"], "reason": "OTHER", "settlement": settlement}
    return {**values, "lineItems": lines}


def note(
    subtotal: str, tax: str = "0", total: str | None = None, settlement: str = "BALANCE"
) -> str:
    return NOTE.format(
        number="'X-1'",
        settlement=settlement,
        subtotal=subtotal,
        tax=tax,
        total=total or f"{subtotal} + {tax}",
    )


@pytest.mark.parametrize("table", ["credit_notes", "credit_note_line_items"])
async def test_credit_notes_are_never_changed_or_deleted(
    api: Api, invoice: Json, table: str
) -> None:
    changed = "reason = 'DUPLICATE'" if table == "credit_notes" else "amount = amount + 1"
    for statement in (f"UPDATE {table} SET {changed}", f"DELETE FROM {table}"):
        await refused(
            api,
            f"{statement} WHERE organization_id = :id",
            "credit notes are never changed or deleted",
            id=api.organization_id,
        )
    assert invoice["id"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (note("1", total="2"), "ck_credit_notes_total"),
        (note("0"), "ck_credit_notes_total"),
        (note("1", "-1"), "ck_credit_notes_total"),
        (note("1"), "do not add up to it"),
    ],
)
async def test_a_note_is_the_sum_of_its_lines(
    api: Api, invoice: Json, statement: str, words: str
) -> None:
    await refused(api, statement, words, id=invoice["id"])


async def test_a_number_of_a_note_is_taken_once(api: Api, invoice: Json) -> None:
    statement = note("1").replace("'X-1'", "'ACM-CN-001'")
    await refused(api, statement, "uq_credit_notes_number", id=invoice["id"])


@pytest.mark.parametrize(
    ("settlement", "subtotal", "amount", "tax", "columns", "words"),
    [
        ("BALANCE", "6.01", "6.01", "0", "credited = credited + 6.01", "beyond what is left"),
        ("BALANCE", "6", "6", "0.01", "credited = credited + 6", "beyond what is left"),
        ("BALANCE", "5", "5.01", "0", "credited = credited + 5", "are more than it"),
        ("BALANCE", "5", "4.99", "0", "credited = credited + 5", "do not add up to it"),
        ("BALANCE", "5", "5", "0", "metadata = '{}'", "does not say what its credit notes"),
        ("OFFSET", "5", "5", "0", "credited = credited + 5", "does not say what its credit"),
        ("BALANCE", "5", "0", "0", "credited = credited + 5", "ck_credit_note_line_items_signs"),
        (
            "REFUND",
            "5",
            "5",
            "0",
            "credited = credited + 5, refunded = 5, amount_paid = 5",
            "the refunds of credit note .* do not add up to it",
        ),
        ("BALANCE", "5", "5", "0", "credited = credited + 5", None),
    ],
)
async def test_what_is_left_of_a_line_holds_against_sql(
    api: Api,
    invoice: Json,
    settlement: str,
    subtotal: str,
    amount: str,
    tax: str,
    columns: str,
    words: str | None,
) -> None:
    making = note(subtotal, tax, settlement=settlement).replace("SELECT id FROM note", "")
    making = making.replace("WITH note AS (", "").rstrip().removesuffix(")")
    values = {"id": invoice["id"], "line": invoice["lineItems"][0]["id"]}
    block = [
        making.replace("RETURNING id", ""),
        f"UPDATE invoices SET {columns} WHERE id = :id",
        LINE.format(currency="'USD'", amount=amount, tax=tax, note="'crn_' || :id"),
    ]
    body = ";".join(block)
    for name, value in values.items():
        body = body.replace(f":{name}", f"'{value}'")
    statement = f"DO $do$ BEGIN {body}; END $do$"
    if words is None:
        await sql(api, statement)
    else:
        await refused(api, statement, words)


async def test_no_line_is_put_on_a_note_afterwards(api: Api, invoice: Json) -> None:
    mine = "(SELECT id FROM credit_notes WHERE invoice_id = :id)"
    more = LINE.format(currency="'USD'", amount="1", tax="0", note=mine)
    first, second = (line["id"] for line in invoice["lineItems"])
    await refused(api, more, "credit_note_line_items_pkey", id=invoice["id"], line=first)
    await refused(api, more, "are more than it", id=invoice["id"], line=second)
    other = LINE.format(currency="'EUR'", amount="1", tax="0", note=mine)
    await refused(api, other, "is not of the invoice of note", id=invoice["id"], line=second)


async def test_a_line_of_another_invoice_is_not_credited(api: Api, invoice: Json) -> None:
    neighbour = await api.one_off(await api.customer("globex"), "5.00", finalize=True)
    mine = "(SELECT id FROM credit_notes WHERE invoice_id = :id)"
    await refused(
        api,
        LINE.format(currency="'USD'", amount="1", tax="0", note=mine),
        "is not of the invoice of note",
        id=invoice["id"],
        line=neighbour["lineItems"][0]["id"],
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("credited = credited - 1", "what was credited stays credited"),
        ("total_credited = total_credited - 1", "what was credited stays credited"),
        ("credited = 15.01", "ck_invoices_credited"),
        ("refunded = 0.01", "ck_invoices_credited"),
        ("status = 'VOIDED', voided_at = now()", "is paid or credited: it cannot be voided"),
        ("amount_paid = 11, status = 'UNCOLLECTIBLE'", "cannot be given up"),
    ],
)
async def test_what_was_credited_binds_the_invoice(
    api: Api, invoice: Json, change: str, words: str
) -> None:
    await refused(api, f"UPDATE invoices SET {change} WHERE id = :id", words, id=invoice["id"])


async def test_a_paid_invoice_is_not_voided(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10.00", finalize=True)
    change = "UPDATE invoices SET {} WHERE id = :id"
    await sql(api, change.format("amount_paid = 1"), id=invoice["id"])
    voiding = change.format("status = 'VOIDED', voided_at = now()")
    await refused(api, voiding, "is paid or credited", id=invoice["id"])


async def test_a_draft_is_not_given_up(api: Api) -> None:
    draft = await api.one_off(await api.customer(), "10.00")
    change = "UPDATE invoices SET status = 'UNCOLLECTIBLE', number = 'X-1' WHERE id = :id"
    await refused(api, change, "is a draft: it cannot be given up", id=draft["id"])


async def test_what_is_given_up_is_frozen_until_it_is_settled_or_voided(
    api: Api, invoice: Json
) -> None:
    change = "UPDATE invoices SET {} WHERE id = :id"
    await api.done("invoiceMarkUncollectible", "invoice { id }", invoiceId=invoice["id"])
    for frozen in ("memo = 'other'", "total_tax = 1, total = total + 1", "number = 'X-9'"):
        words = "is UNCOLLECTIBLE: what it says cannot change"
        await refused(api, change.format(frozen), words, id=invoice["id"])
    await refused(
        api,
        "DELETE FROM line_items WHERE invoice_id = :id",
        "is UNCOLLECTIBLE: its lines cannot change",
        id=invoice["id"],
    )
    back = change.format("status = 'FINALIZED'")
    await refused(api, back, "is given up until it is settled", id=invoice["id"])
    settled = change.format("status = 'FINALIZED', amount_paid = 11")
    assert await sql(api, settled, id=invoice["id"]) == 1
