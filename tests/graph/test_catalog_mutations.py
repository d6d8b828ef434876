"""featureCreate and planCreate."""

import pytest

from tests.support import Api, Json

FEATURE = "id key name eventName aggregation valueProperty dimensions createdAt"
PLAN = """id key name currency billingPeriod createdAt
  prices { name model cadence currency amount feature { key } }"""
SUM = {
    "key": "traffic",
    "name": "Traffic",
    "eventName": "http.request",
    "aggregation": "SUM",
    "valueProperty": "size.bytes",
    "dimensions": ["region", "path.first"],
}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        *(
            ({**SUM, "aggregation": aggregation}, {**SUM, "aggregation": aggregation})
            for aggregation in ("SUM", "MAX", "UNIQUE_COUNT", "LATEST", "WEIGHTED_SUM")
        ),
        (
            {"key": "calls", "name": "Calls", "aggregation": "COUNT"},
            {
                "key": "calls",
                "name": "Calls",
                "aggregation": "COUNT",
                "eventName": "calls",
                "valueProperty": None,
                "dimensions": [],
            },
        ),
    ],
)
async def test_a_feature_is_stored_as_it_was_said(api: Api, values: Json, wanted: Json) -> None:
    payload = await api.done("featureCreate", f"feature {{ {FEATURE} }} replayed", **values)
    feature = payload["feature"]
    assert feature["id"].startswith("fea_")
    assert feature == {"id": feature["id"], "createdAt": "2026-01-01T00:00:00Z", **wanted}
    assert payload["replayed"] is False
    data = await api.query(
        f"query ($key: String!) {{ feature(key: $key) {{ {FEATURE} }} }}", {"key": values["key"]}
    )
    assert data["feature"] == feature


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"key": ""}, "INVALID_INPUT", ["key"], "blank"),
        ({"key": "a b"}, "INVALID_INPUT", ["key"], "start with a letter or digit"),
        ({"key": "-a"}, "INVALID_INPUT", ["key"], "start with a letter or digit"),
        ({"key": "k" * 256}, "INVALID_INPUT", ["key"], "255 characters"),
        ({"name": "\t"}, "INVALID_INPUT", ["name"], "blank"),
        ({"eventName": ""}, "INVALID_INPUT", ["eventName"], "blank"),
        ({"eventName": "e" * 256}, "INVALID_INPUT", ["eventName"], "255 characters"),
        ({"aggregation": "COUNT"}, "INVALID_INPUT", ["valueProperty"], "COUNT takes no"),
        ({"valueProperty": None}, "INVALID_INPUT", ["valueProperty"], "SUM needs a value"),
        *(
            (
                {"aggregation": aggregation, "valueProperty": None},
                "INVALID_INPUT",
                ["valueProperty"],
                f"{aggregation} needs a value",
            )
            for aggregation in ("MAX", "UNIQUE_COUNT", "LATEST", "WEIGHTED_SUM")
        ),
        ({"valueProperty": ""}, "INVALID_INPUT", ["valueProperty"], "blank"),
        ({"valueProperty": "a..b"}, "INVALID_INPUT", ["valueProperty"], "empty name"),
        ({"valueProperty": "properties.a"}, "INVALID_INPUT", ["valueProperty"], "'a'"),
        ({"dimensions": ["a", "a"]}, "INVALID_INPUT", ["dimensions"], "twice"),
        ({"dimensions": ["a", ""]}, "INVALID_INPUT", ["dimensions", "1"], "blank"),
        ({"dimensions": [".a"]}, "INVALID_INPUT", ["dimensions", "0"], "empty name"),
        ({"dimensions": ["properties.a"]}, "INVALID_INPUT", ["dimensions", "0"], "without"),
        (
            {"dimensions": [f"d{n}" for n in range(11)]},
            "TOO_MANY_ITEMS",
            ["dimensions"],
            "At most 10 dimensions, not 11",
        ),
    ],
)
async def test_a_bad_feature_is_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    selection = f"feature {{ {FEATURE} }} replayed"
    await api.refused("featureCreate", selection, code, field, words, **{**SUM, **change})
    await api.done("featureCreate", selection, **SUM)


async def test_a_feature_key_is_taken_once_in_an_organization(api: Api, other: Api) -> None:
    await api.feature("calls")
    values = {"key": "calls", "name": "Again", "aggregation": "COUNT"}
    words = "'calls' exists already"
    await api.refused("featureCreate", "feature { id }", "ALREADY_EXISTS", ["key"], words, **values)
    await other.done("featureCreate", "feature { id }", **values)


async def test_a_feature_counts_the_events_that_came_before_it(api: Api) -> None:
    await api.customer()
    late = {"externalCustomerId": "acme", "eventName": "calls"}
    payload = await api.ingest({"transactionId": "1", **late}, {"transactionId": "2", **late})
    assert payload["unmatchedCount"] == 2
    await api.feature("calls")
    data = await api.query(
        """{ customer(externalId: "acme") { usage(
             periodStart: "2026-01-01T00:00:00Z", periodEnd: "2026-02-01T00:00:00Z"
           ) { quantity } } }"""
    )
    assert data["customer"]["usage"] == [{"quantity": "2"}]


def flat(amount: str) -> Json:
    return {"name": "Access", "model": {"flat": {"amount": amount}}}


def per_unit(unit_amount: str, feature_id: str | None) -> Json:
    model = {"perUnit": {"unitAmount": unit_amount}}
    return {"name": "Calls", "featureId": feature_id, "model": model}


BASIC = {
    "key": "basic",
    "name": "Basic",
    "currency": "USD",
    "billingPeriod": "MONTHLY",
    "prices": [flat("10")],
}


async def test_a_plan_is_stored_with_its_prices_in_order(api: Api) -> None:
    calls = await api.feature("calls")
    prices = [per_unit("0.000000000001", calls["id"]), flat("99.90"), flat("0")]
    payload = await api.done(
        "planCreate", f"plan {{ {PLAN} }} replayed", **{**BASIC, "prices": prices}
    )
    plan = payload["plan"]
    assert plan["id"].startswith("pln_")
    assert (plan["key"], plan["name"], plan["currency"]) == ("basic", "Basic", "USD")
    assert (plan["billingPeriod"], plan["createdAt"]) == ("MONTHLY", "2026-01-01T00:00:00Z")
    common = {"cadence": "ARREARS", "currency": "USD"}
    access = {"name": "Access", "model": "FLAT", "feature": None, **common}
    assert plan["prices"] == [
        {
            "name": "Calls",
            "model": "PER_UNIT",
            "amount": "0.000000000001",
            "feature": {"key": "calls"},
            **common,
        },
        {"amount": "99.9", **access},
        {"amount": "0", **access},
    ]
    assert payload["replayed"] is False
    data = await api.query(f'{{ plan(key: "basic") {{ {PLAN} }} }}')
    assert data["plan"] == plan


CALLS = "the id of the feature"


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"key": "a/b"}, "INVALID_INPUT", ["key"], "'a/b' must start"),
        ({"key": ""}, "INVALID_INPUT", ["key"], "blank"),
        ({"name": ""}, "INVALID_INPUT", ["name"], "blank"),
        ({"name": "x" * 256}, "INVALID_INPUT", ["name"], "255 characters"),
        ({"prices": []}, "INVALID_INPUT", ["prices"], "1 to 100 prices"),
        ({"prices": [flat("1")] * 101}, "TOO_MANY_ITEMS", ["prices"], "1 to 100 prices, not 101"),
        (
            {"prices": [flat("1"), {**flat("1"), "name": " "}]},
            "INVALID_INPUT",
            ["prices", "1", "name"],
            "blank",
        ),
        (
            {"prices": [flat("1"), flat("-0.01")]},
            "AMOUNT_OUT_OF_RANGE",
            ["prices", "1", "model", "flat", "amount"],
            "not be negative: -0.01",
        ),
        (
            {"prices": [flat("1000000000000000")]},
            "AMOUNT_OUT_OF_RANGE",
            ["prices", "0", "model", "flat", "amount"],
            "below 10^15",
        ),
        (
            {"prices": [per_unit("0.0000000000001", CALLS)]},
            "AMOUNT_OUT_OF_RANGE",
            ["prices", "0", "model", "perUnit", "unitAmount"],
            "at most 12 decimals",
        ),
        (
            {"prices": [per_unit("-1", CALLS)]},
            "AMOUNT_OUT_OF_RANGE",
            ["prices", "0", "model", "perUnit", "unitAmount"],
            "not be negative",
        ),
        (
            {"prices": [per_unit("1", None)]},
            "INVALID_INPUT",
            ["prices", "0", "featureId"],
            "needs the feature",
        ),
        (
            {"prices": [{**flat("1"), "featureId": CALLS}]},
            "INVALID_INPUT",
            ["prices", "0", "featureId"],
            "leave the feature out",
        ),
        (
            {"prices": [flat("1"), per_unit("1", "feat_x")]},
            "NOT_FOUND",
            ["prices", "1", "featureId"],
            "no feature 'feat_x'",
        ),
        (
            {"prices": [per_unit("1", CALLS), per_unit("2", CALLS)]},
            "INVALID_INPUT",
            ["prices", "1", "featureId"],
            "Another price of this plan",
        ),
    ],
)
async def test_a_bad_plan_is_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    calls = await api.feature("calls")
    values = {**BASIC, **change}
    values["prices"] = [
        {**price, "featureId": calls["id"]} if price.get("featureId") == CALLS else price
        for price in values["prices"]
    ]
    selection = f"plan {{ {PLAN} }} replayed"
    await api.refused("planCreate", selection, code, field, words, **values)
    await api.done("planCreate", selection, **BASIC)


async def test_a_plan_key_is_taken_once_in_an_organization(api: Api, other: Api) -> None:
    await api.done("planCreate", "plan { id }", **BASIC)
    words = "'basic' exists already"
    await api.refused("planCreate", "plan { id }", "ALREADY_EXISTS", ["key"], words, **BASIC)
    await other.done("planCreate", "plan { id }", **BASIC)
