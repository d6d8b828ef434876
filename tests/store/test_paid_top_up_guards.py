"""The database itself refuses that prepaid credit is given twice, or taken back once given."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.graph.test_paid_top_up_mutations import buy
from tests.graph.wallets import adjust, wallet
from tests.support import Api


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE invoices SET wallet_id = NULL WHERE id = :paid", "wallet of invoice .* cannot"),
        (
            "UPDATE invoices SET wallet_id = :other WHERE id = :unpaid",
            "wallet of invoice .* cannot",
        ),
        (
            "UPDATE invoices SET wallet_id = :other WHERE id = :usual",
            "wallet of invoice .* cannot",
        ),
        (
            "UPDATE invoices SET status = 'VOIDED', voided_at = now() WHERE id = :paid",
            "has given the credit",
        ),
        ("UPDATE invoices SET credited = 1 WHERE id = :paid", "has given the credit"),
        (
            """INSERT INTO ledger_entries SELECT (jsonb_populate_record(e, jsonb_build_object(
                 'id', 'wtx_again', 'sequence', e.sequence + 1,
                 'starting_balance', e.ending_balance, 'ending_balance',
                 e.ending_balance + e.amount))).*
               FROM ledger_entries AS e WHERE invoice_id = :paid AND kind = 'WALLET'""",
            "uq_entries_bought",
        ),
        (
            "UPDATE invoices SET invoice_type = 'CREDIT' WHERE id = :draft",
            "ck_invoices_wallet",
        ),
    ],
)
async def test_the_database_refuses_what_the_code_never_does(
    api: Api, statement: str, words: str
) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    await adjust(api, customer, "5")
    paid, unpaid = [(await buy(api, credit, "5"))["invoice"] for _ in range(2)]
    ids = {
        "paid": paid["id"],
        "unpaid": unpaid["id"],
        "other": await wallet(api, customer),
        "usual": (await api.one_off(customer, "1", finalize=True))["id"],
        "draft": (await api.one_off(customer, "1"))["id"],
    }
    before = await api.stored()
    named = {name: one for name, one in ids.items() if f":{name}" in statement}
    with pytest.raises(DBAPIError, match=words):
        async with api.database.engine.begin() as connection:
            await connection.execute(text(statement), named)
    assert await api.stored() == before
