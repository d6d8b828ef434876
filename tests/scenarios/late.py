"""A small company without grace, for stories of usage that comes when its month is billed."""

from collections.abc import Sequence

from tests.invoices.metered import all_invoices, grace, send
from tests.support import Api, Json

LATE_LINES = """id number status total billingReason invoiceType periodStart periodEnd
  subscription { externalId }
  lineItems { id type name description quantity amount eventCount periodStart periodEnd
    pricingSteps { amount } }"""
SPLIT = """lineItem { id } invoicedAmount recalculatedAmount difference
  groups { keys { value } usage cost eventCount }"""
UNIT = {"perUnit": {"unitAmount": "2.00"}}
Shown = tuple[str, str, str, int | None]
"""A line: the day on which its period starts, its quantity, amount and events."""


async def sold(
    api: Api, aggregation: str = "SUM", model: Json | None = None, /, **values: object
) -> Json:
    """A plan that meters `use`; invoices are final when their month ends."""
    await grace(api, 0)
    fields = {} if aggregation == "COUNT" else {"valueProperty": "v"}
    feature = await api.feature("use", aggregation, **fields)
    price = {"name": "Use", "featureId": feature["id"], "model": model or UNIT}
    more = values.pop("prices", [])
    assert isinstance(more, list)
    return await api.plan("use", [price, *more], **values)


async def subscribed(
    api: Api, aggregation: str = "SUM", model: Json | None = None, /, **values: object
) -> Json:
    """The customer acme, subscribed as `main` from 1 January."""
    plan = await sold(api, aggregation, model, **values)
    return await api.subscription(await api.customer(), plan, externalId="main")


def use(name: str, at: str, value: object = 1, **values: object) -> Json:
    """An event; `at` is a day, or an instant."""
    return {
        "transactionId": name,
        "externalCustomerId": "acme",
        "eventName": "use",
        "timestamp": at if "T" in at else f"{at}T12:00:00Z",
        "properties": {"v": value},
        **values,
    }


async def used(api: Api, *events: tuple[str, object]) -> None:
    """Sends events of so much at that time, with ids of their own."""
    batch = [use(f"{at} {value} {n}", at, value) for n, (at, value) in enumerate(events)]
    if batch:
        await send(api, *batch)


async def months(api: Api, *numbers: int) -> None:
    """Lets these months of 2026 begin."""
    for number in numbers:
        await api.advance(f"2026-{number:02}-01T00:00:00Z")


async def billed(api: Api) -> list[Json]:
    """Every invoice in the order in which they were made; what late lines say holds for all."""
    found = await all_invoices(api, LATE_LINES)
    for line in (line for one in found for line in one["lineItems"]):
        assert (line["description"] == "Late usage") is (line in late_lines_of(found))
    return found


def late_lines_of(invoices: Sequence[Json]) -> list[Json]:
    """The lines whose period is another than their invoice's."""
    return [
        line
        for one in invoices
        for line in one["lineItems"]
        if line["type"] != "PRORATION" and line["periodStart"] != one["periodStart"]
    ]


def shown(lines: Sequence[Json]) -> list[Shown]:
    return [
        (line["periodStart"][5:10], line["quantity"], line["amount"], line["eventCount"])
        for line in lines
    ]


def late(invoice: Json) -> list[Shown]:
    """The invoice's late lines."""
    return shown(late_lines_of([invoice]))


async def broken_down(api: Api, invoice: Json, *, forced: bool = False) -> dict[str, Json]:
    """The breakdown of each usage line, by the line's id."""
    data = await api.query(
        f"""query ($id: ID!, $forced: Boolean!) {{ invoice(id: $id) {{
          usageBreakdown(groupBy: ["source"], forceRuntimeRecalculation: $forced) {{ {SPLIT} }}
        }} }}""",
        {"id": invoice["id"], "forced": forced},
    )
    return {one["lineItem"]["id"]: one for one in data["invoice"]["usageBreakdown"]}


async def open_credit(api: Api) -> str:
    data = await api.query('{ customer(externalId: "acme") { openCredit } }')
    found: str = data["customer"]["openCredit"]
    return found


async def finalize(api: Api, invoice: Json) -> None:
    await api.done("invoiceFinalize", "invoice { id }", invoiceId=invoice["id"])


async def delete(api: Api, invoice: Json) -> None:
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=invoice["id"])


async def cancel(api: Api, subscription: Json, at: str = "PERIOD_END") -> None:
    await api.done(
        "subscriptionCancel", "subscription { id }", subscriptionId=subscription["id"], at=at
    )
