"""The database refuses a ledger that does not hold: here the code goes round itself."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.graph.wallets import adjust, coupon, done_with, tax_rate, wallet
from tests.ledger.books import assert_books_balance
from tests.support import Api, Json


async def refused(api: Api, words: str, *statements: str, **values: object) -> None:
    """The statements, in one transaction, must be refused and leave nothing."""
    before = await api.stored()
    with pytest.raises(DBAPIError, match=words):
        async with api.database.engine.begin() as connection:
            for statement in statements:
                found = await connection.execute(
                    text(statement), {"id": api.organization_id, **values}
                )
                assert found.rowcount > 0
    assert await api.stored() == before


@pytest.fixture
async def kept(api: Api) -> Json:
    """A customer with a balance and a wallet, moved twice each, once by a finalized invoice."""
    customer = await api.customer()
    await adjust(api, customer, "5")
    await wallet(api, customer, "10", scope="ALL")
    ten = await coupon(api, "ten", amountOff="10")
    await tax_rate(api, "vat", "20", isDefault=True)
    invoice = await api.one_off(customer, "22", finalize=True, couponIds=[ten])
    await assert_books_balance(api)
    return invoice


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET description = 'other' WHERE organization_id = :id",
        "UPDATE ledger_entries SET amount = amount + 1, ending_balance = ending_balance + 1"
        " WHERE organization_id = :id",
        "DELETE FROM ledger_entries WHERE organization_id = :id",
        "DELETE FROM ledger_entries WHERE organization_id = :id AND kind = 'WALLET'",
    ],
)
async def test_entries_are_never_changed_or_deleted(api: Api, kept: Json, statement: str) -> None:
    await refused(api, "ledger entries are never changed or deleted", statement)
    assert kept["id"]


ENTRY = """INSERT INTO ledger_entries (id, organization_id, customer_id, movement_id, account_id,
    sequence, kind, wallet_id, reason, currency, amount, starting_balance, ending_balance,
    created_at)
  SELECT 'ent_' || a.id || :id, a.organization_id, a.customer_id, 'mov_' || a.organization_id, a.id,
    a.entry_count + {after}, a.kind, a.wallet_id, 'MANUAL_ADJUSTMENT', a.currency, {amount},
    a.balance + {off}, a.balance + {off} + {amount}, now()
  FROM ledger_accounts AS a WHERE a.organization_id = :id AND a.kind = '{kind}'"""
ACCOUNT = """UPDATE ledger_accounts SET balance = balance + {amount},
    entry_count = entry_count + {after} WHERE organization_id = :id AND kind = '{kind}'"""


def movement(kind: str, amount: str, *, after: int = 1, off: str = "0") -> list[str]:
    """An entry of an account, and the account as it is after it."""
    values = {"kind": kind, "amount": amount, "after": after, "off": off}
    return [ENTRY.format(**values), ACCOUNT.format(**values)]


async def test_a_movement_that_sums_to_zero_is_taken(api: Api, kept: Json) -> None:
    async with api.database.engine.begin() as connection:
        for statement in (*movement("BALANCE", "3"), *movement("ADJUSTMENTS", "-3")):
            await connection.execute(text(statement), {"id": api.organization_id})
    await assert_books_balance(api)
    assert kept["id"]


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (movement("BALANCE", "3"), "sum to 3"),
        ([*movement("BALANCE", "3"), *movement("ADJUSTMENTS", "-2")], "sum to 1"),
        (
            [*movement("BALANCE", "3", off="1"), *movement("ADJUSTMENTS", "-3")],
            "does not start where the one before it ends",
        ),
        (
            [*movement("BALANCE", "3", after=2), *movement("ADJUSTMENTS", "-3")],
            "does not start where the one before it ends",
        ),
        (
            [movement("BALANCE", "3")[0], *movement("ADJUSTMENTS", "-3")],
            "is not where its last entry ends",
        ),
        ([*movement("BALANCE", "3", after=0), *movement("ADJUSTMENTS", "-3")], "uq_entries"),
        (
            [*movement("WALLET", "-10.01"), *movement("INVOICES", "10.01")],
            "ck_accounts_balance",
        ),
        (movement("BALANCE", "0"), "ck_entries_amount"),
        (
            [
                ENTRY.replace("+ {off} + {amount}, now()", "+ 1, now()").format(
                    kind="BALANCE", amount="3", after=1, off="0"
                )
            ],
            "ck_entries_balance",
        ),
    ],
)
async def test_a_movement_that_does_not_hold_is_refused(
    api: Api, kept: Json, statements: list[str], words: str
) -> None:
    await refused(api, words, *statements)
    assert kept["id"]


async def test_an_account_cannot_move_without_an_entry(api: Api, kept: Json) -> None:
    await refused(
        api,
        "is not where its last entry ends",
        "UPDATE ledger_accounts SET balance = balance + 1"
        " WHERE organization_id = :id AND kind = 'BALANCE'",
    )
    assert kept["id"]


@pytest.mark.parametrize("voided", [False, True])
@pytest.mark.parametrize("table", ["coupon_applications", "invoice_taxes"])
async def test_what_was_applied_is_frozen_with_its_invoice(
    api: Api, kept: Json, table: str, voided: bool
) -> None:
    if voided:
        await done_with(api, "invoiceVoid", kept)
    for statement in (f"UPDATE {table} SET amount = amount + 1", f"DELETE FROM {table}"):
        await refused(api, "cannot change", f"{statement} WHERE organization_id = :id")
