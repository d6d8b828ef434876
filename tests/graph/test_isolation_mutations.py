"""What another organization has looks to every mutation like what nobody has."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from billing_gql.store.database import Database
from tests.graph.wallets import coupon, tax_rate, wallet
from tests.payments.refunding import failed_refunds
from tests.support import Api, Json, new_organization

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
            "couponApply": {"couponId": ids["coupon"]},
            "walletCreate": {"name": "mine"},
            "walletTopUp": {"amount": "1"},
            "customerBalanceAdjust": {"amount": "1"},
            "invoiceLineItemCreate": {"lineItem": LINE},
            "invoiceUpdate": {"memo": "mine"},
            "customerUpdate": {"name": "mine"},
            "customerPaymentMethodSet": {"provider": "SANDBOX", "token": "pm_ok"},
            "subscriptionChangePlan": {
                "subscriptionId": ids["subscription"],
                "planId": ids["better"],
            },
            "creditNoteCreate": note_of(ids["finalized"], ids["billed"]),
        }
        if self.field == ["couponId"]:
            good["couponApply"] = {"customerId": ids["customer"]}
        if self.field[0] == "couponIds":
            values = {"customerId": ids["customer"], "couponIds": [ids["coupon"], foreign]}
            return {"lineItems": [LINE], **values}
        if "taxRateIds" in self.field:
            taxed = {**LINE, "taxRateIds": [ids["rate"], foreign]}
            if self.mutation == "invoiceLineItemCreate":
                return {"invoiceId": ids["draft"], "lineItem": taxed}
            return {"customerId": ids["customer"], "lineItems": [LINE, taxed]}
        if self.field[-1] == "lineItemId" and self.mutation == "creditNoteCreate":
            return note_of(ids["finalized"], foreign)
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


def note_of(invoice_id: str, line_id: str) -> Values:
    """A credit note."""
    lines = [{"lineItemId": line_id, "amount": "1"}]
    values = {"invoiceId": invoice_id, "reason": "OTHER", "settlement": "BALANCE"}
    return {**values, "lineItems": lines}


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
    Reach("invoiceCreate", "invoice { id }", ["couponIds", "1"], "other_coupon"),
    Reach("invoiceCreate", "invoice { id }", ["lineItems", "1", "taxRateIds", "1"], "other_rate"),
    Reach("couponApply", "coupon { id }", ["couponId"], "coupon"),
    Reach("couponApply", "coupon { id }", ["customerId"], "customer"),
    Reach("couponApply", "coupon { id }", ["invoiceId"], "draft"),
    Reach("couponApply", "coupon { id }", ["lineItemId"], "line"),
    Reach("walletCreate", "wallet { id }", ["customerId"], "customer"),
    Reach("walletTopUp", "wallet { id }", ["walletId"], "wallet"),
    Reach("customerBalanceAdjust", "customer { id }", ["customerId"], "customer"),
    Reach(
        "invoiceLineItemCreate",
        "lineItem { id }",
        ["lineItem", "taxRateIds", "1"],
        "other_rate",
    ),
    Reach("invoiceUpdate", "invoice { id }", ["invoiceId"], "draft"),
    Reach("invoiceDelete", "deletedInvoiceId", ["invoiceId"], "draft"),
    Reach("invoiceLineItemCreate", "lineItem { id } invoice { id }", ["invoiceId"], "draft"),
    Reach("invoiceLineItemDelete", "invoice { id }", ["lineItemId"], "line"),
    Reach("invoiceRefresh", "invoice { id }", ["invoiceId"], "draft"),
    Reach("invoiceFinalize", "invoice { id }", ["invoiceId"], "draft"),
    Reach("invoiceVoid", "invoice { id }", ["invoiceId"], "finalized"),
    Reach("invoiceDownload", "invoice { id } pdfUrl", ["invoiceId"], "finalized"),
    Reach("invoiceMarkUncollectible", "invoice { id }", ["invoiceId"], "finalized"),
    Reach("creditNoteCreate", "creditNote { id }", ["invoiceId"], "finalized"),
    Reach("creditNoteCreate", "creditNote { id }", ["lineItems", "0", "lineItemId"], "billed"),
    Reach("paymentRecord", "payment { id } invoice { id }", ["invoiceId"], "finalized"),
    Reach("invoiceRetryPayment", "payment { id } invoice { id }", ["invoiceId"], "finalized"),
    Reach("refundRetry", "refund { id }", ["refundId"], "refund"),
    Reach("refundMarkPaidOut", "refund { id }", ["refundId"], "refund"),
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
    coupons = [await coupon(api, code, percentOff="10") for code in ("ten", "more")]
    rates = [await tax_rate(api, code, "5") for code in ("vat", "city")]
    return {
        "coupon": coupons[0],
        "other_coupon": coupons[1],
        "rate": rates[0],
        "other_rate": rates[1],
        "wallet": await wallet(api, customer),
        "external": external_id,
        "customer": customer["id"],
        "feature": feature["id"],
        "plan": plan["id"],
        "better": better["id"],
        "subscription": subscription["id"],
        "draft": draft["id"],
        "line": draft["lineItems"][0]["id"],
        "finalized": finalized["id"],
        "billed": finalized["lineItems"][0]["id"],
        "refund": (await failed_refunds(api, customer, 1))[0],
    }


async def refusal(api: Api, reach: Reach, ids: Values, foreign: str) -> Json:
    values = reach.values(ids, foreign)
    error = await api.refused(
        reach.mutation, reach.selection, "NOT_FOUND", reach.field, repr(foreign), **values
    )
    return {**error, "message": error["message"].replace(foreign, "…")}


@pytest.fixture(scope="module")
async def mine(http: httpx.AsyncClient, database: Database) -> tuple[Api, Values]:
    """An organization that stays as it is: all that it asks for is refused."""
    api = await new_organization(http, database)
    return api, await furnish(api, "mine")


@pytest.mark.parametrize(
    "reach", REACHES, ids=lambda one: f"{one.mutation}-{one.field[-1]}-{one.owned}"
)
async def test_another_organizations_id_is_as_unknown_as_one_that_nobody_has(
    mine: tuple[Api, Values], other: Api, reach: Reach
) -> None:
    api, ids = mine
    here = await api.stored()
    theirs = await furnish(other, "theirs")
    elsewhere = await other.stored()
    foreign = theirs[reach.owned]
    unknown = foreign[:-1] + ("0" if foreign[-1] != "0" else "1")
    assert await refusal(api, reach, ids, foreign) == await refusal(api, reach, ids, unknown)
    assert (await api.stored(), await other.stored()) == (here, elsewhere)
    await other.done(reach.mutation, reach.selection, **reach.values(theirs, foreign))


@pytest.mark.parametrize("owned", ["customer", "plan", "line"])
async def test_an_id_of_another_kind_is_unknown_too(mine: tuple[Api, Values], owned: str) -> None:
    api, ids = mine
    values = {"invoiceId": ids[owned]}
    words = f"no invoice '{ids[owned]}'"
    await api.refused(
        "invoiceFinalize", "invoice { id }", "NOT_FOUND", ["invoiceId"], words, **values
    )
