"""planCreate with every price model: what is read back, and what is refused where."""

import pytest

from tests.support import Api, Json

PRICE = """model amount packageSize freeUnits rate fixedAmount freeEvents freeAmount
  minimumPerEvent maximumPerEvent tiers { upTo unitAmount flatAmount rate } feature { key }"""
NOTHING: Json = {
    "amount": None,
    "packageSize": None,
    "freeUnits": None,
    "rate": None,
    "fixedAmount": None,
    "freeEvents": None,
    "freeAmount": None,
    "minimumPerEvent": None,
    "maximumPerEvent": None,
    "tiers": [],
    "feature": {"key": "traffic"},
}
UNIT_TIERS = [{"upTo": "100.0", "unitAmount": "0.50", "flatAmount": "1.0"}, {"unitAmount": "0.1"}]
READ_TIERS = [
    {"upTo": "100", "unitAmount": "0.5", "flatAmount": "1", "rate": "0"},
    {"upTo": None, "unitAmount": "0.1", "flatAmount": "0", "rate": "0"},
]


def price(model: Json, feature: Json | None) -> Json:
    return {"name": "P", "featureId": feature and feature["id"], "model": model}


def plan(*prices: Json) -> Json:
    return {
        "key": "basic",
        "name": "Basic",
        "currency": "USD",
        "billingPeriod": "MONTHLY",
        "prices": prices,
    }


async def traffic(api: Api) -> Json:
    return await api.feature("traffic", "SUM", valueProperty="bytes")


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        (
            {"flat": {"amount": "250.00"}},
            {"model": "FLAT", "amount": "250", "feature": None},
        ),
        ({"perUnit": {"unitAmount": "0.50"}}, {"model": "PER_UNIT", "amount": "0.5"}),
        (
            {"package": {"amount": "5.00", "size": "100.0", "freeUnits": "10.50"}},
            {"model": "PACKAGE", "amount": "5", "packageSize": "100", "freeUnits": "10.5"},
        ),
        (
            {"package": {"amount": "5", "size": "0.5"}},
            {"model": "PACKAGE", "amount": "5", "packageSize": "0.5", "freeUnits": "0"},
        ),
        ({"graduated": {"tiers": UNIT_TIERS}}, {"model": "GRADUATED", "tiers": READ_TIERS}),
        ({"volume": {"tiers": UNIT_TIERS}}, {"model": "VOLUME", "tiers": READ_TIERS}),
        (
            {
                "percentage": {
                    "rate": "2.90",
                    "fixedAmount": "0.30",
                    "freeEvents": 7,
                    "freeAmount": "100.0",
                    "minimumPerEvent": "0.50",
                    "maximumPerEvent": "3.0",
                }
            },
            {
                "model": "PERCENTAGE",
                "rate": "2.9",
                "fixedAmount": "0.3",
                "freeEvents": 7,
                "freeAmount": "100",
                "minimumPerEvent": "0.5",
                "maximumPerEvent": "3",
            },
        ),
        (
            {"percentage": {"rate": "1", "freeEvents": 0, "freeAmount": None}},
            {"model": "PERCENTAGE", "rate": "1", "fixedAmount": "0", "freeEvents": 0},
        ),
        (
            {
                "graduatedPercentage": {
                    "tiers": [{"upTo": "1000", "rate": "2.50"}, {"rate": "1", "flatAmount": "20"}]
                }
            },
            {
                "model": "GRADUATED_PERCENTAGE",
                "tiers": [
                    {"upTo": "1000", "unitAmount": "0", "flatAmount": "0", "rate": "2.5"},
                    {"upTo": None, "unitAmount": "0", "flatAmount": "20", "rate": "1"},
                ],
            },
        ),
    ],
)
async def test_a_price_shows_its_model(api: Api, model: Json, shown: Json) -> None:
    feature = None if "flat" in model else await traffic(api)
    selection = f"plan {{ prices {{ {PRICE} }} }}"
    payload = await api.done("planCreate", selection, **plan(price(model, feature)))
    assert payload["plan"]["prices"] == [{**NOTHING, **shown}]
    data = await api.query(f'{{ plan(key: "basic") {{ prices {{ id {PRICE} }} }} }}')
    (read,) = data["plan"]["prices"]
    node = await api.query(f'{{ node(id: "{read.pop("id")}") {{ ... on Price {{ {PRICE} }} }} }}')
    assert node["node"] == read == {**NOTHING, **shown}


def tiers(*bounds: str | None) -> list[Json]:
    return [{"upTo": bound, "unitAmount": "1"} for bound in bounds]


@pytest.mark.parametrize(
    ("model", "code", "field", "words"),
    [
        (
            {"graduated": {"tiers": tiers("5", "10")}},
            "INVALID_INPUT",
            ["graduated", "tiers", "1", "upTo"],
            "The last tier must be open",
        ),
        (
            {"volume": {"tiers": tiers("5", None, None)}},
            "INVALID_INPUT",
            ["volume", "tiers", "1", "upTo"],
            "Only the last tier is open",
        ),
        (
            {"graduatedPercentage": {"tiers": [{"upTo": "5", "rate": "1"}] * 2 + [{"rate": "1"}]}},
            "INVALID_INPUT",
            ["graduatedPercentage", "tiers", "1", "upTo"],
            "Tiers must rise: 5 is not above 5",
        ),
        (
            {"graduated": {"tiers": tiers("0", None)}},
            "AMOUNT_OUT_OF_RANGE",
            ["graduated", "tiers", "0", "upTo"],
            "above zero",
        ),
        (
            {"graduated": {"tiers": []}},
            "INVALID_INPUT",
            ["graduated", "tiers"],
            "1 to 100 tiers, not 0",
        ),
        (
            {"volume": {"tiers": tiers(*map(str, range(1, 101)), None)}},
            "TOO_MANY_ITEMS",
            ["volume", "tiers"],
            "1 to 100 tiers, not 101",
        ),
        (
            {"volume": {"tiers": [{"unitAmount": "1", "flatAmount": "-1"}]}},
            "AMOUNT_OUT_OF_RANGE",
            ["volume", "tiers", "0", "flatAmount"],
            "not be negative",
        ),
        (
            {"package": {"amount": "1", "size": "-1"}},
            "AMOUNT_OUT_OF_RANGE",
            ["package", "size"],
            "above zero: -1",
        ),
        (
            {"package": {"amount": "1", "size": "1", "freeUnits": "-1"}},
            "AMOUNT_OUT_OF_RANGE",
            ["package", "freeUnits"],
            "not be negative",
        ),
        (
            {"percentage": {"rate": "0.0000000000001"}},
            "AMOUNT_OUT_OF_RANGE",
            ["percentage", "rate"],
            "at most 12 decimals",
        ),
        (
            {"percentage": {"rate": "1", "minimumPerEvent": "2", "maximumPerEvent": "1"}},
            "INVALID_INPUT",
            ["percentage", "minimumPerEvent"],
            "must not be above the maximum",
        ),
        (
            {"percentage": {"rate": "1", "freeEvents": 1000000001}},
            "AMOUNT_OUT_OF_RANGE",
            ["percentage", "freeEvents"],
            "from 0 to 1000000000",
        ),
    ],
)
async def test_a_bad_model_is_refused_in_its_place_and_stores_nothing(
    api: Api, model: Json, code: str, field: list[str], words: str
) -> None:
    bad = plan(price({"flat": {"amount": "1"}}, None), price(model, await traffic(api)))
    at = ["prices", "1", "model", *field]
    await api.refused("planCreate", "plan { id } replayed", code, at, words, **bad)
    # A refused input leaves its key free for the right one.
    keyed = {**bad, "idempotencyKey": "k"}
    await api.refused("planCreate", "plan { id } replayed", code, at, words, **keyed)
    right = {**plan(price({"flat": {"amount": "1"}}, None)), "idempotencyKey": "k"}
    await api.done("planCreate", "plan { id }", **right)


METERED = [
    ("PER_UNIT", {"perUnit": {"unitAmount": "1"}}),
    ("PACKAGE", {"package": {"amount": "1", "size": "1"}}),
    ("GRADUATED", {"graduated": {"tiers": tiers(None)}}),
    ("VOLUME", {"volume": {"tiers": tiers(None)}}),
    ("PERCENTAGE", {"percentage": {"rate": "1"}}),
    ("GRADUATED_PERCENTAGE", {"graduatedPercentage": {"tiers": [{"rate": "1"}]}}),
]


@pytest.mark.parametrize(("name", "model"), METERED)
async def test_every_model_but_flat_needs_a_feature(api: Api, name: str, model: Json) -> None:
    words = f"A {name} price needs the feature it meters."
    bad = plan(price({"flat": {"amount": "1"}}, None), price(model, None))
    at = ["prices", "1", "featureId"]
    await api.refused("planCreate", "plan { id }", "INVALID_INPUT", at, words, **bad)


@pytest.mark.parametrize(("name", "model"), METERED)
async def test_percentage_alone_needs_values_that_add_up(api: Api, name: str, model: Json) -> None:
    counting = plan(
        price({"flat": {"amount": "1"}}, None), price(model, await api.feature("calls"))
    )
    if name == "PERCENTAGE":
        words = (
            "A PERCENTAGE price prices each event's value: its feature must add up values (SUM),"
            " not be a COUNT."
        )
        at = ["prices", "1", "featureId"]
        await api.refused("planCreate", "plan { id }", "INVALID_INPUT", at, words, **counting)
    else:
        await api.done("planCreate", "plan { id }", **counting)


async def test_the_same_model_said_twice_is_the_same_plan(api: Api) -> None:
    feature = await traffic(api)
    model = {"graduated": {"tiers": UNIT_TIERS}}
    keyed = {**plan(price(model, feature)), "idempotencyKey": "k"}
    first = await api.done("planCreate", "plan { id } replayed", **keyed)
    again = await api.done("planCreate", "plan { id } replayed", **keyed)
    assert again["plan"] == first["plan"]
    assert (first["replayed"], again["replayed"]) == (False, True)
    other = {**keyed, "prices": [price({"volume": {"tiers": UNIT_TIERS}}, feature)]}
    words = "another input"
    await api.refused(
        "planCreate", "plan { id }", "IDEMPOTENCY_MISMATCH", ["idempotencyKey"], words, **other
    )
