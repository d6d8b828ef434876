"""Customer.openCredit: what a cancellation or a change of plan leaves to be given back."""

from tests.graph.shop import billed, cancel, change, fee_plan, open_credit, shown, subscribed
from tests.support import Api


async def void(api: Api, reason: str) -> None:
    """Voids the only invoice that was made for this reason."""
    found = await api.invoices("id billingReason", "FINALIZED")
    (invoice_id,) = [one["id"] for one in found if one["billingReason"] == reason]
    await api.done("invoiceVoid", "invoice { id }", invoiceId=invoice_id, reason="wrong")


async def test_a_voided_fee_is_not_credited(api: Api) -> None:
    subscription_id = await subscribed(api, await fee_plan(api, "fee", "310"))
    await api.advance("2026-01-16T12:00:00Z")
    await void(api, "SUBSCRIPTION_CREATE")
    await cancel(api, subscription_id, "NOW")
    assert await open_credit(api) == "0.00"


async def test_a_credit_goes_with_its_fee_when_that_is_voided(api: Api) -> None:
    subscription_id = await subscribed(api, await fee_plan(api, "fee", "310"))
    await api.advance("2026-01-16T12:00:00Z")
    await cancel(api, subscription_id, "NOW")
    assert await open_credit(api) == "150.00"
    await void(api, "SUBSCRIPTION_CREATE")
    assert await open_credit(api) == "0.00"


async def test_a_voided_invoice_returns_the_credit_that_it_gave(api: Api) -> None:
    small, large = await fee_plan(api, "small", "31"), await fee_plan(api, "large", "62")
    subscription_id = await subscribed(api, small)
    await api.advance("2026-01-16T12:00:00Z")
    await change(api, subscription_id, large)
    assert await open_credit(api) == "0.00"
    await void(api, "SUBSCRIPTION_UPDATE")
    assert await open_credit(api) == "16.00"
    await api.advance("2026-02-01T00:00:00Z")
    assert shown(await billed(api))[-1] == ("CYCLE", "02-01/03-01", "46.00")
    assert await open_credit(api) == "0.00"


async def test_the_customers_other_subscription_takes_a_credit_but_a_one_off_does_not(
    api: Api,
) -> None:
    subscription_id = await subscribed(api, await fee_plan(api, "fee", "310"))
    data = await api.query('{ customer(externalId: "acme") { id } }')
    plan_id = await fee_plan(api, "other", "100")
    await api.subscription(data["customer"], {"id": plan_id}, startedAt="2026-02-01T00:00:00Z")
    other = await api.customer("globex")
    await api.subscription(other, {"id": plan_id}, startedAt="2026-02-01T00:00:00Z")
    await api.advance("2026-01-16T12:00:00Z")
    await cancel(api, subscription_id, "NOW")
    one_off = await api.one_off(data["customer"], "50", finalize=True)
    assert (one_off["total"], await open_credit(api)) == ("50.00", "150.00")
    await api.advance("2026-03-01T00:00:00Z")
    found = await api.invoices("total periodStart customer { externalId }", "FINALIZED")
    totals = sorted(
        (one["customer"]["externalId"], one["periodStart"][:10], one["total"])
        for one in found
        if one["periodStart"]
    )
    assert totals == [
        ("acme", "2026-01-01", "310.00"),
        ("acme", "2026-02-01", "0.00"),
        ("acme", "2026-03-01", "50.00"),
        ("globex", "2026-02-01", "100.00"),
        ("globex", "2026-03-01", "100.00"),
    ]
    assert await open_credit(api) == "0.00"
