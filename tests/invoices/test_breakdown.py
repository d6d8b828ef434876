"""Breakdowns by nested paths, by what is missing, by up to five keys, in several currencies."""

from decimal import Decimal

import pytest

from tests.invoices.metered import all_invoices, breakdown, call, call_plan, costs, send, total_cost
from tests.support import Api, Json

CALLS: list[Json] = [
    call("1", "2026-01-01T00:00:00Z", source="eu", properties={"a": {"b": "x"}, "c": "1"}),
    call("2", "2026-01-02T00:00:00Z", source="eu", properties={"a": {"b": "y"}, "c": "1"}),
    call("3", "2026-01-03T00:00:00Z", source="us", properties={"a": {"b": None}, "c": "2"}),
    call("4", "2026-01-04T00:00:00Z", source="us", properties={"a": "x", "c": "2"}),
    call("5", "2026-01-05T00:00:00Z", properties={"a": {"b": "x"}, "list": ["p", "q"]}),
    call("6", "2026-01-06T00:00:00Z", source="eu"),
]


async def billed(api: Api, *, unit: str = "1.00", currency: str = "USD", **plan: object) -> Json:
    """The draft of a January with these calls alone."""
    made = await call_plan(api, flat=None, unit=unit, currency=currency, **plan)  # type: ignore[arg-type] # dimensions only
    customer = await api.customer(currency=currency)
    await api.subscription(customer, made, startedAt="2026-01-01T00:00:00Z")
    await send(api, *CALLS)
    await api.advance("2026-02-01T00:00:00Z")
    (invoice,) = await all_invoices(api)
    return invoice


Costs = dict[tuple[str | None, ...], str]


@pytest.mark.parametrize("dimensions", [[], ["a.b"], ["c", "a.b", "list.1"]])
@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (["properties.a.b"], {(None,): "3.00", ("x",): "2.00", ("y",): "1.00"}),
        (["properties.c"], {("1",): "2.00", ("2",): "2.00", (None,): "2.00"}),
        (["properties.list.1"], {(None,): "5.00", ("q",): "1.00"}),
        (["properties.nothing.there"], {(None,): "6.00"}),
        (["source"], {("eu",): "3.00", ("us",): "2.00", (None,): "1.00"}),
        (
            ["properties.c", "source"],
            {
                ("1", "eu"): "2.00",
                ("2", "us"): "2.00",
                (None, "eu"): "1.00",
                (None, None): "1.00",
            },
        ),
    ],
)
async def test_groups_are_the_same_whether_rolled_up_or_not(
    api: Api, dimensions: list[str], keys: list[str], wanted: Costs
) -> None:
    invoice = await billed(api, dimensions=dimensions)
    for forced in (False, True):
        found = await breakdown(api, invoice["id"], keys, forced=forced)
        assert list(costs(found).items()) == list(wanted.items())
        assert {key["dimension"] for one in found["groups"] for key in one["keys"]} == set(keys)


async def test_five_keys_make_groups_of_five_values(api: Api) -> None:
    invoice = await billed(api, dimensions=["c"])
    keys = ["properties.c", "source", "feature_id", "properties.a.b", "properties.list.0"]
    found = await breakdown(api, invoice["id"], keys)
    feature_id = (await api.query('{ feature(key: "calls") { id } }'))["feature"]["id"]
    assert costs(found) == {
        ("1", "eu", feature_id, "x", None): "1.00",
        ("1", "eu", feature_id, "y", None): "1.00",
        ("2", "us", feature_id, None, None): "2.00",
        (None, None, feature_id, "x", "p"): "1.00",
        (None, "eu", feature_id, None, None): "1.00",
    }
    assert all(len(one["keys"]) == 5 for one in found["groups"])


@pytest.mark.parametrize(
    ("currency", "unit", "amount", "wanted"),
    [
        ("JPY", "16.7", "100", {("eu",): "50", ("us",): "33", (None,): "17"}),
        ("KWD", "0.1667", "1.000", {("eu",): "0.500", ("us",): "0.333", (None,): "0.167"}),
        ("USD", "0.001", "0.01", {("eu",): "0.01", ("us",): "0.00", (None,): "0.00"}),
        ("JPY", "0.01", "0", {("eu",): "0", ("us",): "0", (None,): "0"}),
    ],
)
async def test_costs_have_the_currencys_decimals_and_sum_exactly(
    api: Api, currency: str, unit: str, amount: str, wanted: Costs
) -> None:
    invoice = await billed(api, unit=unit, currency=currency)
    found = await breakdown(api, invoice["id"])
    assert found["invoicedAmount"] == amount
    assert costs(found) == wanted
    assert total_cost(found) == Decimal(amount)
    assert sum(Decimal(one["percentage"]) for one in found["groups"]) == 100


async def test_a_period_without_usage_has_no_groups(api: Api) -> None:
    made = await call_plan(api)
    await api.subscription(await api.customer(), made)
    await api.advance("2026-02-01T00:00:00Z")
    (invoice,) = await all_invoices(api)
    for forced in (False, True):
        found = await breakdown(api, invoice["id"], forced=forced)
        assert (found["invoicedAmount"], found["groups"]) == ("0.00", [])
