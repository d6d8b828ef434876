"""Every mutation that takes an idempotencyKey, said twice."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.graph.wallets import coupon, wallet
from tests.payments.paying import set_method
from tests.payments.refunding import failed_refunds
from tests.support import Api, Json

Values = dict[str, Any]
FLAT = {"name": "Access", "model": {"flat": {"amount": "10"}}}
LINE = {"name": "Setup", "amount": "5"}


@dataclass
class Keyed:
    """A mutation that takes a key: a good input, another good one, and a bad one.

    Texts like "@draft" stand for ids of the world.
    """

    mutation: str
    selection: str
    values: Values
    another: Values
    bad: Values = field(default_factory=dict)


KEYED = [
    Keyed(
        "customerCreate",
        "customer { id }",
        {"externalId": "new", "name": "New", "metadata": {"a": 1, "b": "2"}},
        {"name": "Newer"},
        {"name": ""},
    ),
    Keyed(
        "featureCreate",
        "feature { id }",
        {"key": "new", "name": "New", "aggregation": "COUNT"},
        {"dimensions": ["region"]},
        {"key": ""},
    ),
    Keyed(
        "planCreate",
        "plan { id }",
        {
            "key": "new",
            "name": "New",
            "currency": "USD",
            "billingPeriod": "MONTHLY",
            "prices": [FLAT],
        },
        {"prices": [FLAT, FLAT]},
        {"prices": []},
    ),
    Keyed(
        "subscriptionCreate",
        "subscription { id }",
        {"customerId": "@customer", "planId": "@plan"},
        {"startedAt": "2026-01-05T00:00:00Z"},
        {"planId": "pln_x"},
    ),
    Keyed(
        "subscriptionChangePlan",
        "subscription { id }",
        {"subscriptionId": "@subscription", "planId": "@better"},
        {"planId": "@plan"},
        {"planId": "pln_x"},
    ),
    Keyed(
        "subscriptionCancel",
        "subscription { id }",
        {"subscriptionId": "@subscription", "at": "NOW"},
        {"at": "PERIOD_END"},
        {"subscriptionId": "sub_x"},
    ),
    Keyed(
        "couponCreate",
        "coupon { id }",
        {"code": "new", "name": "New", "percentOff": "10", "duration": "ONCE"},
        {"percentOff": "11"},
        {"percentOff": "0"},
    ),
    Keyed(
        "couponApply",
        "invoice { id total } coupon { id }",
        {"couponId": "@coupon", "invoiceId": "@draft"},
        {"invoiceId": "@draft2"},
        {"invoiceId": "@finalized"},
    ),
    Keyed(
        "taxRateCreate",
        "taxRate { id }",
        {"code": "new", "name": "New", "percentage": "5"},
        {"isDefault": True},
        {"percentage": "101"},
    ),
    Keyed(
        "walletCreate",
        "wallet { id }",
        {"customerId": "@customer", "name": "New", "expiresAt": "2027-01-01T00:00:00Z"},
        {"scope": "ALL"},
        {"priority": -1},
    ),
    Keyed(
        "walletTopUp",
        "wallet { id balance } transaction { id }",
        {"walletId": "@wallet", "amount": "5"},
        {"amount": "6"},
        {"amount": "-5"},
    ),
    Keyed(
        "walletTopUp",
        "wallet { id balance } invoice { id number }",
        {"walletId": "@wallet", "amount": "5", "payment": "INVOICED"},
        {"payment": "GRANTED"},
        {"amount": "-5"},
    ),
    Keyed(
        "customerBalanceAdjust",
        "balanceTransaction { id } customer { id balance }",
        {"customerId": "@customer", "amount": "5", "description": "Sorry"},
        {"amount": "-5"},
        {"amount": "0"},
    ),
    Keyed(
        "invoiceCreate",
        "invoice { id }",
        {"customerId": "@customer", "lineItems": [LINE], "finalize": True},
        {"finalize": False},
        {"lineItems": [{**LINE, "amount": "-5"}]},
    ),
    Keyed(
        "invoiceLineItemCreate",
        "lineItem { id } invoice { id total }",
        {"invoiceId": "@draft", "lineItem": LINE},
        {"lineItem": {**LINE, "amount": "6"}},
        {"lineItem": {**LINE, "amount": "-5"}},
    ),
    Keyed(
        "creditNoteCreate",
        "creditNote { id number total } invoice { id }",
        {
            "invoiceId": "@finalized",
            "reason": "OTHER",
            "settlement": "BALANCE",
            "lineItems": [{"lineItemId": "@billed", "amount": "1"}],
        },
        {"reason": "FRAUDULENT"},
        {"settlement": "REFUND"},
    ),
    Keyed(
        "invoiceMarkUncollectible",
        "invoice { id status }",
        {"invoiceId": "@finalized"},
        {"invoiceId": "@finalized2"},
        {"invoiceId": "@draft"},
    ),
    Keyed(
        "invoiceFinalize",
        "invoice { id number }",
        {"invoiceId": "@draft"},
        {"invoiceId": "@draft2"},
        {"invoiceId": "@finalized"},
    ),
    Keyed(
        "invoiceVoid",
        "invoice { id number status }",
        {"invoiceId": "@finalized", "reason": "wrong"},
        {"reason": "right"},
        {"invoiceId": "@draft"},
    ),
    Keyed(
        "paymentRecord",
        "payment { id amount } invoice { id amountPaid }",
        {"invoiceId": "@finalized", "amount": "10", "reference": "wire"},
        {"amount": "11"},
        {"amount": "-1"},
    ),
    Keyed(
        "invoiceRetryPayment",
        "payment { id state } invoice { id amountPaid }",
        {"invoiceId": "@collected"},
        {"invoiceId": "@collected2"},
        {"invoiceId": "@draft"},
    ),
    Keyed(
        "refundRetry",
        "refund { id state }",
        {"refundId": "@refund"},
        {"refundId": "@refund2"},
        {"refundId": "@finalized"},
    ),
    Keyed(
        "refundMarkPaidOut",
        "refund { id state provider }",
        {"refundId": "@refund", "reference": "wire"},
        {"reference": "cash"},
        {"reference": "x" * 256},
    ),
]
each = pytest.mark.parametrize("keyed", KEYED, ids=lambda one: one.mutation)


@pytest.fixture
async def world(api: Api, request: pytest.FixtureRequest) -> Values:
    parameters = getattr(request.node, "callspec", None)
    return await furnish(api, parameters.params.get("keyed") if parameters else None)


async def furnish(api: Api, keyed: Keyed | None) -> Values:
    """What the mutation names, or everything: making what it does not name would take long."""
    named = set(re.findall(r"@\w+", repr(keyed or KEYED)))
    customer = await api.customer()
    world = {"@customer": customer["id"]}
    if named & {"@plan", "@better", "@subscription"}:
        plan = await api.plan("basic", [FLAT])
        better = await api.plan("better", [{**FLAT, "cadence": "ADVANCE"}] * 2)
        world |= {"@plan": plan["id"], "@better": better["id"]}
        world["@subscription"] = (await api.subscription(customer, plan))["id"]
    if "@coupon" in named:
        world["@coupon"] = await coupon(api, "ten", percentOff="10")
    if "@wallet" in named:
        world["@wallet"] = await wallet(api, customer)
    if named & {"@draft", "@draft2"}:
        for name, amount in (("@draft", "10"), ("@draft2", "20")):
            world[name] = (await api.one_off(customer, amount))["id"]
    if named & {"@finalized", "@finalized2", "@billed"}:
        for name, amount in (("@finalized2", "40"), ("@finalized", "30")):
            invoice = await api.one_off(customer, amount, finalize=True)
            world |= {name: invoice["id"], "@billed": invoice["lineItems"][0]["id"]}
    if named & {"@collected", "@collected2"}:
        payer = await api.customer("payer")
        for name in ("@collected", "@collected2"):
            world[name] = (await api.one_off(payer, "30", finalize=True))["id"]
        await set_method(api, payer, "pm_ok")
    if named & {"@refund", "@refund2"}:
        refunds = await failed_refunds(api, await api.customer("refunded"), 2)
        world |= {"@refund": refunds[0], "@refund2": refunds[1]}
    assert named <= world.keys()
    return world


def in_world(value: Any, world: Values) -> Any:
    """The value with the world's ids where texts stand for them."""
    if isinstance(value, dict):
        return {name: in_world(one, world) for name, one in value.items()}
    if isinstance(value, list):
        return [in_world(one, world) for one in value]
    return world.get(value, value) if isinstance(value, str) else value


async def said(
    api: Api, keyed: Keyed, world: Values, key: str, change: Values | None = None
) -> Json:
    values = {**keyed.values, **(change or {})}
    values = in_world(values, world)
    return await api.mutate(
        keyed.mutation, f"{keyed.selection} replayed", **values, idempotencyKey=key
    )


def refused(payload: Json, kind: str, code: str, at: list[str]) -> Json:
    """The payload's only error; nothing was done."""
    (error,) = payload.pop("userErrors")
    assert (error["__typename"], error["code"], error["field"]) == (kind, code, at)
    assert payload.pop("replayed") is False
    assert set(payload.values()) == {None}
    found: Json = error
    return found


@each
async def test_the_same_key_and_input_answer_the_same_and_do_nothing_more(
    api: Api, world: Values, keyed: Keyed
) -> None:
    first = await said(api, keyed, world, "k")
    assert first["userErrors"] == []
    assert first["replayed"] is False
    before = await api.stored()
    for _ in range(2):
        assert await said(api, keyed, world, "k") == {**first, "replayed": True}
    assert await api.stored() == before
    await api.advance("2026-01-02T00:00:00Z")
    assert await said(api, keyed, world, "k") == {**first, "replayed": True}


@each
async def test_the_same_key_with_another_input_is_a_mismatch(
    api: Api, world: Values, keyed: Keyed
) -> None:
    first = await said(api, keyed, world, "k")
    before = await api.stored()
    payload = await said(api, keyed, world, "k", keyed.another)
    error = refused(payload, "IdempotencyMismatchError", "IDEMPOTENCY_MISMATCH", ["idempotencyKey"])
    assert f"'k' was used before with another input, for {keyed.mutation}" in error["message"]
    assert await api.stored() == before
    assert await said(api, keyed, world, "k") == {**first, "replayed": True}


@each
async def test_a_failed_attempt_leaves_the_key_free(api: Api, world: Values, keyed: Keyed) -> None:
    before = await api.stored()
    for _ in range(2):
        payload = await said(api, keyed, world, "k", keyed.bad)
        assert len(payload["userErrors"]) == 1
        assert payload["userErrors"][0]["code"] != "IDEMPOTENCY_MISMATCH"
        assert payload["replayed"] is False
    assert await api.stored() == before
    payload = await said(api, keyed, world, "k")
    assert (payload["userErrors"], payload["replayed"]) == ([], False)


@each
async def test_a_key_belongs_to_one_organization(
    api: Api, other: Api, world: Values, keyed: Keyed
) -> None:
    first = await said(api, keyed, world, "k")
    elsewhere = await said(other, keyed, await furnish(other, keyed), "k")
    assert (elsewhere["userErrors"], elsewhere["replayed"]) == ([], False)
    entity = keyed.selection.split()[0]
    assert elsewhere[entity]["id"] != first[entity]["id"]


@each
async def test_a_key_is_a_text_of_at_most_255_characters(
    api: Api, world: Values, keyed: Keyed
) -> None:
    before = await api.stored()
    bad = {"": "blank", "k" * 256: "255 characters", "a\0": "U+0000"}
    for key, words in bad.items():
        payload = await said(api, keyed, world, key)
        error = refused(payload, "InvalidInputError", "INVALID_INPUT", ["idempotencyKey"])
        assert words in error["message"]
    assert await api.stored() == before


@each
async def test_a_null_key_is_no_key(api: Api, world: Values, keyed: Keyed) -> None:
    values = in_world(keyed.values, world)
    selection = f"{keyed.selection} replayed"
    payload = await api.done(keyed.mutation, selection, **values, idempotencyKey=None)
    assert payload["replayed"] is False
    again = await api.mutate(keyed.mutation, selection, **values, idempotencyKey=None)
    assert again["replayed"] is False


async def test_a_key_stands_for_one_mutation(api: Api, world: Values) -> None:
    finalize, void = (one for one in KEYED if one.mutation in ("invoiceFinalize", "invoiceVoid"))
    await said(api, finalize, world, "k")
    payload = await said(api, void, world, "k")
    error = refused(payload, "IdempotencyMismatchError", "IDEMPOTENCY_MISMATCH", ["idempotencyKey"])
    assert "for invoiceFinalize" in error["message"]


async def test_the_order_of_metadata_makes_no_other_input(api: Api) -> None:
    values = {"externalId": "acme", "name": "Acme", "idempotencyKey": "k"}
    for metadata in ({"a": 1, "b": 2}, {"b": 2, "a": 1}):
        payload = await api.done("customerCreate", "replayed", **values, metadata=metadata)
    assert payload["replayed"] is True


async def test_a_replay_shows_the_entity_as_it_is_now(api: Api, world: Values) -> None:
    create = next(one for one in KEYED if one.mutation == "invoiceCreate")
    first = await said(api, create, world, "k", {"finalize": False})
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=first["invoice"]["id"])
    again = await said(api, create, world, "k", {"finalize": False})
    assert again == {"invoice": None, "userErrors": [], "replayed": True}
