"""What is finalized for a customer with a method is collected, by the sandbox's tokens."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlmodel import select
from structlog.testing import capture_logs

from billing_gql.billing_runs.run import run_due
from billing_gql.billing_runs.worker import work_once
from billing_gql.invoices.states import PaymentState
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization, OrganizationMode
from billing_gql.payments.ask import ask_again_at
from billing_gql.payments.providers import SANDBOX_ONLY
from billing_gql.payments.providers.provider import Outcome
from billing_gql.payments.settle import record_outcome
from billing_gql.payments.start import retry_payment
from billing_gql.store.database import Database
from tests.payments.paying import BOTH, Forgetful, balance, read, record, set_method, states
from tests.support import Api, Json, counted, new_organization

JANUARY = "2026-01-01T00:00:00Z"

MOVING = {"VOID", "RECORD_PAYMENT", "RETRY_PAYMENT"}
"""What an attempt that is under way stands against."""


async def finalized(api: Api, token: str | None, amount: str = "100") -> Json:
    """An invoice of a customer with the method, finalized and not yet collected."""
    customer = await api.customer()
    if token is not None:
        await set_method(api, customer, token)
    return await api.one_off(customer, amount, finalize=True)


async def collected(api: Api, token: str | None, amount: str = "100") -> Json:
    """The invoice after a billing run at the same instant."""
    invoice = await finalized(api, token, amount)
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    return await read(api, invoice)


async def say(api: Api, payment_id: str, outcome: Outcome) -> PaymentState:
    """The provider's word about an attempt, whenever it comes."""
    async with api.database.transaction() as session:
        mine = select(Organization).where(Organization.id == api.organization_id)
        actor = actor_of((await session.exec(mine)).one())
        return await record_outcome(session, actor, payment_id, outcome)


async def retry(api: Api, invoice: Json, **values: object) -> Json:
    return await api.mutate("invoiceRetryPayment", BOTH, invoiceId=invoice["id"], **values)


async def test_pm_ok_pays_once_the_invoice_is_finalized(api: Api) -> None:
    open_invoice = await finalized(api, "pm_ok")
    assert {"VOID", "RECORD_PAYMENT", "RETRY_PAYMENT"} < set(open_invoice["availableActions"])
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    invoice = await read(api, open_invoice)
    assert (invoice["paymentStatus"], invoice["amountPaid"]) == ("PAID", "100.00")
    assert invoice["paidAt"] == JANUARY
    (payment,) = invoice["payments"]
    assert payment == {
        "id": payment["id"],
        "provider": "SANDBOX",
        "state": "SUCCEEDED",
        "currency": "USD",
        "amount": "100.00",
        "reference": f"sandbox_{payment['id']}",
        "failureReason": None,
        "receivedAt": JANUARY,
        "createdAt": JANUARY,
    }
    assert set(invoice["availableActions"]) & MOVING == {"RECORD_PAYMENT"}
    await api.advance("2026-06-01T00:00:00Z")
    assert await read(api, open_invoice) == invoice


async def test_pm_declined_fails_and_stays_so(api: Api) -> None:
    invoice = await collected(api, "pm_declined")
    assert (invoice["paymentStatus"], states(invoice)) == ("FAILED", ["FAILED"])
    assert invoice["payments"][0]["failureReason"] == "The card was declined."
    assert invoice["payments"][0]["receivedAt"] is None
    await api.advance("2026-03-01T00:00:00Z")
    assert (await read(api, invoice))["paymentStatus"] == "FAILED"
    failed = await api.query("{ invoices(filter: {paymentStatuses: [FAILED]}) { nodes { id } } }")
    assert failed["invoices"]["nodes"] == [{"id": invoice["id"]}]


async def test_pm_processing_pays_when_the_clock_moves(api: Api) -> None:
    invoice = await collected(api, "pm_processing")
    assert (invoice["paymentStatus"], states(invoice)) == ("PENDING", ["PROCESSING"])
    assert set(invoice["availableActions"]) & MOVING == {"RECORD_PAYMENT"}
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    assert states(await read(api, invoice)) == ["PROCESSING"]
    await api.advance("2026-01-02T00:00:00Z")
    paid = await read(api, invoice)
    assert (paid["paymentStatus"], states(paid)) == ("PAID", ["SUCCEEDED"])
    assert paid["paidAt"] == "2026-01-01T00:01:00Z"


async def test_pm_recovers_is_declined_once_an_invoice_and_then_pays(api: Api) -> None:
    invoice = await collected(api, "pm_recovers")
    assert states(invoice) == ["FAILED"]
    assert "RETRY_PAYMENT" in invoice["availableActions"]
    again = await retry(api, invoice)
    assert again["userErrors"] == []
    assert again["payment"]["state"] == "SUCCEEDED"
    assert (again["invoice"]["paymentStatus"], states(again["invoice"])) == (
        "PAID",
        ["FAILED", "SUCCEEDED"],
    )


async def test_a_period_is_drafted_finalized_and_collected_by_the_clock(api: Api) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    plan = await api.plan("p", [{"name": "Access", "model": {"flat": {"amount": "10"}}}])
    await api.subscription(customer, plan)
    await api.advance("2026-02-04T00:00:00Z")
    (invoice,) = await api.invoices("id paymentStatus paidAt", "FINALIZED")
    assert (invoice["paymentStatus"], invoice["paidAt"]) == ("PAID", "2026-02-04T00:00:00Z")


async def test_the_worker_finds_what_is_to_be_collected(alone: Api) -> None:
    invoice = await finalized(alone, "pm_ok")
    await work_once(alone.database, SANDBOX_ONLY, "test")
    assert (await read(alone, invoice))["paymentStatus"] == "PAID"


async def test_without_a_method_or_anything_due_nothing_is_tried(api: Api) -> None:
    assert states(await collected(api, None)) == []
    data = await api.query('{ customer(externalId: "acme") { id } }')
    await set_method(api, data["customer"], "pm_ok")
    free = await api.one_off(data["customer"], "0", finalize=True)
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    assert (await read(api, free))["payments"] == []


async def test_what_was_paid_voided_or_left_without_a_method_meanwhile_is_not_collected(
    api: Api,
) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    paid, part, voided = [await api.one_off(customer, "100", finalize=True) for _ in range(3)]
    await record(api, paid)
    await record(api, part, amount="40")
    await api.done("invoiceVoid", "invoice { id }", invoiceId=voided["id"])
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    assert [one["provider"] for one in (await read(api, paid))["payments"]] == ["MANUAL"]
    assert (await read(api, voided))["payments"] == []
    rest = await read(api, part)
    assert [one["amount"] for one in rest["payments"]] == ["40.00", "60.00"]
    last = await api.one_off(customer, "100", finalize=True)
    await set_method(api, customer, None)
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    assert (await read(api, last))["payments"] == []


async def test_a_declined_retry_shows_the_attempt_that_is_stored(api: Api) -> None:
    invoice = await collected(api, "pm_declined")
    payload = await retry(api, invoice)
    (error,) = payload["userErrors"]
    assert (error["code"], error["field"]) == ("PAYMENT_DECLINED", ["invoiceId"])
    assert error["message"] == "The payment was declined: The card was declined."
    assert payload["payment"]["state"] == "FAILED"
    assert payload["invoice"] == await read(api, invoice)
    assert states(payload["invoice"]) == ["FAILED", "FAILED"]
    again = await retry(api, invoice, idempotencyKey="k")
    assert len(again["invoice"]["payments"]) == 3
    replay = await api.mutate(
        "invoiceRetryPayment", f"{BOTH} replayed", invoiceId=invoice["id"], idempotencyKey="k"
    )
    assert replay.pop("replayed") is True
    assert replay == again


@pytest.mark.parametrize("token", [None, "pm_ok", "pm_processing"])
async def test_a_retry_needs_something_to_pay_a_method_and_no_attempt_under_way(
    api: Api, token: str | None
) -> None:
    invoice = await collected(api, token)
    assert "RETRY_PAYMENT" not in invoice["availableActions"]
    words = "Cannot retry payment: the invoice is FINALIZED"
    error = await api.refused(
        "invoiceRetryPayment", BOTH, "INVALID_STATE", ["invoiceId"], words, invoiceId=invoice["id"]
    )
    assert error["availableActions"] == invoice["availableActions"]


async def test_a_method_set_later_opens_and_a_removed_one_closes_the_retry(api: Api) -> None:
    invoice = await collected(api, None)
    data = await api.query('{ customer(externalId: "acme") { id } }')
    await set_method(api, data["customer"], "pm_ok")
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    open_invoice = await read(api, invoice)
    assert states(open_invoice) == []
    assert "RETRY_PAYMENT" in open_invoice["availableActions"]
    await set_method(api, data["customer"], None)
    assert "RETRY_PAYMENT" not in (await read(api, invoice))["availableActions"]
    await set_method(api, data["customer"], "pm_ok")
    assert (await retry(api, invoice))["invoice"]["paymentStatus"] == "PAID"


async def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key(api: Api) -> None:
    invoice = await finalized(api, "pm_ok")
    provider = Forgetful(lost=2)
    with capture_logs() as logged:
        await run_due(api.database, api.organization_id, provider.providers)
    assert "sk_live" not in str(logged)
    (payment,) = (await read(api, invoice))["payments"]
    assert (payment["state"], provider.asked) == ("PROCESSING", [payment["id"]])
    assert "VOID" not in (await read(api, invoice))["availableActions"]
    # Not before its time, and then as often as it needs.
    await run_due(api.database, api.organization_id, provider.providers)
    assert len(provider.asked) == 1
    await api.advance("2026-01-01T00:00:30Z")
    await run_due(api.database, api.organization_id, provider.providers)
    assert len(provider.asked) == 1
    await move_clock(api, datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    await run_due(api.database, api.organization_id, provider.providers)
    await move_clock(api, datetime(2026, 1, 1, 0, 3, tzinfo=UTC))
    await run_due(api.database, api.organization_id, provider.providers)
    assert provider.asked == [payment["id"]] * 3
    paid = await read(api, invoice)
    assert (states(paid), paid["amountPaid"]) == (["SUCCEEDED"], "100.00")


async def move_clock(api: Api, to: datetime) -> None:
    """Moves the clock without doing what falls due."""
    async with api.database.transaction() as session:
        mine = select(Organization).where(Organization.id == api.organization_id)
        (await session.exec(mine)).one().test_clock = to


def test_the_pauses_grow_to_six_hours() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    minutes = [(ask_again_at(now, n) - now) / timedelta(minutes=1) for n in (1, 2, 3, 9, 10, 99)]
    assert minutes == [1, 2, 4, 256, 360, 360]


async def test_a_late_success_counts_once_and_never_turns_back(api: Api) -> None:
    invoice = await collected(api, "pm_declined")
    (payment,) = invoice["payments"]
    for _ in range(2):
        await say(api, payment["id"], Outcome(PaymentState.SUCCEEDED, "late"))
    await say(api, payment["id"], Outcome(PaymentState.FAILED, "late", "No."))
    await say(api, payment["id"], Outcome(PaymentState.PROCESSING))
    paid = await read(api, invoice)
    assert (paid["paymentStatus"], paid["amountPaid"]) == ("PAID", "100.00")
    assert (paid["payments"][0]["state"], paid["payments"][0]["failureReason"]) == (
        "SUCCEEDED",
        None,
    )
    assert await balance(api) == 0


async def test_a_late_success_of_an_invoice_paid_otherwise_is_on_the_balance(api: Api) -> None:
    invoice = await collected(api, "pm_declined")
    await record(api, invoice)
    await say(api, invoice["payments"][0]["id"], Outcome(PaymentState.SUCCEEDED))
    paid = await read(api, invoice)
    assert (paid["paymentStatus"], paid["amountPaid"]) == ("OVERPAID", "200.00")
    assert await balance(api) == 100


async def test_a_late_success_of_a_voided_invoice_is_on_the_balance(api: Api) -> None:
    invoice = await collected(api, "pm_declined")
    await api.done("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])
    for _ in range(2):
        await say(api, invoice["payments"][0]["id"], Outcome(PaymentState.SUCCEEDED))
    voided = await read(api, invoice)
    assert (voided["status"], voided["amountPaid"], states(voided)) == (
        "VOIDED",
        "0.00",
        ["SUCCEEDED"],
    )
    assert await balance(api) == 100


async def test_what_is_recorded_while_an_attempt_is_under_way_leaves_it_the_excess(
    api: Api,
) -> None:
    invoice = await collected(api, "pm_processing")
    assert (await record(api, invoice))["invoice"]["paymentStatus"] == "PAID"
    await api.advance("2026-01-02T00:00:00Z")
    assert (await read(api, invoice))["paymentStatus"] == "OVERPAID"
    assert await balance(api) == 100


async def test_the_sandbox_is_not_for_live_organizations(
    http: httpx.AsyncClient, database: Database
) -> None:
    live = await new_organization(http, database, mode=OrganizationMode.LIVE)
    customer = await live.customer()
    await live.refused(
        "customerPaymentMethodSet",
        "customer { id }",
        "INVALID_INPUT",
        ["provider"],
        "TEST organizations only",
        customerId=customer["id"],
        provider="SANDBOX",
        token="pm_ok",
    )


async def test_a_retry_whose_process_died_before_it_asked_is_finished_by_the_run(api: Api) -> None:
    invoice = await collected(api, "pm_recovers")
    async with api.database.transaction() as session:
        mine = select(Organization).where(Organization.id == api.organization_id)
        actor = actor_of((await session.exec(mine)).one())
        await retry_payment(session, actor, invoice["id"])
    assert states(await read(api, invoice)) == ["FAILED", "PROCESSING"]
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    assert states(await read(api, invoice)) == ["FAILED", "SUCCEEDED"]


async def test_a_provider_that_is_not_there_leaves_the_attempt_under_way(api: Api) -> None:
    invoice = await finalized(api, "pm_ok")
    await run_due(api.database, api.organization_id, {})
    assert states(await read(api, invoice)) == ["PROCESSING"]
    await api.advance("2026-01-02T00:00:00Z")
    assert states(await read(api, invoice)) == ["SUCCEEDED"]


async def test_the_payments_of_many_invoices_are_read_together(api: Api) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    query = "{ invoices { nodes { id payments { id amount } } } }"
    statements = []
    for _ in range(2):
        for _ in range(2):
            await api.one_off(customer, "100", finalize=True)
        await run_due(api.database, api.organization_id, SANDBOX_ONLY)
        with counted(api.database) as said:
            data = await api.query(query)
        statements.append(len(said))
    assert [len(one["payments"]) for one in data["invoices"]["nodes"]] == [1] * 4
    assert statements[0] == statements[1]


async def test_workers_side_by_side_collect_once(api: Api) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    invoices = [await api.one_off(customer, "100", finalize=True) for _ in range(3)]
    provider = Forgetful(lost=0)
    await asyncio.gather(
        *(run_due(api.database, api.organization_id, provider.providers) for _ in range(3))
    )
    paid = [await read(api, one) for one in invoices]
    assert [(one["amountPaid"], states(one)) for one in paid] == [("100.00", ["SUCCEEDED"])] * 3
    assert sorted(provider.asked) == sorted(one["payments"][0]["id"] for one in paid)
    assert await balance(api) == 0
