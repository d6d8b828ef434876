"""A company that has had nearly everything happen to it, and whose books are right."""

from billing_gql.ledger.scopes import WalletScope
from tests.invoices.metered import grace
from tests.payments.paying import set_method
from tests.scenarios.late import use
from tests.support import Api, Json
from tests.verbs import adjust, coupon, tax_rate, wallet


async def rich_story(api: Api) -> dict[str, str]:
    """January to June 2026; ids of what tests look at, by name."""
    await grace(api, 0)
    feature = await api.feature("use", "SUM", valueProperty="v", dimensions=["kind"])
    count = await api.feature("calls", "COUNT", eventName="use")
    tiers = [{"upTo": "3", "unitAmount": "1.115"}, {"unitAmount": "0.333"}]
    small = await api.plan(
        "small",
        [
            {"name": "Base", "cadence": "ADVANCE", "model": {"flat": {"amount": "31.00"}}},
            {"name": "Use", "featureId": feature["id"], "model": {"graduated": {"tiers": tiers}}},
        ],
        minimumCommitment="40.00",
    )
    large = await api.plan(
        "large",
        [
            {"name": "Base", "cadence": "ADVANCE", "model": {"flat": {"amount": "99.99"}}},
            {"name": "Seats", "model": {"flat": {"amount": "7.77"}}},
            {
                "name": "Calls",
                "featureId": count["id"],
                "model": {"perUnit": {"unitAmount": "0.125"}},
            },
        ],
    )
    for aggregation in ("MAX", "LATEST", "UNIQUE_COUNT", "WEIGHTED_SUM"):
        name = aggregation.lower()
        await api.feature(name, aggregation, valueProperty="v", eventName="use")
    value = await api.feature("value", "SUM", valueProperty="v", eventName="use")
    share = {"percentage": {"rate": "12.5", "fixedAmount": "0.10", "freeAmount": "7"}}
    unit = await api.feature("unit", "SUM", valueProperty="v", eventName="unit")
    rated = await api.plan(
        "rated",
        [
            {"name": "Value", "featureId": value["id"], "model": share},
            {"name": "Unit", "featureId": unit["id"], "model": {"perUnit": {"unitAmount": "10"}}},
        ],
    )
    vat = await tax_rate(api, "VAT", "8.25")
    city = await tax_rate(api, "CITY", "1.5")
    acme = await api.customer()
    globex = await api.customer("globex")
    prepaid = await wallet(api, acme["id"], "20.00", "5.00", scope=WalletScope.USAGE)
    await wallet(api, globex["id"], "520.00")
    await adjust(api, acme["id"], "12.34")
    await adjust(api, globex["id"], "-3.00")
    await coupon(api, "TEN", percent="10", customer_id=acme["id"])
    main = await api.subscription(acme, small, externalId="main")
    await api.subscription(acme, large, externalId="second", startedAt="2026-01-10T00:00:00Z")
    moved = await api.subscription(globex, small, externalId="moved")
    await api.subscription(globex, rated, externalId="rated")
    await _use(api, "2026-01")
    await api.advance("2026-02-01T00:00:00Z")
    await _use(api, "2026-02")
    await api.ingest(_unit("taken", 10))
    await _late(api, "2026-01-20")
    await api.advance("2026-03-01T00:00:00Z")
    to_large = {"subscriptionId": moved["id"], "planId": large["id"]}
    await api.advance("2026-03-11T09:00:00Z")
    await api.done("subscriptionChangePlan", "subscription { id }", **to_large)
    await _use(api, "2026-03")
    await _late(api, "2026-02-20")
    await api.ingest(_unit("given back", -10))  # more than March's invoice can hold
    await api.advance("2026-04-01T00:00:00Z")
    cancelled = {"subscriptionId": main["id"], "at": "NOW"}
    await api.advance("2026-04-12T15:30:00Z")
    await api.done("subscriptionCancel", "subscription { id }", **cancelled)
    one_off = await api.one_off(acme, "10.00", "0.05", "3.33", finalize=True)
    voided = await api.one_off(globex, "25.00", finalize=True)
    await api.done("invoiceVoid", "invoice { id }", invoiceId=voided["id"])
    paid = await _settled(api, globex)
    bought, unpaid = await _prepaid(api, globex)
    refunded = await _refunded(api, await api.customer("initech"))
    draft = await api.one_off(globex, "5.00")
    deleted = await api.one_off(globex, "6.00")
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=deleted["id"])
    await api.advance("2026-06-01T00:00:00Z")
    return {
        "acme": acme["id"],
        "globex": globex["id"],
        "wallet": prepaid,
        "vat": vat,
        "city": city,
        "main": main["id"],
        "use": feature["id"],
        "calls": count["id"],
        "one_off": one_off["id"],
        "voided": voided["id"],
        "draft": draft["id"],
        "paid": paid,
        "bought": bought,
        "unpaid": unpaid,
        "refunded": refunded,
    }


async def _prepaid(api: Api, customer: Json) -> tuple[str, str]:
    """Prepaid credit that the balance pays at once, and some that is paid in part."""
    credit = await wallet(api, customer["id"])
    invoices = []
    for amount in ("40.00", "2000.00"):
        payload = await api.done(
            "walletTopUp",
            "invoice { id amountDue }",
            walletId=credit,
            amount=amount,
            payment="INVOICED",
        )
        invoices.append(payload["invoice"])
    bought, unpaid = invoices
    assert bought["amountDue"] == "0.00" != unpaid["amountDue"]
    await api.done("paymentRecord", "payment { id }", invoiceId=unpaid["id"], amount="1.00")
    return bought["id"], unpaid["id"]


async def _settled(api: Api, customer: Json) -> str:
    """An invoice that was credited in every way and paid beyond its due."""
    invoice = await api.one_off(customer, "800.00", "200.00", finalize=True)
    at = {"invoiceId": invoice["id"]}
    for settlement, amount, paid in (
        ("OFFSET", "10.00", "100.00"),
        ("BALANCE", "20.00", "900.00"),
        ("REFUND", "30.00", "900.00"),
    ):
        await api.done("paymentRecord", "payment { id }", **at, amount=paid)
        line = {"lineItemId": invoice["lineItems"][0]["id"], "amount": amount}
        note = {"reason": "OTHER", "settlement": settlement, "lineItems": [line]}
        await api.done("creditNoteCreate", "creditNote { id }", **at, **note)
    return str(invoice["id"])


async def _refunded(api: Api, customer: Json) -> str:
    """An invoice that was collected, and given back through the provider."""
    await set_method(api, customer, "pm_ok")
    invoice = await api.one_off(customer, "40.00", finalize=True)
    payload = await api.done(
        "invoiceRetryPayment", "payment { state amount }", invoiceId=invoice["id"]
    )
    assert payload["payment"]["state"] == "SUCCEEDED"
    line = {"lineItemId": invoice["lineItems"][0]["id"], "amount": "40.00"}
    note = {"reason": "OTHER", "settlement": "REFUND", "lineItems": [line]}
    selection = "creditNote { total refunds { state } }"
    given = await api.done("creditNoteCreate", selection, invoiceId=invoice["id"], **note)
    assert given["creditNote"] == {
        "total": payload["payment"]["amount"],
        "refunds": [{"state": "SUCCEEDED"}],
    }
    return str(invoice["id"])


async def _use(api: Api, month: str) -> None:
    events: list[Json] = [
        use(f"{customer} {month} {day}", f"{month}-{day}", day, externalCustomerId=customer)
        for customer in ("acme", "globex")
        for day in ("11", "12", "13")
    ]
    await api.ingest(*events)


def _unit(name: str, value: int) -> Json:
    """Of February, for globex."""
    return use(name, "2026-02-25", value, eventName="unit", externalCustomerId="globex")


async def _late(api: Api, day: str) -> None:
    await api.ingest(*[use(f"late {who} {day}", day, 3, externalCustomerId=who) for who in WHO])


WHO = ("acme", "globex")
