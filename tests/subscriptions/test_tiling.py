"""Random lives through the real service: each of their days is billed exactly once."""

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

import httpx
import pytest

from billing_gql.store.database import Database
from tests.invoices.metered import all_invoices
from tests.subscriptions.lives import Fee, Life, random_life
from tests.support import Api, Json, new_organization

STATE = "subscription { id status }"
LINES = "status total lineItems { type name amount periodStart periodEnd }"


async def live(api: Api, life: Life) -> Json:
    """Lives the life; the customer and all that was billed are left behind."""
    customer = await api.customer(timezone=life.zone, currency=life.currency)
    plans = [
        await api.plan(
            f"plan{plan.number}",
            [
                _fee(f"Advance {plan.number}", plan.advance, "ADVANCE"),
                _fee(f"Arrears {plan.number}", plan.arrears, "ARREARS"),
            ],
            currency=life.currency,
            billingPeriod=plan.period,
            trialDays=life.trial_days,
        )
        for plan in life.plans
    ]
    subscription = await api.subscription(
        customer, plans[0], startedAt=life.started_at.isoformat(), billingAnchor=life.anchor
    )
    now = life.clock
    for act in life.acts:
        if act.at > now:
            await api.advance(act.at.isoformat())
            now = act.at
        values: Json = {"subscriptionId": subscription["id"]}
        if isinstance(act.what, int):
            values["planId"] = plans[act.what]["id"]
            await api.done("subscriptionChangePlan", STATE, **values)
        else:
            await api.done("subscriptionCancel", STATE, **values, at=act.what)
    assert life.ended_at is not None
    await api.advance((max(now, life.ended_at) + timedelta(days=30)).isoformat())
    return subscription


def _fee(name: str, amount: Decimal, cadence: str) -> Json:
    return {"name": name, "cadence": cadence, "model": {"flat": {"amount": str(amount)}}}


def billed(lines: list[Json], name: str) -> list[Fee]:
    """The lines of the fees that are called so, in order of time."""
    return sorted(
        (
            Fee(
                int(line["name"].split()[-1]),
                datetime.fromisoformat(line["periodStart"]),
                datetime.fromisoformat(line["periodEnd"]),
                Decimal(line["amount"]),
            )
            for line in lines
            if line["name"].startswith(name)
        ),
        key=lambda fee: fee.start,
    )


@pytest.mark.parametrize("seed", range(25))
async def test_each_day_of_a_life_is_billed_once(
    http: httpx.AsyncClient, database: Database, seed: int
) -> None:
    life = random_life(Random(seed))  # noqa: S311
    api = await new_organization(http, database, clock=life.clock)
    subscription = await live(api, life)
    data = await api.query(
        f"""{{ customer(externalId: "acme") {{ openCredit }}
              node(id: "{subscription["id"]}") {{ ... on Subscription {{ status endedAt }} }} }}"""
    )
    assert data["node"]["status"] == "ENDED"
    assert life.ended_at == datetime.fromisoformat(data["node"]["endedAt"])
    invoices = await all_invoices(api, LINES)
    assert len(invoices) < 100
    assert {invoice["status"] for invoice in invoices} <= {"FINALIZED"}
    assert all(Decimal(invoice["total"]) >= 0 for invoice in invoices)
    lines = [line for invoice in invoices for line in invoice["lineItems"]]
    assert billed(lines, "Arrears") == life.fees(in_advance=False)
    fees = billed(lines, "Advance")
    credited = sum(fee.amount for fee in billed(lines, "Unused Advance"))
    assert {line["type"] for line in lines} <= {"FIXED", "PRORATION"}
    assert all(fee.amount >= 0 for fee in fees)
    kept = sum(fee.amount for fee in fees) + credited - Decimal(data["customer"]["openCredit"])
    assert kept == sum(fee.amount for fee in life.fees(in_advance=True))
