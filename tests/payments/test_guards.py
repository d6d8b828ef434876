"""The database itself refuses that a payment is lost, changed or counted twice."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing_gql.billing_runs.run import run_due
from billing_gql.payments.providers import SANDBOX_ONLY
from tests.payments.paying import read, record, set_method
from tests.support import Api, Json

COPY = """
INSERT INTO payments (id, organization_id, customer_id, invoice_id, provider, state, currency,
  amount, attempt, token, provider_reference, received_at, next_check_at, checks, created_at,
  updated_at)
SELECT 'pay_copy' || id, organization_id, customer_id, invoice_id, provider, state, currency,
  amount, {attempt}, token, {reference}, received_at, next_check_at, checks, created_at, updated_at
FROM payments WHERE id = :id
"""


async def refused(api: Api, statement: str, words: str, payment: Json) -> None:
    """The statement must be refused with these words, at the commit at the latest."""
    before = await api.stored()
    with pytest.raises(DBAPIError, match=words):
        async with api.database.engine.begin() as connection:
            await connection.execute(text(statement), {"id": payment["id"]})
    assert await api.stored() == before


async def attempt(api: Api, token: str) -> Json:
    """The attempt to collect an invoice."""
    customer = await api.customer()
    await set_method(api, customer, token)
    invoice = await api.one_off(customer, "100", finalize=True)
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    (payment,) = (await read(api, invoice))["payments"]
    found: Json = payment
    return found


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM payments WHERE id = :id", "never deleted"),
        ("UPDATE payments SET amount = 1 WHERE id = :id", "what payment .* is for"),
        ("UPDATE payments SET currency = 'EUR' WHERE id = :id", "what payment .* is for"),
        ("UPDATE payments SET provider = 'STRIPE' WHERE id = :id", "what payment .* is for"),
        (
            "UPDATE payments SET state = 'FAILED', failure_reason = 'x', received_at = NULL"
            " WHERE id = :id",
            "cannot become FAILED",
        ),
        (
            "UPDATE payments SET state = 'PROCESSING', next_check_at = now(), received_at = NULL"
            " WHERE id = :id",
            "cannot become PROCESSING",
        ),
        ("UPDATE payments SET received_at = NULL WHERE id = :id", "ck_payments_state"),
        ("UPDATE payments SET failure_reason = 'x' WHERE id = :id", "ck_payments_state"),
        (COPY.format(attempt=1, reference="NULL"), "uq_payments_attempt"),
        (COPY.format(attempt=2, reference="provider_reference"), "uq_payments_provider_reference"),
        (COPY.format(attempt=2, reference="NULL"), "its payments sum to 200"),
        (COPY.format(attempt="NULL", reference="NULL"), "ck_payments_provider"),
    ],
)
async def test_a_success_stays_what_it_is(api: Api, statement: str, words: str) -> None:
    await refused(api, statement, words, await attempt(api, "pm_ok"))


async def test_a_second_attempt_under_way_is_refused(api: Api) -> None:
    payment = await attempt(api, "pm_processing")
    await refused(api, COPY.format(attempt=2, reference="NULL"), "uq_payments_processing", payment)


async def test_a_success_that_the_invoice_does_not_count_is_refused(api: Api) -> None:
    payment = await attempt(api, "pm_declined")
    statement = (
        "UPDATE payments SET state = 'SUCCEEDED', failure_reason = NULL, received_at = now()"
        " WHERE id = :id"
    )
    await refused(api, statement, "its payments sum to 100", payment)


async def test_a_payment_by_hand_is_no_attempt(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "100", finalize=True)
    payment = (await record(api, invoice))["payment"]
    for change in ("attempt = 1", "token = 'pm_ok'"):
        await refused(
            api, f"UPDATE payments SET {change} WHERE id = :id", "what payment .* is for", payment
        )


@pytest.mark.parametrize(
    ("change", "guard"),
    [
        ("payment_token = NULL", "payment_method"),
        ("payment_provider = NULL", "payment_method"),
        ("payment_provider = 'MANUAL'", "payment_method"),
        ("payment_provider = 'STRIPE'", "payment_customer"),
        ("payment_customer = 'cus_1'", "payment_customer"),
    ],
)
async def test_half_a_method_is_none(api: Api, change: str, guard: str) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    await refused(
        api,
        f"UPDATE customers SET {change} WHERE id = :id",
        f"ck_customers_{guard}",
        customer,
    )


async def test_what_was_asked_of_a_customer_at_the_provider_stays_so(api: Api) -> None:
    payment = await attempt(api, "pm_ok")
    statement = "UPDATE payments SET provider_customer = 'cus_1' WHERE id = :id"
    await refused(api, statement, "what payment .* is for", payment)
