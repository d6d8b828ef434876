"""A fee is given back once: by a credit note, or by what cancelling leaves unused of it."""

from tests.support import Api, Json
from tests.verbs import coupon


async def fee(api: Api, *, percent_off: str | None = None) -> tuple[str, Json]:
    """A subscription and the final invoice of its first month's 31.00, on 11 January."""
    price = {"name": "Fee", "cadence": "ADVANCE", "model": {"flat": {"amount": "31.00"}}}
    customer = await api.customer()
    if percent_off is not None:
        await coupon(api, "OFF", percent=percent_off, customer_id=customer["id"])
    one = await api.subscription(customer, await api.plan("plan", [price]))
    await api.advance("2026-01-11T00:00:00Z")
    (invoice,) = await api.invoices("id lineItems { id }", "FINALIZED")
    return one["id"], invoice


async def note(api: Api, invoice: Json, amount: str) -> Json:
    line = {"lineItemId": invoice["lineItems"][0]["id"], "amount": amount}
    return await api.mutate(
        "creditNoteCreate",
        "creditNote { total }",
        invoiceId=invoice["id"],
        reason="OTHER",
        settlement="BALANCE",
        lineItems=[line],
    )


async def cancelled(api: Api, subscription_id: str) -> str:
    """What cancelling now owes back."""
    await api.done(
        "subscriptionCancel", "subscription { id }", subscriptionId=subscription_id, at="NOW"
    )
    data = await api.query('{ customer(externalId: "acme") { openCredit } }')
    found: str = data["customer"]["openCredit"]
    return found


async def test_of_a_credited_fee_cancelling_owes_the_rest(api: Api) -> None:
    subscription, invoice = await fee(api)
    assert (await note(api, invoice, "15.00"))["creditNote"] == {"total": "15.00"}
    # 21 of 31 days are unused; of the fee 16.00 is left.
    assert await cancelled(api, subscription) == "16.00"


async def test_a_note_for_used_days_leaves_the_unused_ones(api: Api) -> None:
    subscription, invoice = await fee(api)
    await note(api, invoice, "4.00")
    assert await cancelled(api, subscription) == "21.00"


async def test_what_cancelling_gives_back_no_note_gives_again(api: Api) -> None:
    subscription, invoice = await fee(api)
    assert await cancelled(api, subscription) == "21.00"
    (error,) = (await note(api, invoice, "10.01"))["userErrors"]
    assert (error["code"], error["field"]) == (
        "AMOUNT_OUT_OF_RANGE",
        ["lineItems", "0", "amount"],
    )
    assert "At most 10.00 USD is left" in error["message"]
    assert (await note(api, invoice, "10.00"))["creditNote"] == {"total": "10.00"}


async def test_of_a_discounted_fee_its_discounted_rest_is_owed(api: Api) -> None:
    subscription, _ = await fee(api, percent_off="50")
    # 15.50 was billed for 31 days, of which 10 are used: 5.00.
    assert await cancelled(api, subscription) == "10.50"


async def test_a_fee_that_cost_nothing_owes_nothing(api: Api) -> None:
    subscription, _ = await fee(api, percent_off="100")
    assert await cancelled(api, subscription) == "0.00"
