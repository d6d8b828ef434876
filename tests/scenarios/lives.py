"""What stories of subscriptions tell: plans in few words, and invoices as they would be read aloud.

A bill is a tuple: its head ("type reason status period total"), then each line ("type name
quantity amount period"). An instant at midnight UTC is its date alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.invoices.metered import all_invoices
from tests.support import Api, Json

Bill = tuple[str, ...]

LINES = "type name quantity unitAmount amount total eventCount pricingSteps { description amount }"
SUMS = f"currency subtotal total amountDue periodStart periodEnd lineItems {{ {LINES} }}"
HEAD = (
    f"id invoiceType billingReason status createdAt subscription {{ id }} {SUMS}"
    " spans: lineItems { periodStart periodEnd }"
)
LIFE = (
    "status trialEndsAt endedAt cancelsAt currentPeriodStart currentPeriodEnd"
    " plan { key } pendingPlan { key }"
)


def fee(amount: str, name: str = "Base", cadence: str = "ADVANCE") -> Json:
    """A fixed price."""
    return {"name": name, "cadence": cadence, "model": {"flat": {"amount": amount}}}


def per_call(feature: Json, unit: str) -> Json:
    """A price a call."""
    model = {"perUnit": {"unitAmount": unit}}
    return {"name": "Calls", "featureId": feature["id"], "model": model}


async def calls_feature(api: Api) -> Json:
    """What `metered.call` sends."""
    return await api.feature("calls", eventName="call")


def shown(instant: str | None) -> str:
    """An instant in short; "-" for none."""
    return "-" if instant is None else instant.removesuffix("T00:00:00Z")


def span(one: Json) -> str:
    """The period of an invoice or a line."""
    return f"{shown(one['periodStart'])}/{shown(one['periodEnd'])}"


def bill_of(invoice: Json) -> Bill:
    """An invoice read aloud."""
    kind, reason = invoice["invoiceType"], invoice["billingReason"]
    return (
        f"{kind} {reason} {invoice['status']} {span(invoice)} {invoice['total']}",
        *(
            f"{one['type']} {one['name']} {one['quantity']} {one['amount']} {span(when)}"
            for one, when in zip(invoice["lineItems"], invoice["spans"], strict=True)
        ),
    )


async def bills(api: Api, subscription: Json | None = None) -> list[Bill]:
    """Every invoice, or those of a subscription, in the order in which they were made."""
    return [
        bill_of(one)
        for one in await all_invoices(api, HEAD)
        if subscription is None or one["subscription"]["id"] == subscription["id"]
    ]


async def heads(api: Api, subscription: Json | None = None) -> list[str]:
    """The heads of the bills alone."""
    return [one[0] for one in await bills(api, subscription)]


async def upcoming(api: Api, subscription: Json) -> Json | None:
    """What falls due next."""
    data = await api.query(
        f"query ($id: ID!) {{ upcomingInvoice(subscriptionId: $id) {{ targetDate {SUMS} }} }}",
        {"id": subscription["id"]},
    )
    found: Json | None = data["upcomingInvoice"]
    return found


async def turn(api: Api, subscription: Json, *boundaries: str) -> list[Bill]:
    """Moves the clock over each boundary; what was upcoming before it is what is drafted at it.

    The bills made at the boundaries, in order.
    """
    made: list[Bill] = []
    for at in boundaries:
        before = datetime.fromisoformat(at) - timedelta(seconds=1)
        await api.advance(before.isoformat())
        wanted = await upcoming(api, subscription)
        assert wanted is not None
        wanted.pop("targetDate")
        await api.advance(at)
        (found,) = [
            one
            for one in await all_invoices(api, HEAD)
            if one["createdAt"] == at and one["subscription"]["id"] == subscription["id"]
        ]
        assert {name: found[name] for name in wanted} == wanted
        made.append(bill_of(found))
    return made


async def life(api: Api, subscription: Json) -> Json:
    """What the subscription is now, plans by their keys; fields that are null are left out."""
    data = await api.query(
        f"query ($id: ID!) {{ subscription(id: $id) {{ {LIFE} }} }}", {"id": subscription["id"]}
    )
    return told(data["subscription"])


def told(row: Json) -> Json:
    """A subscription in short."""
    plans = {name: row[name] and row[name]["key"] for name in ("plan", "pendingPlan")}
    whole = {**row, **plans}
    return {
        name: shown(value) if name.endswith(("At", "Start", "End")) else value
        for name, value in whole.items()
        if value is not None
    }


def active(plan: str, start: str, end: str, **values: str) -> Json:
    """What `life` says of an active subscription."""
    period = {"currentPeriodStart": start, "currentPeriodEnd": end}
    return {"status": "ACTIVE", "plan": plan, **period, **values}


async def change(api: Api, subscription: Json, plan: Json) -> Json:
    """Moves the subscription to a plan, and does what is due; what it is then."""
    payload = await api.done(
        "subscriptionChangePlan",
        f"subscription {{ {LIFE} }}",
        subscriptionId=subscription["id"],
        planId=plan["id"],
    )
    await settle(api)
    return told(payload["subscription"])


async def cancel(api: Api, subscription: Json, at: str) -> Json:
    """Cancels the subscription NOW or at its PERIOD_END, and does what is due; what it is then."""
    payload = await api.done(
        "subscriptionCancel",
        f"subscription {{ {LIFE} }}",
        subscriptionId=subscription["id"],
        at=at,
    )
    await settle(api)
    return told(payload["subscription"])


async def settle(api: Api) -> None:
    """Does what is due at the present."""
    data = await api.query("{ organization { now } }")
    await api.advance(data["organization"]["now"])


async def subscribe(api: Api, customer: Json, plan: Json, **values: object) -> Json:
    """A new subscription, and what it owes at once."""
    subscription = await api.subscription(customer, plan, **values)
    await settle(api)
    return subscription


async def open_credit(api: Api, customer: str = "acme") -> str:
    """What is owed back to the customer."""
    data = await api.query(f'{{ customer(externalId: "{customer}") {{ openCredit }} }}')
    found: str = data["customer"]["openCredit"]
    return found


async def void(api: Api, head: str) -> None:
    """Voids the only invoice whose head starts so."""
    (one,) = [one for one in await all_invoices(api, HEAD) if bill_of(one)[0].startswith(head)]
    await api.done("invoiceVoid", "invoice { status }", invoiceId=one["id"])


def at_noon(days: Sequence[str]) -> list[str]:
    """The instants at noon UTC of the days."""
    return [f"{day}T12:00:00Z" for day in days]
