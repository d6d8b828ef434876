"""Stories of two subscriptions that price one feature, the older of which changes or ends."""

from tests.invoices.metered import all_invoices, call, send
from tests.scenarios.lives import (
    calls_feature,
    cancel,
    change,
    fee,
    per_call,
    subscribe,
)
from tests.support import Api, Json


class Pair:
    """A customer's two subscriptions, both on `metered`; `plain` is dearer and `free` cheaper,
    and neither prices calls."""

    older: Json
    younger: Json
    metered: Json
    plain: Json
    free: Json


async def pair(api: Api, *, older_on: str = "metered") -> Pair:
    """Both from 1 January on."""
    made, calls, customer = Pair(), await calls_feature(api), await api.customer()
    late = "ARREARS"
    made.metered = await api.plan("metered", [fee("31.00", "Base", late), per_call(calls, "1.00")])
    made.plain = await api.plan("plain", [fee("62.00", "Plain", late)])
    made.free = await api.plan("free", [fee("0.31", "Free", late)])
    first = {"metered": made.metered, "free": made.free}[older_on]
    made.older = await subscribe(api, customer, first, externalId="older")
    made.younger = await subscribe(api, customer, made.metered, externalId="younger")
    return made


async def a_call_each_noon(api: Api, *months: str) -> None:
    """Unnamed calls on the first 28 days of the months."""
    await send(
        api,
        *(
            call(f"{month}-{day}", f"{month}-{day:02}T12:00:00Z")
            for month in months
            for day in range(1, 29)
        ),
    )


async def billed(api: Api) -> dict[tuple[str, str], int]:
    """The calls on each subscription's invoices by the day on which their periods end."""
    found: dict[tuple[str, str], int] = {}
    asked = "periodEnd subscription { externalId } lineItems { name quantity }"
    for one in await all_invoices(api, asked):
        for line in one["lineItems"]:
            if line["name"] == "Calls":
                key = one["subscription"]["externalId"], one["periodEnd"][:10]
                assert key not in found
                found[key] = int(line["quantity"])
    return found


async def test_from_the_day_of_an_upgrade_away_the_younger_has_the_calls(api: Api) -> None:
    both = await pair(api)
    await a_call_each_noon(api, "2026-01", "2026-02")
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, both.older, both.plain)
    await api.advance("2026-03-05T00:00:00Z")
    # 1 to 10 January; 11 January, whole, to the 28th; February. 56 in all.
    assert await billed(api) == {
        ("older", "2026-01-11"): 10,
        ("younger", "2026-02-01"): 18,
        ("younger", "2026-03-01"): 28,
    }


async def test_from_the_day_of_an_upgrade_to_it_the_older_has_the_calls(api: Api) -> None:
    both = await pair(api, older_on="free")
    await a_call_each_noon(api, "2026-01", "2026-02")
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, both.older, both.metered)
    await api.advance("2026-03-05T00:00:00Z")
    assert await billed(api) == {
        ("older", "2026-02-01"): 18,
        ("older", "2026-03-01"): 28,
        ("younger", "2026-02-01"): 10,
        ("younger", "2026-03-01"): 0,
    }


async def test_after_a_downgrade_away_the_younger_has_the_calls(api: Api) -> None:
    both = await pair(api)
    await a_call_each_noon(api, "2026-01", "2026-02")
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, both.older, both.free)
    await api.advance("2026-03-05T00:00:00Z")
    assert await billed(api) == {
        ("older", "2026-02-01"): 28,
        ("younger", "2026-02-01"): 0,
        ("younger", "2026-03-01"): 28,
    }


async def test_a_downgrade_taken_back_leaves_the_calls_where_they_were(api: Api) -> None:
    both = await pair(api)
    await a_call_each_noon(api, "2026-01", "2026-02")
    await change(api, both.older, both.free)
    await change(api, both.older, both.metered)
    await api.advance("2026-03-05T00:00:00Z")
    assert await billed(api) == {
        ("older", "2026-02-01"): 28,
        ("older", "2026-03-01"): 28,
        ("younger", "2026-02-01"): 0,
        ("younger", "2026-03-01"): 0,
    }


async def test_from_the_instant_of_an_end_the_younger_has_the_calls(api: Api) -> None:
    both = await pair(api)
    await a_call_each_noon(api, "2026-01", "2026-02")
    await api.advance("2026-01-11T12:00:00Z")
    # The call of this very instant is the younger one's.
    await cancel(api, both.older, "NOW")
    await api.advance("2026-03-05T00:00:00Z")
    assert await billed(api) == {
        ("older", "2026-01-11"): 10,
        ("younger", "2026-02-01"): 18,
        ("younger", "2026-03-01"): 28,
    }


async def test_from_the_end_of_the_last_period_the_younger_has_the_calls(api: Api) -> None:
    both = await pair(api)
    await a_call_each_noon(api, "2026-01", "2026-02")
    await api.advance("2026-01-11T15:00:00Z")
    await cancel(api, both.older, "PERIOD_END")
    await api.advance("2026-03-05T00:00:00Z")
    assert await billed(api) == {
        ("older", "2026-02-01"): 28,
        ("younger", "2026-02-01"): 0,
        ("younger", "2026-03-01"): 28,
    }


async def test_what_comes_in_the_grace_goes_to_who_had_that_day(api: Api) -> None:
    both = await pair(api)
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, both.older, both.plain)
    await api.advance("2026-01-13T00:00:00Z")
    await send(
        api,
        call("old", "2026-01-10T23:59:59Z"),
        call("new", "2026-01-11T00:00:00Z"),
        call("named", "2026-01-12T00:00:00Z", externalSubscriptionId="younger"),
    )
    await api.advance("2026-02-05T00:00:00Z")
    assert await billed(api) == {("older", "2026-01-11"): 1, ("younger", "2026-02-01"): 2}


async def test_what_comes_late_for_the_older_ones_days_is_billed_by_it(api: Api) -> None:
    both = await pair(api)
    await api.advance("2026-01-11T15:00:00Z")
    await cancel(api, both.older, "NOW")
    await api.advance("2026-02-10T00:00:00Z")
    await send(api, call("old", "2026-01-10T00:00:00Z"), call("new", "2026-01-12T00:00:00Z"))
    await api.advance("2026-03-10T00:00:00Z")
    amounts: dict[str, list[tuple[str, str]]] = {}
    asked = "subscription { externalId } lineItems { name description quantity amount }"
    for one in await all_invoices(api, asked):
        for line in one["lineItems"]:
            if line["description"] == "Late usage":
                owner = one["subscription"]["externalId"]
                amounts.setdefault(owner, []).append((line["quantity"], line["amount"]))
    assert amounts == {"older": [("1", "1.00")], "younger": [("1", "1.00")]}
