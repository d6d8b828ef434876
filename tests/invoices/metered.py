"""A small metered company, for stories: what it sells, and events that it sends."""

from collections.abc import Sequence
from decimal import Decimal

from tests.support import Api, Json

LINES = (
    "id number status total periodStart periodEnd finalizedAt createdAt issueDate dueDate"
    " subscription { id } customer { externalId }"
    " lineItems { id type name description quantity amount eventCount"
    " pricingSteps { description amount } }"
)
BREAKDOWN = """feature { key } lineItem { id amount quantity } invoicedAmount recalculatedAmount
  difference isRecalculated asOf
  groups { keys { dimension value } usage cost percentage eventCount }"""


async def call_plan(
    api: Api,
    *,
    flat: str | None = "310.00",
    unit: str = "1.00",
    currency: str = "USD",
    dimensions: Sequence[str] = (),
) -> Json:
    """A plan with a fixed price, unless `flat` is None, and a price a call."""
    calls = await api.feature("calls", eventName="call", dimensions=list(dimensions))
    fixed = [] if flat is None else [{"name": "Access", "model": {"flat": {"amount": flat}}}]
    metered = {
        "name": "Calls",
        "featureId": calls["id"],
        "model": {"perUnit": {"unitAmount": unit}},
    }
    return await api.plan("calls", [*fixed, metered], currency=currency)


def call(name: str, at: str, customer: str = "acme", **values: object) -> Json:
    """An event of the feature."""
    return {
        "transactionId": name,
        "externalCustomerId": customer,
        "eventName": "call",
        "timestamp": at,
        **values,
    }


async def send(api: Api, *events: Json) -> None:
    """Sends events that must all be accepted."""
    payload = await api.ingest(*events)
    assert payload["userErrors"] == []
    assert payload["acceptedCount"] == len(events)


async def grace(api: Api, days: int) -> None:
    """Sets the days between draft and finalizing."""
    await api.done("organizationUpdate", "organization { id }", gracePeriodDays=days)


async def all_invoices(api: Api, selection: str = LINES) -> list[Json]:
    """Every invoice, whatever its status, in the order in which they were made."""
    return await api.invoices(
        selection, "DRAFT, FINALIZED, VOIDED", "field: CREATED_AT, direction: ASC"
    )


def line_of(invoice: Json, name: str) -> Json:
    """The invoice's only line of that name."""
    (line,) = [one for one in invoice["lineItems"] if one["name"] == name]
    found: Json = line
    return found


async def breakdown(
    api: Api, invoice_id: str, keys: Sequence[str] = ("source",), *, forced: bool = False
) -> Json:
    """The breakdown of an invoice that has one usage line."""
    data = await api.query(
        f"""query ($id: ID!, $keys: [String!]!, $forced: Boolean!) {{ invoice(id: $id) {{
              usageBreakdown(groupBy: $keys, forceRuntimeRecalculation: $forced) {{ {BREAKDOWN} }}
            }} }}""",
        {"id": invoice_id, "keys": list(keys), "forced": forced},
    )
    (found,) = data["invoice"]["usageBreakdown"]
    one: Json = found
    return one


def costs(found: Json) -> dict[tuple[str | None, ...], str]:
    """The cost of each group by its values."""
    return {tuple(key["value"] for key in one["keys"]): one["cost"] for one in found["groups"]}


def total_cost(found: Json) -> Decimal:
    """What the groups cost together."""
    return sum((Decimal(one["cost"]) for one in found["groups"]), Decimal(0))
