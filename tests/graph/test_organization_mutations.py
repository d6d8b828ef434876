"""organizationUpdate and testClockAdvance."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from billing_gql.organizations.tables import OrganizationMode
from billing_gql.store.database import Database
from tests.support import Api, Json, new_organization

SETTINGS = """organization { id name mode timezone defaultCurrency invoicePrefix invoiceNumbering
  netPaymentTermDays gracePeriodDays now }"""


async def settings(api: Api) -> Json:
    found: Json = (await api.query(f"{{ {SETTINGS} }}"))["organization"]
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "Globex"),
        ("timezone", "Asia/Kathmandu"),
        ("defaultCurrency", "JPY"),
        ("invoicePrefix", "GLO2026XYZ"),
        ("invoiceNumbering", "PER_ORGANIZATION"),
        ("netPaymentTermDays", 0),
        ("netPaymentTermDays", 365),
        ("gracePeriodDays", 0),
        ("gracePeriodDays", 90),
    ],
)
async def test_a_setting_changes_alone_and_saying_it_twice_is_fine(
    api: Api, other: Api, name: str, value: object
) -> None:
    before, elsewhere = await settings(api), await other.stored()
    for _ in range(2):
        payload = await api.done("organizationUpdate", SETTINGS, **{name: value})
        assert payload["organization"] == {**before, name: value}
    assert await settings(api) == {**before, name: value}
    assert before[name] != value
    assert await other.stored() == elsewhere


async def test_an_empty_update_changes_nothing(api: Api) -> None:
    before = await settings(api)
    assert (await api.done("organizationUpdate", SETTINGS))["organization"] == before


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("name", " ", "blank"),
        ("name", "x" * 256, "at most 255 characters"),
        ("name", "a\0b", "U+0000"),
        ("name", None, "leave it out"),
        ("timezone", "Mars/Olympus", "'Mars/Olympus' is not an IANA time zone"),
        ("timezone", "", "not an IANA time zone"),
        ("timezone", None, "leave it out"),
        ("defaultCurrency", None, "leave it out"),
        ("invoicePrefix", "", "1 to 10 capital letters or digits"),
        ("invoicePrefix", "acme", "1 to 10 capital letters or digits"),
        ("invoicePrefix", "A-1", "1 to 10 capital letters or digits"),
        ("invoicePrefix", "ABCDEFGHIJK", "1 to 10 capital letters or digits"),
        ("invoicePrefix", None, "leave it out"),
        ("invoiceNumbering", None, "leave it out"),
        ("netPaymentTermDays", -1, "from 0 to 365, not -1"),
        ("netPaymentTermDays", 366, "from 0 to 365, not 366"),
        ("netPaymentTermDays", None, "leave it out"),
        ("gracePeriodDays", -1, "from 0 to 90, not -1"),
        ("gracePeriodDays", 91, "from 0 to 90, not 91"),
        ("gracePeriodDays", None, "leave it out"),
    ],
)
async def test_a_bad_setting_is_refused_with_the_good_ones_beside_it(
    api: Api, name: str, value: object, words: str
) -> None:
    good = {"name": "Globex", "gracePeriodDays": 7}
    values = {**good, name: value}
    await api.refused("organizationUpdate", SETTINGS, "INVALID_INPUT", [name], words, **values)
    payload = await api.done("organizationUpdate", SETTINGS, **good)
    assert payload["organization"]["name"] == "Globex"


async def test_new_defaults_hold_for_what_is_made_from_now_on(api: Api) -> None:
    await api.customer("before")
    await api.done("organizationUpdate", SETTINGS, timezone="Asia/Tokyo", defaultCurrency="JPY")
    await api.customer("after")
    data = await api.query(
        """{ before: customer(externalId: "before") { currency timezone }
             after: customer(externalId: "after") { currency timezone } }"""
    )
    assert data["before"] == {"currency": "USD", "timezone": "UTC"}
    assert data["after"] == {"currency": "JPY", "timezone": "Asia/Tokyo"}


async def test_the_clock_does_on_its_way_what_falls_due(api: Api, other: Api) -> None:
    customer = await api.customer()
    plan = await api.plan("basic", [{"name": "Access", "model": {"flat": {"amount": "10"}}}])
    await api.subscription(customer, plan)
    elsewhere = await other.stored()
    payload = await api.done("testClockAdvance", SETTINGS, to="2026-03-02T12:00:00+01:00")
    assert payload["organization"]["now"] == "2026-03-02T11:00:00Z"
    assert (await settings(api))["now"] == "2026-03-02T11:00:00Z"
    invoices = await api.invoices(
        "status number createdAt finalizedAt issueDate periodStart", "DRAFT, FINALIZED"
    )
    assert sorted(invoices, key=lambda one: str(one["periodStart"])) == [
        {
            "status": "FINALIZED",
            "number": "ACM-001-001",
            "createdAt": "2026-02-01T00:00:00Z",
            "finalizedAt": "2026-02-04T00:00:00Z",
            "issueDate": "2026-02-04",
            "periodStart": "2026-01-01T00:00:00Z",
        },
        {
            "status": "DRAFT",
            "number": None,
            "createdAt": "2026-03-01T00:00:00Z",
            "finalizedAt": None,
            "issueDate": None,
            "periodStart": "2026-02-01T00:00:00Z",
        },
    ]
    assert await other.stored() == elsewhere


async def test_advancing_to_the_present_again_changes_nothing(api: Api) -> None:
    customer = await api.customer()
    plan = await api.plan("basic", [{"name": "Access", "model": {"flat": {"amount": "10"}}}])
    await api.subscription(customer, plan)
    await api.advance("2026-02-02T00:00:00Z")
    before = await api.stored()
    await api.advance("2026-02-02T00:00:00Z")
    assert await api.stored() == before


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("2025-12-31T23:59:59Z", "only moves forward; it is 2026-01-01"),
        ("2026-01-01T00:30:00+01:00", "only moves forward"),
        ("2036-01-03T00:00:00Z", "At most ten years"),
        ("2200-01-01T00:00:00Z", "years 1970 to 2199"),
        ("1969-12-31T00:00:00Z", "years 1970 to 2199"),
    ],
)
async def test_the_clock_moves_forward_and_not_too_far(api: Api, to: str, words: str) -> None:
    await api.refused("testClockAdvance", SETTINGS, "INVALID_INPUT", ["to"], words, to=to)
    await api.advance("2026-01-02T00:00:00Z")


async def test_a_live_clock_cannot_be_moved(http: httpx.AsyncClient, database: Database) -> None:
    live = await new_organization(http, database, mode=OrganizationMode.LIVE)
    to = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await live.refused("testClockAdvance", SETTINGS, "INVALID_STATE", ["to"], "TEST", to=to)


async def test_a_test_organization_on_the_wall_clock_can_leave_it(
    http: httpx.AsyncClient, database: Database
) -> None:
    api = await new_organization(http, database, clock=None)
    to = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    await api.advance(to.isoformat())
    assert (await settings(api))["now"] == to.replace(tzinfo=None).isoformat() + "Z"
