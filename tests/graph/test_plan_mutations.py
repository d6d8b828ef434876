"""planCreate: trials, commitments and cadences; subscriptionCreate with them."""

import pytest

from tests.graph.shop import billed, fee, fee_plan, settle, shown
from tests.invoices.metered import call, send
from tests.support import Api, Json

PLAN = "plan { key billingPeriod trialDays minimumCommitment prices { name cadence } } replayed"
BASIC = {
    "key": "basic",
    "name": "Basic",
    "currency": "USD",
    "billingPeriod": "MONTHLY",
    "prices": [fee("10", name="Before"), fee("10", "ARREARS", "After")],
}


@pytest.mark.parametrize(
    "period", ["DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "SEMIANNUAL", "YEARLY"]
)
async def test_a_plan_keeps_its_terms(api: Api, period: str) -> None:
    terms = {"billingPeriod": period, "trialDays": 14, "minimumCommitment": "99.9"}
    plan = (await api.done("planCreate", PLAN, **{**BASIC, **terms}))["plan"]
    assert plan == {
        "key": "basic",
        "billingPeriod": period,
        "trialDays": 14,
        "minimumCommitment": "99.90",
        "prices": [
            {"name": "Before", "cadence": "ADVANCE"},
            {"name": "After", "cadence": "ARREARS"},
        ],
    }
    data = await api.query('{ plan(key: "basic") { trialDays minimumCommitment } }')
    assert data["plan"] == {"trialDays": 14, "minimumCommitment": "99.90"}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, (0, None)),
        ({"trialDays": None, "minimumCommitment": None}, (0, None)),
        ({"trialDays": 0, "minimumCommitment": "0.01"}, (0, "0.01")),
        (
            {"trialDays": 730, "minimumCommitment": "999999999999999.99"},
            (730, "999999999999999.99"),
        ),
        ({"minimumCommitment": "10.100"}, (0, "10.10")),
        ({"currency": "JPY", "minimumCommitment": "1"}, (0, "1")),
        ({"currency": "KWD", "minimumCommitment": "0.001"}, (0, "0.001")),
    ],
)
async def test_terms_at_their_bounds(api: Api, values: Json, wanted: tuple[int, str]) -> None:
    plan = (await api.done("planCreate", PLAN, **{**BASIC, **values}))["plan"]
    assert (plan["trialDays"], plan["minimumCommitment"]) == wanted


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"trialDays": -1}, "INVALID_INPUT", ["trialDays"], "from 0 to 730, not -1"),
        ({"trialDays": 731}, "INVALID_INPUT", ["trialDays"], "from 0 to 730, not 731"),
        ({"minimumCommitment": "0"}, "AMOUNT_OUT_OF_RANGE", ["minimumCommitment"], "above zero"),
        ({"minimumCommitment": "0.00"}, "AMOUNT_OUT_OF_RANGE", ["minimumCommitment"], "above zero"),
        ({"minimumCommitment": "-1"}, "AMOUNT_OUT_OF_RANGE", ["minimumCommitment"], "negative"),
        (
            {"minimumCommitment": "0.001"},
            "AMOUNT_OUT_OF_RANGE",
            ["minimumCommitment"],
            "USD has 2 decimals",
        ),
        (
            {"minimumCommitment": "0.5", "currency": "JPY"},
            "AMOUNT_OUT_OF_RANGE",
            ["minimumCommitment"],
            "JPY has 0 decimals",
        ),
        (
            {"minimumCommitment": "1000000000000000"},
            "AMOUNT_OUT_OF_RANGE",
            ["minimumCommitment"],
            "below 10^15",
        ),
    ],
)
async def test_bad_terms_are_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    await api.refused("planCreate", PLAN, code, field, words, **{**BASIC, **change})
    await api.done("planCreate", PLAN, **BASIC)


async def test_usage_cannot_be_billed_in_advance(api: Api) -> None:
    calls = await api.feature("calls")
    metered = {
        "name": "Calls",
        "featureId": calls["id"],
        "model": {"perUnit": {"unitAmount": "1"}},
    }
    prices = [fee("10"), {**metered, "cadence": "ADVANCE"}]
    await api.refused(
        "planCreate",
        PLAN,
        "INVALID_INPUT",
        ["prices", "1", "cadence"],
        "bill it in ARREARS",
        **{**BASIC, "prices": prices},
    )
    plan = (await api.done("planCreate", PLAN, **{**BASIC, "prices": [metered]}))["plan"]
    assert plan["prices"] == [{"name": "Calls", "cadence": "ARREARS"}]


async def test_an_anniversary_follows_the_first_billed_day(api: Api) -> None:
    plan_id = await fee_plan(api, "basic", "31", trialDays=16)
    customer = await api.customer()
    values = {"billingAnchor": "ANNIVERSARY", "startedAt": "2026-01-15T09:00:00Z"}
    selection = "subscription { billingAnchor status trialEndsAt currentPeriodStart }"
    payload = await api.done(
        "subscriptionCreate", selection, customerId=customer["id"], planId=plan_id, **values
    )
    assert payload["subscription"] == {
        "billingAnchor": "ANNIVERSARY",
        "status": "PENDING",
        "trialEndsAt": "2026-01-31T00:00:00Z",
        "currentPeriodStart": None,
    }
    await api.advance("2026-05-01T00:00:00Z")
    assert shown(await billed(api)) == [
        ("CREATE", "01-31/02-28", "31.00"),
        ("CYCLE", "02-28/03-31", "31.00"),
        ("CYCLE", "03-31/04-30", "31.00"),
        ("CYCLE", "04-30/05-31", "31.00"),
    ]


async def test_a_trial_bills_neither_fees_nor_usage(api: Api) -> None:
    calls = await api.feature("calls", eventName="call")
    metered = {
        "name": "Calls",
        "featureId": calls["id"],
        "model": {"perUnit": {"unitAmount": "1"}},
    }
    plan = await api.plan("trial", [fee("31"), metered], trialDays=10)
    customer = await api.customer(timezone="Asia/Tokyo")
    await api.advance("2026-01-05T12:00:00Z")
    await api.subscription(customer, plan, externalId="sub")
    read = '{ subscription(externalId: "sub") { status currentPeriodStart currentPeriodEnd } }'
    trial = {
        "currentPeriodStart": "2026-01-04T15:00:00Z",
        "currentPeriodEnd": "2026-01-14T15:00:00Z",
    }
    assert (await api.query(read))["subscription"] == {"status": "TRIALING", **trial}
    await send(api, call("1", "2026-01-14T14:59:59Z"), call("2", "2026-01-14T15:00:00Z"))
    await api.advance("2026-01-14T14:59:59Z")
    assert await billed(api) == []
    await api.advance("2026-01-14T15:00:00Z")
    assert (await api.query(read))["subscription"] == {
        "status": "ACTIVE",
        "currentPeriodStart": "2026-01-14T15:00:00Z",
        "currentPeriodEnd": "2026-01-31T15:00:00Z",
    }
    await api.advance("2026-02-10T00:00:00Z")
    # 17 of 31 days, then the one call that is billed and the next month.
    assert [one["total"] for one in await billed(api)] == ["17.00", "32.00"]


async def test_a_first_bill_in_advance_falls_due_at_once_and_is_owed(api: Api) -> None:
    plan_id = await fee_plan(api, "basic", "31")
    await api.advance("2026-01-16T12:00:00Z")
    await api.subscription(await api.customer(), {"id": plan_id})
    await settle(api)
    (first,) = await billed(api)
    assert (first["status"], first["billingReason"]) == ("FINALIZED", "SUBSCRIPTION_CREATE")
    assert shown([first]) == [("CREATE", "01-16/02-01", "16.00")]


async def test_one_invoice_closes_a_period_and_opens_the_next(api: Api) -> None:
    prices = [fee("31", name="Before"), fee("62", "ARREARS", "After")]
    plan = await api.plan("both", prices, minimumCommitment="124")
    await api.advance("2026-01-16T12:00:00Z")
    await api.subscription(await api.customer(), plan)
    await api.advance("2026-02-01T00:00:00Z")
    first, closing = await billed(api)
    assert shown([first, closing]) == [
        ("CREATE", "01-16/02-01", "16.00"),
        ("CYCLE", "01-16/02-01", "79.00"),
    ]
    assert [
        (line["type"], line["name"], line["amount"], line["periodStart"][5:10])
        for line in closing["lineItems"]
    ] == [
        ("FIXED", "After", "32.00", "01-16"),
        # 16 of 31 days of 124, less both fees.
        ("MINIMUM_COMMITMENT", "Minimum commitment", "16.00", "01-16"),
        ("FIXED", "Before", "31.00", "02-01"),
    ]
