"""What another organization has looks to every mutation like what nobody has."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import Api, Json

Values = dict[str, Any]
FLAT = {"name": "Access", "model": {"flat": {"amount": "10"}}}
LINE = {"name": "Setup", "amount": "1"}


@dataclass
class Reach:
    """A mutation, and where in its input an id of another organization may be put."""

    mutation: str
    selection: str
    field: list[str]
    owned: str
    """What of the organization the field names."""

    def values(self, ids: Values, foreign: str) -> Values:
        """A good input of the organization whose ids these are, but for the foreign one."""
        if self.mutation == "planCreate":
            return plan_of(foreign)
        good: dict[str, Values] = {
            "subscriptionCreate": {"customerId": ids["customer"], "planId": ids["plan"]},
            "invoiceCreate": {"lineItems": [LINE]},
            "invoiceLineItemCreate": {"lineItem": LINE},
            "invoiceUpdate": {"memo": "mine"},
            "customerUpdate": {"name": "mine"},
            "customerPaymentMethodSet": {"provider": "SANDBOX", "token": "pm_ok"},
            "subscriptionChangePlan": {
                "subscriptionId": ids["subscription"],
                "planId": ids["better"],
            },
        }
        return {**good.get(self.mutation, {}), self.field[-1]: foreign}


def plan_of(feature_id: str) -> Values:
    """A plan whose second price meters the feature."""
    model = {"perUnit": {"unitAmount": "1"}}
    return {
        "key": "new",
        "name": "New",
        "currency": "USD",
        "billingPeriod": "MONTHLY",
        "prices": [FLAT, {"name": "Calls", "featureId": feature_id, "model": model}],
    }


REACHES = [
    Reach("customerUpdate", "customer { id }", ["customerId"], "customer"),
    Reach("planCreate", "plan { id }", ["prices", "1", "featureId"], "feature"),
    Reach("subscriptionCreate", "subscription { id }", ["customerId"], "customer"),
    Reach("subscriptionCreate", "subscription { id }", ["planId"], "plan"),
    Reach("subscriptionChangePlan", "subscription { id }", ["subscriptionId"], "subscription"),
    Reach("subscriptionChangePlan", "subscription { id }", ["planId"], "better"),
    Reach("subscriptionCancel", "subscription { id }", ["subscriptionId"], "subscription"),
    Reach("invoiceCreate", "invoice { id }", ["customerId"], "customer"),
    Reach("invoiceCreate", "invoice { id }", ["externalCustomerId"], "external"),
    Reach("invoiceUpdate", "invoice { id }", ["invoiceId"], "draft"),
    Reach("invoiceDelete", "deletedInvoiceId", ["invoiceId"], "draft"),
    Reach("invoiceLineItemCreate", "lineItem { id } invoice { id }", ["invoiceId"], "draft"),
    Reach("invoiceLineItemDelete", "invoice { id }", ["lineItemId"], "line"),
    Reach("invoiceRefresh", "invoice { id }", ["invoiceId"], "draft"),
    Reach("invoiceFinalize", "invoice { id }", ["invoiceId"], "draft"),
    Reach("invoiceVoid", "invoice { id }", ["invoiceId"], "finalized"),
    Reach("paymentRecord", "payment { id } invoice { id }", ["invoiceId"], "finalized"),
    Reach("invoiceRetryPayment", "payment { id } invoice { id }", ["invoiceId"], "finalized"),
    Reach("customerPaymentMethodSet", "customer { id }", ["customerId"], "customer"),
]


async def furnish(api: Api, external_id: str) -> Values:
    """One of everything."""
    customer = await api.customer(external_id)
    feature = await api.feature("calls")
    await api.done(
        "customerPaymentMethodSet",
        "customer { id }",
        customerId=customer["id"],
        provider="SANDBOX",
        token="pm_ok",
    )
    plan = await api.plan("basic", [FLAT])
    better = await api.plan("better", [FLAT, FLAT])
    subscription = await api.subscription(customer, plan)
    draft = await api.one_off(customer, "10", "20")
    finalized = await api.one_off(customer, "30", finalize=True)
    return {
        "external": external_id,
        "customer": customer["id"],
        "feature": feature["id"],
        "plan": plan["id"],
        "better": better["id"],
        "subscription": subscription["id"],
        "draft": draft["id"],
        "line": draft["lineItems"][0]["id"],
        "finalized": finalized["id"],
    }


async def refusal(api: Api, reach: Reach, ids: Values, foreign: str) -> Json:
    values = reach.values(ids, foreign)
    error = await api.refused(
        reach.mutation, reach.selection, "NOT_FOUND", reach.field, repr(foreign), **values
    )
    return {**error, "message": error["message"].replace(foreign, "…")}


@pytest.mark.parametrize(
    "reach", REACHES, ids=lambda one: f"{one.mutation}-{one.field[-1]}-{one.owned}"
)
async def test_another_organizations_id_is_as_unknown_as_one_that_nobody_has(
    api: Api, other: Api, reach: Reach
) -> None:
    mine, theirs = await furnish(api, "mine"), await furnish(other, "theirs")
    elsewhere = await other.stored()
    foreign = theirs[reach.owned]
    unknown = foreign[:-1] + ("0" if foreign[-1] != "0" else "1")
    assert await refusal(api, reach, mine, foreign) == await refusal(api, reach, mine, unknown)
    assert await other.stored() == elsewhere
    await other.done(reach.mutation, reach.selection, **reach.values(theirs, foreign))


@pytest.mark.parametrize("owned", ["customer", "plan", "line"])
async def test_an_id_of_another_kind_is_unknown_too(api: Api, owned: str) -> None:
    mine = await furnish(api, "mine")
    values = {"invoiceId": mine[owned]}
    words = f"no invoice '{mine[owned]}'"
    await api.refused(
        "invoiceFinalize", "invoice { id }", "NOT_FOUND", ["invoiceId"], words, **values
    )
