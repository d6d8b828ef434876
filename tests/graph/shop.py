"""A customer, and plans that it may move between."""

from tests.invoices.metered import all_invoices
from tests.support import Api, Json

SUBSCRIPTION = """subscription { id status plan { key } pendingPlan { key } currentPeriodStart
  currentPeriodEnd trialEndsAt cancelsAt endedAt } replayed"""
BILLED = """status invoiceType billingReason total periodStart periodEnd
  lineItems { type name description amount periodStart periodEnd }"""


def fee(amount: str, cadence: str = "ADVANCE", name: str = "Access") -> Json:
    """A fixed price."""
    return {"name": name, "cadence": cadence, "model": {"flat": {"amount": amount}}}


async def fee_plan(
    api: Api, key: str, amount: str, cadence: str = "ADVANCE", **values: object
) -> str:
    """The id of a new plan with one fee that is called as the plan."""
    plan = await api.plan(key, [fee(amount, cadence, key)], **values)
    found: str = plan["id"]
    return found


async def subscribed(api: Api, plan_id: str, **values: object) -> str:
    """The id of a new subscription `sub` of a new customer `acme`, its first bill sent."""
    customer = await api.customer()
    subscription = await api.subscription(customer, {"id": plan_id}, externalId="sub", **values)
    await settle(api)
    found: str = subscription["id"]
    return found


async def settle(api: Api) -> None:
    """Does what is due now."""
    data = await api.query("{ organization { now } }")
    await api.advance(data["organization"]["now"])


async def change(api: Api, subscription_id: str, plan_id: str) -> Json:
    """The subscription after a change of plan that must succeed."""
    values = {"subscriptionId": subscription_id, "planId": plan_id}
    payload = await api.done("subscriptionChangePlan", SUBSCRIPTION, **values)
    found: Json = payload["subscription"]
    return found


async def cancel(api: Api, subscription_id: str, at: str) -> Json:
    """The subscription after a cancellation that must succeed."""
    values = {"subscriptionId": subscription_id, "at": at}
    payload = await api.done("subscriptionCancel", SUBSCRIPTION, **values)
    found: Json = payload["subscription"]
    return found


async def billed(api: Api) -> list[Json]:
    """Every invoice in the order in which they were made."""
    return await all_invoices(api, BILLED)


def shown(invoices: list[Json]) -> list[tuple[str, str, str]]:
    """Their reasons, days and totals."""
    return [
        (
            one["billingReason"].removeprefix("SUBSCRIPTION_"),
            f"{one['periodStart'][5:10]}/{one['periodEnd'][5:10]}",
            one["total"],
        )
        for one in invoices
    ]


async def open_credit(api: Api) -> str:
    """What the customer is still owed."""
    data = await api.query('{ customer(externalId: "acme") { openCredit } }')
    found: str = data["customer"]["openCredit"]
    return found
