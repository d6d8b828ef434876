"""Refunds against each other, against a late payment, and by workers side by side: real commits.

The books are checked after each of these tests, by the fixture in conftest.
"""

import asyncio
from decimal import Decimal

import pytest

from billing_gql.billing_runs.run import run_due
from billing_gql.payments.providers import SANDBOX_ONLY
from tests.concurrency.together import at_once
from tests.payments.paying import Forgetful, set_method
from tests.payments.refunding import (
    NOTE,
    failed_refunds,
    late_success,
    note,
    paid,
    read,
    refunds,
    say,
    unasked,
)
from tests.support import Api


async def test_of_notes_at_once_no_more_goes_back_than_the_payment_brought(api: Api) -> None:
    invoice = await paid(api)
    done, errors = await at_once(
        [api.mutate("creditNoteCreate", NOTE, **note(invoice, "30")) for _ in range(8)]
    )
    assert (len(done), {one["code"] for one in errors}) == (3, {"AMOUNT_OUT_OF_RANGE"})
    assert await refunds(api, invoice) == [("SANDBOX", "SUCCEEDED", "30.00")] * 3
    (payment,) = (await read(api, invoice))["payments"]
    assert (payment["state"], payment["amountRefunded"]) == ("SUCCEEDED", "90.00")


async def test_two_that_take_the_last_of_a_payment_leave_it_refunded(api: Api) -> None:
    invoice = await paid(api)
    done, errors = await at_once(
        [api.mutate("creditNoteCreate", NOTE, **note(invoice, "50")) for _ in range(2)]
    )
    assert (len(done), errors) == (2, [])
    (payment,) = (await read(api, invoice))["payments"]
    assert (payment["state"], payment["amountRefunded"]) == ("REFUNDED", "100.00")


async def test_of_eight_notes_with_one_key_one_is_refunded(api: Api) -> None:
    invoice = await paid(api)
    values = {**note(invoice, "40"), "idempotencyKey": "k"}
    done, errors = await at_once(
        [api.mutate("creditNoteCreate", f"{NOTE} replayed", **values) for _ in range(8)]
    )
    assert errors == []
    assert sorted(one["replayed"] for one in done) == [False] + [True] * 7
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    assert await refunds(api, invoice) == [("SANDBOX", "SUCCEEDED", "40.00")]


@pytest.mark.parametrize("attempt", range(3))
async def test_a_refund_that_failed_is_mended_once(api: Api, attempt: int) -> None:
    (refund_id,) = await failed_refunds(api, await api.customer(), 1)
    calls = [
        api.mutate(verb, "refund { id state provider }", refundId=refund_id)
        for verb in ["refundRetry"] * (3 - attempt) + ["refundMarkPaidOut"] * (attempt + 1)
    ]
    (won,), errors = await at_once(calls if attempt % 2 else calls[::-1])
    assert len(errors) == 3
    assert {(one["code"], one["field"][0]) for one in errors} == {("INVALID_STATE", "refundId")}
    assert won["refund"]["state"] == "SUCCEEDED"


async def test_workers_side_by_side_refund_once(api: Api) -> None:
    invoice = await paid(api)
    ids = [await unasked(api, invoice, amount) for amount in ("10", "20", "30")]
    provider = Forgetful(lost=0)
    await asyncio.gather(
        *(
            run_due(api.database, api.organization_id, providers=provider.providers)
            for _ in range(3)
        )
    )
    assert sorted(provider.asked) == ids
    assert {one[1] for one in await refunds(api, invoice)} == {"SUCCEEDED"}


async def test_the_worker_and_a_webhook_count_a_success_once(api: Api) -> None:
    invoice = await paid(api)
    refund_id = await unasked(api, invoice, "100")
    told = await asyncio.gather(
        run_due(api.database, api.organization_id, SANDBOX_ONLY),
        *(say(api, refund_id, "SUCCEEDED", f"sandbox_{refund_id}") for _ in range(4)),
    )
    assert told[1:] == ["SUCCEEDED"] * 4
    (payment,) = (await read(api, invoice))["payments"]
    assert (payment["state"], payment["amountRefunded"]) == ("REFUNDED", "100.00")


@pytest.mark.parametrize("attempt", range(4))
async def test_a_refund_meets_the_late_success_of_a_payment(api: Api, attempt: int) -> None:
    """It is of what was paid when it came: by hand before, by the provider after."""
    customer = await api.customer()
    await set_method(api, customer, "pm_declined")
    invoice = await api.one_off(customer, "100", finalize=True)
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    await api.done("paymentRecord", "payment { id }", invoiceId=invoice["id"])
    crediting = api.done("creditNoteCreate", NOTE, **note(invoice, "100"))
    succeeding = late_success(api, invoice)
    await asyncio.gather(*([crediting, succeeding] if attempt % 2 else [succeeding, crediting]))
    made = await refunds(api, invoice)
    assert made in ([("MANUAL", "SUCCEEDED", "100.00")], [("SANDBOX", "SUCCEEDED", "100.00")])
    found = await read(api, invoice)
    assert Decimal(found["amountPaid"]) == 200
    assert found["payments"][0]["state"] == ("REFUNDED" if made[0][0] == "SANDBOX" else "SUCCEEDED")
