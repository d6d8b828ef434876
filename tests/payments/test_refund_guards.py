"""The database itself refuses that a refund is lost, changed, doubled or beyond its payment."""

import pytest

from tests.payments.refunding import paid, refund
from tests.payments.test_guards import refused
from tests.support import Api

COPY = """
INSERT INTO refunds (id, organization_id, customer_id, invoice_id, credit_note_id, payment_id,
  provider, state, currency, amount, attempt, provider_reference, refunded_at, next_check_at,
  failure_reason, checks, started_at, created_at, updated_at)
SELECT 'rfd_copy' || id, organization_id, customer_id, invoice_id, {note}, {payment}, {provider},
  state, {currency}, {amount}, {attempt}, {reference}, refunded_at, next_check_at, failure_reason,
  checks, started_at, created_at, updated_at
FROM refunds WHERE id = :id
"""
AS_IT_IS = {
    "note": "credit_note_id",
    "payment": "payment_id",
    "provider": "provider",
    "currency": "currency",
    "amount": "amount",
    "attempt": "attempt",
    "reference": "NULL",
}
BALANCE_NOTE = """(SELECT n.id FROM credit_notes AS n WHERE n.invoice_id = refunds.invoice_id
  AND settlement = 'BALANCE')"""


def copy(**values: str) -> str:
    return COPY.format(**{**AS_IT_IS, **values})


def change(what: str) -> str:
    return f"UPDATE refunds SET {what} WHERE id = :id"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM refunds WHERE id = :id", "refunds are never deleted"),
        (change("amount = 1"), "what refund .* gives back cannot change"),
        (change("payment_id = NULL"), "what refund .* gives back cannot change"),
        (change("provider = 'MANUAL'"), "is made by SANDBOX"),
        (change("attempt = 2"), "is tried again once it has failed"),
        (
            change("state = 'FAILED', failure_reason = 'x', refunded_at = NULL"),
            "it cannot become FAILED",
        ),
        (
            change("state = 'PROCESSING', next_check_at = now(), refunded_at = NULL"),
            "it cannot become PROCESSING",
        ),
        (change("state = 'REFUNDED'"), "cannot become REFUNDED"),
        (change("refunded_at = NULL"), "ck_refunds_state"),
        (change("next_check_at = now()"), "ck_refunds_state"),
        (change("failure_reason = 'x'"), "ck_refunds_state"),
        (copy(amount="0"), "ck_refunds_amount"),
        (copy(attempt="NULL"), "ck_refunds_provider"),
        (copy(payment="NULL", attempt="NULL"), "ck_refunds_provider"),
        (copy(reference="provider_reference"), "uq_refunds_provider_reference"),
        (copy(amount="60.01"), "the refunds of payment .* are more than it"),
        (copy(amount="59"), "the refunds of credit note .* do not add up"),
        (
            copy(payment="NULL", attempt="NULL", provider="'MANUAL'"),
            "the refunds of credit note .* do not add up",
        ),
        (copy(currency="'EUR'"), "is not of its credit note"),
        (copy(note=BALANCE_NOTE), "is not of its credit note"),
        (copy(provider="'OTHER'"), "is not of what payment .* brought in"),
    ],
)
async def test_a_refund_stays_what_it_is(api: Api, statement: str, words: str) -> None:
    invoice = await paid(api)
    (made,) = await refund(api, invoice, "40")
    line = {"lineItemId": invoice["lineItems"][0]["id"], "amount": "1"}
    note = {"reason": "OTHER", "settlement": "BALANCE", "lineItems": [line]}
    await api.done("creditNoteCreate", "creditNote { id }", invoiceId=invoice["id"], **note)
    await refused(api, statement, words, made)


async def test_a_refund_that_failed_is_tried_again_as_the_next_attempt(api: Api) -> None:
    (made,) = await refund(api, await paid(api, "pm_no_refund"), "40")
    again = "state = 'PROCESSING', next_check_at = now(), failure_reason = NULL"
    by_hand = "state = 'SUCCEEDED', refunded_at = now(), failure_reason = NULL, provider = "
    for what in (again, f"{again}, attempt = 3", f"{by_hand} 'MANUAL', attempt = 2"):
        await refused(api, change(what), "and counts that", made)
    await refused(api, change(f"{by_hand} 'OTHER'"), "is made by SANDBOX", made)


async def test_a_payment_is_refunded_when_all_of_it_went_back_and_not_before(api: Api) -> None:
    invoice = await paid(api)
    (made,) = await refund(api, invoice, "40")
    payment = made["payment"]
    early = "UPDATE payments SET state = 'REFUNDED' WHERE id = :id"
    await refused(api, early, "before all of it has gone back", payment)
    (failed,) = await refund(api, await paid(api, "pm_no_refund", "globex"), "100")
    late = "state = 'SUCCEEDED', refunded_at = now(), failure_reason = NULL"
    await refused(api, change(late), "all of payment .* has gone back", failed)
