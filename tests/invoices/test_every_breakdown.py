"""Breakdowns of every aggregation under every price model, in currencies of 0, 2 and 3 decimals."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from tests.invoices.metered import BREAKDOWN
from tests.support import Api, Json

AGGREGATIONS = ("COUNT", "SUM", "MAX", "UNIQUE_COUNT", "LATEST", "WEIGHTED_SUM")
TIERS = [{"upTo": "3", "unitAmount": "1.37", "flatAmount": "0.5"}, {"unitAmount": "0.119"}]
MODELS: dict[str, Json] = {
    "perUnit": {"unitAmount": "0.333"},
    "package": {"amount": "7.77", "size": "4", "freeUnits": "1"},
    "graduated": {"tiers": TIERS},
    "volume": {"tiers": TIERS},
    "graduatedPercentage": {"tiers": [{"upTo": "5", "rate": "12.5"}, {"rate": "3.3"}]},
    "percentage": {"rate": "2.9", "fixedAmount": "0.3", "freeEvents": 1, "minimumPerEvent": "0.4"},
}
EVENTS: list[Json] = [
    {"n": "1.5", "who": "a", "at": {"zone": "x", "list": ["p", "q"]}, "day": "02", "source": "eu"},
    {"n": "4", "who": "b", "at": {"zone": "x"}, "day": "03", "source": "us"},
    {"n": "4", "who": "a", "at": {"zone": "y"}, "day": "03", "source": "eu"},
    {"n": "0.25", "who": "c", "at": {}, "day": "11"},
    {"n": "2", "who": "b", "day": "12", "source": "us", "tag": "t"},
    {"n": "-1", "who": "d", "at": "elsewhere", "day": "30", "source": "eu", "tag": "u"},
]
KEYS = [
    ["source"],
    ["properties.at.zone"],
    ["properties.tag", "source"],
    ["properties.who", "source", "feature_id", "properties.at.zone", "properties.at.list.1"],
]


def price(model: str, feature: Json) -> Json:
    return {"name": feature["key"], "featureId": feature["id"], "model": {model: MODELS[model]}}


async def billed(api: Api, currency: str) -> list[Json]:
    """The invoices of a January, one for each model, of customers with the same events."""
    features = {
        kind: await api.feature(
            kind.lower(),
            kind,
            eventName="sample",
            dimensions=["at.zone", "who"],
            **({} if kind == "COUNT" else {"valueProperty": VALUE[kind]}),
        )
        for kind in AGGREGATIONS
    }
    for model in MODELS:
        priced = ["SUM"] if model == "percentage" else AGGREGATIONS
        prices = [price(model, features[kind]) for kind in priced]
        plan = await api.plan(model, prices, currency=currency)
        customer = await api.customer(model, currency=currency)
        await api.subscription(customer, plan)
        payload = await api.ingest(*(sent(model, index) for index in range(len(EVENTS))))
        assert payload["acceptedCount"] == len(EVENTS)
    await api.advance("2026-02-10T00:00:00Z")
    return await api.invoices("id customer { externalId }", "FINALIZED")


VALUE = {"SUM": "n", "MAX": "n", "LATEST": "n", "WEIGHTED_SUM": "n", "UNIQUE_COUNT": "who"}


def sent(customer: str, index: int) -> Json:
    event = EVENTS[index]
    return {
        "transactionId": f"{customer}-{index}",
        "externalCustomerId": customer,
        "eventName": "sample",
        "timestamp": f"2026-01-{event['day']}T0{index}:30:00Z",
        "source": event.get("source"),
        "properties": {key: event[key] for key in ("n", "who", "at", "tag") if key in event},
    }


def whole_seconds(events: Sequence[tuple[int, Json]]) -> Decimal:
    """The level over January, times its seconds."""
    total = Decimal(0)
    for index, event in events:
        day = int(event["day"])
        passed = (day - 1) * 86_400 + index * 3_600 + 1_800
        total += Decimal(event["n"]) * (31 * 86_400 - passed)
    return total


Reference = Callable[[Sequence[tuple[int, Json]]], Decimal]
REFERENCES: dict[str, Reference] = {
    "COUNT": lambda events: Decimal(len(events)),
    "SUM": lambda events: sum((Decimal(one["n"]) for _, one in events), Decimal(0)),
    "MAX": lambda events: max(Decimal(one["n"]) for _, one in events),
    "UNIQUE_COUNT": lambda events: Decimal(len({one["who"] for _, one in events})),
    "LATEST": lambda events: Decimal(max(events, key=lambda one: (one[1]["day"], one[0]))[1]["n"]),
    "WEIGHTED_SUM": lambda events: (whole_seconds(events) / (31 * 86_400)).quantize(
        Decimal("1e-12"), rounding="ROUND_HALF_UP"
    ),
}


def value_of(event: Json, key: str) -> str | None:
    if key == "source":
        found: object = event.get("source")
        return None if found is None else str(found)
    found = event
    for name in key.removeprefix("properties.").split("."):
        if isinstance(found, list):
            found = found[int(name)]
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return None if found is None else str(found)


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
async def test_groups_sum_to_their_line_and_hold_their_own_aggregate(
    api: Api, currency: str
) -> None:
    invoices = await billed(api, currency)
    assert len(invoices) == len(MODELS)
    lines = 0
    for invoice in invoices:
        for keys in KEYS:
            data = await api.query(
                f"""query ($id: ID!, $keys: [String!]!) {{ invoice(id: $id) {{
                  stored: usageBreakdown(groupBy: $keys) {{ {BREAKDOWN} }}
                  again: usageBreakdown(groupBy: $keys, forceRuntimeRecalculation: true)
                    {{ {BREAKDOWN} }} }} }}""",
                {"id": invoice["id"], "keys": keys},
            )
            stored, again = data["invoice"]["stored"], data["invoice"]["again"]
            assert [one["groups"] for one in stored] == [one["groups"] for one in again]
            assert {one["difference"] for one in again} <= {"0.00", "0", "0.000"}
            for found in stored:
                check(found, keys)
                lines += 1
    assert lines == (len(AGGREGATIONS) * 5 + 1) * len(KEYS)


def check(found: Json, keys: Sequence[str]) -> None:
    """The breakdown adds up, and each group's usage is the aggregation of its own events."""
    groups = found["groups"]
    cost = sum((Decimal(one["cost"]) for one in groups), Decimal(0))
    assert cost == Decimal(found["invoicedAmount"]) == Decimal(found["lineItem"]["amount"])
    assert sum(Decimal(one["percentage"]) for one in groups) == 100
    kind = found["feature"]["key"].upper()
    members: dict[tuple[str | None, ...], list[tuple[int, Json]]] = {}
    for index, event in enumerate(EVENTS):
        values = tuple(value_of(event, key) for key in keys if key != "feature_id")
        members.setdefault(values, []).append((index, event))
    shown = {
        tuple(key["value"] for key in one["keys"] if key["dimension"] != "feature_id"): one
        for one in groups
    }
    assert set(shown) == set(members)
    for values, events in members.items():
        assert Decimal(shown[values]["usage"]) == REFERENCES[kind](events), (kind, values)
        assert shown[values]["eventCount"] == len(events)
    if kind in ("COUNT", "SUM"):
        usage = sum((Decimal(one["usage"]) for one in groups), Decimal(0))
        assert usage == Decimal(found["lineItem"]["quantity"])


async def test_more_groups_than_the_limit_are_refused_not_sent(api: Api) -> None:
    calls = await api.feature("calls", dimensions=["user"])
    few = await api.feature("few", eventName="few")
    prices = [
        {"name": key["key"], "featureId": key["id"], "model": {"perUnit": {"unitAmount": "1"}}}
        for key in (calls, few)
    ]
    await api.subscription(await api.customer(), await api.plan("basic", prices))
    for batch in range(11):
        await api.ingest(
            *(
                {
                    "transactionId": f"{batch}-{index}",
                    "externalCustomerId": "acme",
                    "eventName": "calls" if batch < 10 or index == 0 else "few",
                    "properties": {"user": f"{batch}-{index}"},
                }
                for index in range(1000 if batch < 10 else 2)
            )
        )
    await api.advance("2026-02-10T00:00:00Z")
    answer = await api.post(
        """{ invoices(first: 1) { nodes { lineItems { name
             usageBreakdown(groupBy: ["properties.user"]) { groups { cost } } } } } }"""
    )
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "more than 10000 groups" in error["message"]
    many, one = answer["data"]["invoices"]["nodes"][0]["lineItems"]
    assert many["usageBreakdown"] is None
    assert one["usageBreakdown"]["groups"] == [{"cost": "1.00"}]
    for_customer = await api.post(
        """{ customer(externalId: "acme") { usage(periodStart: "2026-01-01T00:00:00Z",
             periodEnd: "2026-02-01T00:00:00Z", groupBy: ["properties.user"]) { quantity } } }"""
    )
    assert "more than 10000 groups" in for_customer["errors"][0]["message"]
    coarser = await api.query(
        """{ invoices(first: 1) { nodes { lineItems {
             usageBreakdown(groupBy: ["source"]) { groups { cost } } } } } }"""
    )
    lines = coarser["invoices"]["nodes"][0]["lineItems"]
    assert [len(line["usageBreakdown"]["groups"]) for line in lines] == [1, 1]
