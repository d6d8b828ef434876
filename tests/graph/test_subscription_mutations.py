"""subscriptionCreate."""

import pytest

from tests.support import Api, Json

FIELDS = """id externalId status billingAnchor startedAt currentPeriodStart currentPeriodEnd
  customer { externalId } plan { key }"""
SUBSCRIPTION = f"subscription {{ {FIELDS} }} replayed"
FLAT = [{"name": "Access", "model": {"flat": {"amount": "31"}}}]


@pytest.fixture
async def base(api: Api) -> Json:
    customer, plan = await api.customer(), await api.plan("basic", FLAT)
    return {"customerId": customer["id"], "planId": plan["id"]}


@pytest.mark.parametrize(
    ("started_at", "status", "stored", "start", "end"),
    [
        (None, "ACTIVE", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        (
            "2025-11-17T10:00:00+02:00",
            "ACTIVE",
            "2025-11-17T08:00:00Z",
            "2026-01-01T00:00:00Z",
            "2026-02-01T00:00:00Z",
        ),
        ("2026-01-01T00:00:01Z", "PENDING", "2026-01-01T00:00:01Z", None, None),
    ],
)
async def test_a_subscription_starts_now_in_the_past_or_in_the_future(
    api: Api,
    base: Json,
    started_at: str | None,
    status: str,
    stored: str,
    start: str | None,
    end: str | None,
) -> None:
    payload = await api.done(
        "subscriptionCreate", SUBSCRIPTION, **base, externalId="sub", startedAt=started_at
    )
    subscription = payload["subscription"]
    assert subscription == {
        "id": subscription["id"],
        "externalId": "sub",
        "status": status,
        "billingAnchor": "CALENDAR",
        "startedAt": stored,
        "currentPeriodStart": start,
        "currentPeriodEnd": end,
        "customer": {"externalId": "acme"},
        "plan": {"key": "basic"},
    }
    assert payload["replayed"] is False
    data = await api.query(f'{{ subscription(externalId: "sub") {{ {FIELDS} }} }}')
    assert data["subscription"] == subscription


async def test_without_an_external_id_the_subscriptions_own_id_serves(api: Api, base: Json) -> None:
    payload = await api.done("subscriptionCreate", SUBSCRIPTION, **base)
    subscription = payload["subscription"]
    assert subscription["externalId"] == subscription["id"]
    assert subscription["id"].startswith("sub_")


async def test_two_without_an_external_id_are_two(api: Api, base: Json) -> None:
    for _ in range(2):
        await api.done("subscriptionCreate", SUBSCRIPTION, **base)
    data = await api.query('{ customer(externalId: "acme") { subscriptions { totalCount } } }')
    assert data["customer"]["subscriptions"]["totalCount"] == 2


async def test_past_periods_are_billed_by_the_next_run_the_first_by_its_days(
    api: Api, base: Json
) -> None:
    await api.done("subscriptionCreate", SUBSCRIPTION, **base, startedAt="2025-11-16T09:00:00Z")
    assert await api.invoices(statuses="DRAFT, FINALIZED") == []
    await api.advance("2026-01-01T00:00:00Z")
    invoices = await api.invoices("periodStart periodEnd total", statuses="DRAFT, FINALIZED")
    assert sorted(invoices, key=lambda one: str(one["periodStart"])) == [
        {
            "periodStart": "2025-11-16T00:00:00Z",
            "periodEnd": "2025-12-01T00:00:00Z",
            "total": "15.50",
        },
        {
            "periodStart": "2025-12-01T00:00:00Z",
            "periodEnd": "2026-01-01T00:00:00Z",
            "total": "31.00",
        },
    ]


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"customerId": "cus_x"}, "NOT_FOUND", ["customerId"], "no customer 'cus_x'"),
        ({"planId": "plan_x"}, "NOT_FOUND", ["planId"], "no plan 'plan_x'"),
        ({"externalId": ""}, "INVALID_INPUT", ["externalId"], "blank"),
        ({"externalId": "s" * 256}, "INVALID_INPUT", ["externalId"], "255 characters"),
        ({"startedAt": "1969-12-31T00:00:00Z"}, "INVALID_INPUT", ["startedAt"], "1970 to 2199"),
        ({"startedAt": "2200-01-01T00:00:00Z"}, "INVALID_INPUT", ["startedAt"], "1970 to 2199"),
        ({"startedAt": "2015-12-01T00:00:00Z"}, "INVALID_INPUT", ["startedAt"], "ten years"),
        ({"startedAt": "2036-02-01T00:00:00Z"}, "INVALID_INPUT", ["startedAt"], "ten years"),
    ],
)
async def test_a_bad_subscription_is_refused(
    api: Api, base: Json, change: Json, code: str, field: list[str], words: str
) -> None:
    values = {**base, **change}
    await api.refused("subscriptionCreate", SUBSCRIPTION, code, field, words, **values)
    await api.done("subscriptionCreate", SUBSCRIPTION, **base)


async def test_a_plan_in_another_currency_is_refused(api: Api, base: Json) -> None:
    yen = await api.plan("yen", FLAT, currency="JPY")
    await api.refused(
        "subscriptionCreate",
        SUBSCRIPTION,
        "CURRENCY_MISMATCH",
        ["planId"],
        "plan is in JPY, the customer in USD",
        **{**base, "planId": yen["id"]},
    )


async def test_an_external_id_is_taken_once_in_an_organization(
    api: Api, other: Api, base: Json
) -> None:
    await api.done("subscriptionCreate", SUBSCRIPTION, **base, externalId="sub")
    another = await api.customer("globex")
    for customer_id in (base["customerId"], another["id"]):
        await api.refused(
            "subscriptionCreate",
            SUBSCRIPTION,
            "ALREADY_EXISTS",
            ["externalId"],
            "'sub' exists already",
            **{**base, "customerId": customer_id, "externalId": "sub"},
        )
    elsewhere = await other.customer()
    await other.subscription(elsewhere, await other.plan("basic", FLAT), externalId="sub")
