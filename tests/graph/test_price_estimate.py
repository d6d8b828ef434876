"""priceEstimate: each model with its working, each error with its place, and no statement."""

import pytest

from tests.support import Api, Json, counted

QUERY = """query ($model: PriceModelInput!, $currency: CurrencyCode!, $quantity: Decimal,
  $eventValues: [Decimal!]) {
  priceEstimate(model: $model, currency: $currency, quantity: $quantity, eventValues: $eventValues)
  { currency quantity amount exactAmount
    steps { description quantity unitAmount flatAmount amount } } }"""
FLAT = {"flat": {"amount": "9.999"}}
PER_UNIT = {"perUnit": {"unitAmount": "0.0173"}}
PACKAGE = {"package": {"amount": "5.00", "size": "100", "freeUnits": "50"}}
TIERS = [
    {"upTo": "100", "unitAmount": "0.50"},
    {"upTo": "200", "unitAmount": "0.25", "flatAmount": "10"},
    {"unitAmount": "0.10", "flatAmount": None},
]
GRADUATED = {"graduated": {"tiers": TIERS}}
VOLUME = {"volume": {"tiers": TIERS}}
PERCENTAGE = {
    "percentage": {
        "rate": "2.9",
        "fixedAmount": "0.30",
        "freeEvents": 2,
        "freeAmount": "100",
        "minimumPerEvent": "0.50",
        "maximumPerEvent": "3",
    }
}
GRADUATED_PERCENTAGE = {
    "graduatedPercentage": {
        "tiers": [{"upTo": "1000", "rate": "2.5"}, {"rate": "1", "flatAmount": "20"}]
    }
}


async def ask(api: Api, model: Json, **values: object) -> Json:
    return await api.post(QUERY, {"model": model, "currency": "USD", **values})


async def estimated(api: Api, model: Json, **values: object) -> Json:
    answer = await ask(api, model, **values)
    assert "errors" not in answer, answer["errors"]
    estimate: Json = answer["data"]["priceEstimate"]
    return estimate


@pytest.mark.parametrize(
    ("model", "values", "quantity", "amount", "exact", "steps"),
    [
        (FLAT, {}, "1", "10.00", "9.999", [("Flat amount", "1", "0", "9.999", "9.999")]),
        (
            PER_UNIT,
            {"quantity": "1000.50"},
            "1000.5",
            "17.31",
            "17.30865",
            [("Unit price", "1000.5", "0.0173", "0", "17.30865")],
        ),
        (PER_UNIT, {"quantity": "0"}, "0", "0.00", "0", []),
        (
            PACKAGE,
            {"quantity": "251"},
            "251",
            "15.00",
            "15",
            [("Packages of 100 beyond 50 free", "3", "5", "0", "15")],
        ),
        (
            {"package": {"amount": "5", "size": "100"}},
            {"quantity": "100"},
            "100",
            "5.00",
            "5",
            [("Packages of 100", "1", "5", "0", "5")],
        ),
        (
            GRADUATED,
            {"quantity": "250"},
            "250",
            "90.00",
            "90",
            [
                ("Tier 1 to 100", "100", "0.5", "0", "50"),
                ("Tier above 100 to 200", "100", "0.25", "10", "35"),
                ("Tier above 200", "50", "0.1", "0", "5"),
            ],
        ),
        (
            VOLUME,
            {"quantity": "200"},
            "200",
            "60.00",
            "60",
            [("Tier above 100 to 200, all units", "200", "0.25", "10", "60")],
        ),
        (
            PERCENTAGE,
            {"eventValues": ["60", "-5", "50", "1", "1000"]},
            "1106",
            "4.09",
            "4.09",
            [
                ("Free: 1 event and part of another", "100", "0", "0", "0"),
                ("2.9 % of value", "1011", "0.029", "0", "29.319"),
                ("Fixed amount an event", "3", "0.3", "0", "0.9"),
                ("Raised to the minimum of 0.5 an event", "1", "0", "0.171", "0.171"),
                ("Cut to the maximum of 3 an event", "1", "0", "-26.3", "-26.3"),
            ],
        ),
        (PERCENTAGE, {"eventValues": ["-1"]}, "0", "0.00", "0", []),
        (
            GRADUATED_PERCENTAGE,
            {"quantity": "1500"},
            "1500",
            "50.00",
            "50",
            [
                ("Tier 1 to 1000", "1000", "0.025", "0", "25"),
                ("Tier above 1000", "500", "0.01", "20", "25"),
            ],
        ),
    ],
)
async def test_a_price_is_estimated_with_its_working(
    api: Api,
    model: Json,
    values: Json,
    quantity: str,
    amount: str,
    exact: str,
    steps: list[tuple[str, ...]],
) -> None:
    estimate = await estimated(api, model, **values)
    assert [tuple(step.values()) for step in estimate.pop("steps")] == steps
    assert estimate == {
        "currency": "USD",
        "quantity": quantity,
        "amount": amount,
        "exactAmount": exact,
    }


@pytest.mark.parametrize(
    ("currency", "amount"), [("USD", "12.35"), ("JPY", "12"), ("KWD", "12.346"), ("EUR", "12.35")]
)
async def test_the_amount_is_rounded_to_the_currency(api: Api, currency: str, amount: str) -> None:
    model = {"perUnit": {"unitAmount": "12.3455"}}
    estimate = await estimated(api, model, currency=currency, quantity="1")
    assert estimate["currency"] == currency
    assert (estimate["amount"], estimate["exactAmount"]) == (amount, "12.3455")


@pytest.mark.parametrize(
    "model", [FLAT, PER_UNIT, PACKAGE, GRADUATED, VOLUME, GRADUATED_PERCENTAGE]
)
async def test_other_models_add_event_values_up(api: Api, model: Json) -> None:
    summed = await estimated(api, model, eventValues=["100", "-20", "80.5"])
    assert summed == await estimated(api, model, quantity="160.5")
    nothing = await estimated(api, model, eventValues=["100", "-100.5"])
    assert nothing == await estimated(api, model, quantity="0")


async def test_the_largest_numbers_are_let_through(api: Api) -> None:
    tiny = {"perUnit": {"unitAmount": "0.000000000001"}}
    estimate = await estimated(api, tiny, quantity="999999999999999999.999999999999")
    assert estimate["exactAmount"] == "999999.999999999999999999999999"
    assert estimate["amount"] == "1000000.00"
    estimate = await estimated(api, tiny, eventValues=["0.001"] * 1000)
    assert estimate["quantity"] == "1"


def tiers(*bounds: str | None) -> list[Json]:
    return [{"upTo": bound, "unitAmount": "1"} for bound in bounds]


OPEN = "The last tier must be open: leave its upTo out."
TWELVE = "Must have at most 12 decimals."


@pytest.mark.parametrize(
    ("model", "values", "argument", "problem", "message"),
    [
        # The model, where it is wrong.
        (
            {"graduated": {"tiers": tiers("5", "10")}},
            {"quantity": "1"},
            ["model", "graduated", "tiers", "1", "upTo"],
            "INVALID_INPUT",
            OPEN,
        ),
        (
            {"volume": {"tiers": tiers("5", "5", None)}},
            {"quantity": "1"},
            ["model", "volume", "tiers", "1", "upTo"],
            "INVALID_INPUT",
            "Tiers must rise: 5 is not above 5, the upTo before it.",
        ),
        (
            {"graduatedPercentage": {"tiers": [{"rate": "-1"}]}},
            {"quantity": "1"},
            ["model", "graduatedPercentage", "tiers", "0", "rate"],
            "AMOUNT_OUT_OF_RANGE",
            "Must not be negative: -1.",
        ),
        (
            {"graduated": {"tiers": []}},
            {"quantity": "1"},
            ["model", "graduated", "tiers"],
            "INVALID_INPUT",
            "A price has 1 to 100 tiers, not 0.",
        ),
        (
            {"volume": {"tiers": tiers(*map(str, range(1, 101)), None)}},
            {"quantity": "1"},
            ["model", "volume", "tiers"],
            "TOO_MANY_ITEMS",
            "A price has 1 to 100 tiers, not 101.",
        ),
        (
            {"package": {"amount": "1", "size": "0"}},
            {"quantity": "1"},
            ["model", "package", "size"],
            "AMOUNT_OUT_OF_RANGE",
            "Must be above zero: 0.",
        ),
        (
            {"percentage": {"rate": "1", "freeEvents": -1}},
            {"eventValues": ["1"]},
            ["model", "percentage", "freeEvents"],
            "AMOUNT_OUT_OF_RANGE",
            "Must be from 0 to 1000000000, not -1.",
        ),
        (
            {"flat": {"amount": "0.0000000000001"}},
            {},
            ["model", "flat", "amount"],
            "AMOUNT_OUT_OF_RANGE",
            TWELVE,
        ),
        (
            {"perUnit": {"unitAmount": "1000000000000000"}},
            {"quantity": "1"},
            ["model", "perUnit", "unitAmount"],
            "AMOUNT_OUT_OF_RANGE",
            "Must be below 10^15.",
        ),
        # What it is to price.
        (
            PER_UNIT,
            {},
            ["quantity"],
            "INVALID_INPUT",
            "PER_UNIT prices a quantity: give it, or eventValues to be added up.",
        ),
        (
            PER_UNIT,
            {"quantity": "1", "eventValues": ["1"]},
            ["eventValues"],
            "INVALID_INPUT",
            "Give quantity, or eventValues to be added up, not both.",
        ),
        (
            PERCENTAGE,
            {},
            ["eventValues"],
            "INVALID_INPUT",
            "PERCENTAGE prices each event's value: give 1 to 1000 of them.",
        ),
        (
            PERCENTAGE,
            {"quantity": "1"},
            ["quantity"],
            "INVALID_INPUT",
            "PERCENTAGE prices each event's value: give eventValues, not a quantity.",
        ),
        (
            PERCENTAGE,
            {"quantity": "1", "eventValues": ["1"]},
            ["quantity"],
            "INVALID_INPUT",
            "PERCENTAGE prices each event's value: give eventValues, not a quantity.",
        ),
        (
            PERCENTAGE,
            {"eventValues": []},
            ["eventValues"],
            "INVALID_INPUT",
            "Give 1 to 1000 event values, not 0.",
        ),
        (
            PER_UNIT,
            {"eventValues": ["1"] * 1001},
            ["eventValues"],
            "TOO_MANY_ITEMS",
            "Give 1 to 1000 event values, not 1001.",
        ),
        # The bounds of what is metered.
        (
            PER_UNIT,
            {"quantity": "-0.1"},
            ["quantity"],
            "AMOUNT_OUT_OF_RANGE",
            "Must not be negative: -0.1.",
        ),
        (
            FLAT,
            {"quantity": "1000000000000000000"},
            ["quantity"],
            "AMOUNT_OUT_OF_RANGE",
            "Must be below 10^18.",
        ),
        (
            PER_UNIT,
            {"quantity": "0.0000000000001"},
            ["quantity"],
            "AMOUNT_OUT_OF_RANGE",
            TWELVE,
        ),
        (
            PERCENTAGE,
            {"eventValues": ["1", "1000000000000000000"]},
            ["eventValues", "1"],
            "AMOUNT_OUT_OF_RANGE",
            "Must be below 10^18.",
        ),
        (
            PERCENTAGE,
            {"eventValues": ["-1000000000000000000"]},
            ["eventValues", "0"],
            "AMOUNT_OUT_OF_RANGE",
            "Must be below 10^18.",
        ),
        (
            PERCENTAGE,
            {"eventValues": ["1", "1", "0.0000000000001"]},
            ["eventValues", "2"],
            "AMOUNT_OUT_OF_RANGE",
            TWELVE,
        ),
        (
            PERCENTAGE,
            {"eventValues": ["500000000000000000"] * 2},
            ["eventValues"],
            "AMOUNT_OUT_OF_RANGE",
            "The values must add up to less than 10^18.",
        ),
        (
            {"perUnit": {"unitAmount": "1"}},
            {"quantity": "1000000000000000"},
            ["quantity"],
            "AMOUNT_OUT_OF_RANGE",
            "An amount must be below 1000000000000000 USD.",
        ),
        (
            {"perUnit": {"unitAmount": "1"}},
            {"eventValues": ["1000000000000000"]},
            ["eventValues"],
            "AMOUNT_OUT_OF_RANGE",
            "An amount must be below 1000000000000000 USD.",
        ),
    ],
)
async def test_a_bad_argument_is_told_with_its_place(
    api: Api, model: Json, values: Json, argument: list[str], problem: str, message: str
) -> None:
    answer = await ask(api, model, **values)
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["message"] == message
    assert error["path"] == ["priceEstimate"]
    assert error["extensions"] == {
        "code": "BAD_USER_INPUT",
        "argument": argument,
        "problem": problem,
    }


@pytest.mark.parametrize("model", [{}, {**FLAT, **PER_UNIT}, {"flat": None}])
async def test_a_model_is_exactly_one_of_them(api: Api, model: Json) -> None:
    answer = await ask(api, model, quantity="1")
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"


async def test_an_unknown_currency_is_refused(api: Api) -> None:
    answer = await ask(api, FLAT, currency="XYZ")
    (error,) = answer["errors"]
    assert "ISO 4217" in error["message"]


async def test_it_reads_and_stores_nothing_but_the_key(api: Api) -> None:
    before = await api.stored()
    with counted(api.database) as without:
        await api.query("{ __typename }")
    with counted(api.database) as statements:
        await estimated(api, GRADUATED, quantity="250")
        await ask(api, GRADUATED)
    assert statements == without * 2
    assert await api.stored() == before
