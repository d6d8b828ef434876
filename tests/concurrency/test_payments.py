"""Payments against themselves, against voiding, and killed between the provider and the store."""

import asyncio

import pytest

from billing_gql.billing_runs.run import run_due
from billing_gql.payments.providers import SANDBOX_ONLY
from tests.concurrency.together import at_once
from tests.payments.paying import BOTH, Deadly, Killed, balance, read, set_method, states
from tests.support import Api


async def test_ten_payments_at_once_lose_nothing(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "100", finalize=True)
    done, errors = await at_once(
        [
            api.mutate("paymentRecord", BOTH, invoiceId=invoice["id"], amount="30.00")
            for _ in range(10)
        ]
    )
    assert (len(done), errors) == (10, [])
    paid = await read(api, invoice)
    assert (paid["paymentStatus"], paid["amountPaid"]) == ("OVERPAID", "300.00")
    assert len(paid["payments"]) == 10
    assert await balance(api) == 200


async def test_of_ten_that_pay_what_remains_one_pays(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "100", finalize=True)
    done, errors = await at_once(
        [api.mutate("paymentRecord", BOTH, invoiceId=invoice["id"]) for _ in range(10)]
    )
    assert (len(done), {error["field"][0] for error in errors}) == (1, {"amount"})
    assert (await read(api, invoice))["amountPaid"] == "100.00"


@pytest.mark.parametrize("attempt", range(4))
async def test_an_invoice_is_voided_or_paid_never_both(api: Api, attempt: int) -> None:
    invoice = await api.one_off(await api.customer(), "100", finalize=True)
    calls = [
        api.mutate("invoiceVoid", "invoice { id }", invoiceId=invoice["id"]),
        api.mutate("paymentRecord", BOTH, invoiceId=invoice["id"]),
    ]
    (_,), (error,) = await at_once(calls if attempt % 2 else calls[::-1])
    stored = await read(api, invoice)
    assert error["__typename"] == "InvoiceStateError"
    assert error["status"] == stored["status"]
    assert (stored["status"], stored["amountPaid"]) in [
        ("VOIDED", "0.00"),
        ("FINALIZED", "100.00"),
    ]


@pytest.mark.parametrize("attempt", range(4))
async def test_an_invoice_is_voided_or_collected_never_both(api: Api, attempt: int) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    invoice = await api.one_off(customer, "100", finalize=True)
    run = asyncio.create_task(run_due(api.database, api.organization_id, SANDBOX_ONLY))
    await asyncio.sleep(0.005 * attempt)
    await api.mutate("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])
    await run
    stored = await read(api, invoice)
    assert (stored["status"], states(stored)) in [
        ("VOIDED", []),
        ("FINALIZED", ["SUCCEEDED"]),
    ]
    assert await balance(api) == 0


async def test_of_eight_retries_at_once_each_is_an_attempt_of_its_own_or_refused(
    api: Api,
) -> None:
    customer = await api.customer()
    invoice = await api.one_off(customer, "100", finalize=True)
    await set_method(api, customer, "pm_ok")
    done, errors = await at_once(
        [api.mutate("invoiceRetryPayment", BOTH, invoiceId=invoice["id"]) for _ in range(8)]
    )
    assert (len(done), len(errors)) == (1, 7)
    assert {error["__typename"] for error in errors} == {"InvoiceStateError"}
    stored = await read(api, invoice)
    assert (stored["amountPaid"], states(stored)) == ("100.00", ["SUCCEEDED"])


async def test_a_run_killed_between_the_provider_and_the_store_goes_on_with_the_same_charge(
    api: Api,
) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    invoice = await api.one_off(customer, "100", finalize=True)
    provider = Deadly(lost=1)
    with pytest.raises(BaseExceptionGroup) as killed:
        await run_due(api.database, api.organization_id, provider.providers)
    assert killed.group_contains(Killed)
    assert states(await read(api, invoice)) == ["PROCESSING"]
    await run_due(api.database, api.organization_id, provider.providers)
    paid = await read(api, invoice)
    assert (states(paid), paid["amountPaid"]) == (["SUCCEEDED"], "100.00")
    assert provider.asked == [paid["payments"][0]["id"]] * 2
