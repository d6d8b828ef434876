"""customerCreate and customerUpdate."""

import pytest

from tests.support import Api, Json

FIELDS = """id externalId name email currency timezone taxIdentifier netPaymentTermDays metadata
  address { line1 line2 city region postalCode country } createdAt updatedAt"""
CUSTOMER = f"customer {{ {FIELDS} }}"
ADDRESS = {
    "line1": "1 Main Street",
    "line2": None,
    "city": "Springfield",
    "region": "IL",
    "postalCode": "62701",
    "country": "US",
}
FULL = {
    "externalId": "acme",
    "name": "Acme",
    "email": "billing@acme.example",
    "currency": "KWD",
    "timezone": "Asia/Kuwait",
    "address": ADDRESS,
    "taxIdentifier": "VAT 123",
    "netPaymentTermDays": 0,
    "metadata": {"team": "east", "seats": 3, "rate": 1.5, "vip": True, "note": None},
}
NO_METADATA = [
    ([], "INVALID_INPUT", ["metadata"], "Must be an object"),
    (0, "INVALID_INPUT", ["metadata"], "Must be an object"),
    ("", "INVALID_INPUT", ["metadata"], "Must be an object"),
    ("text", "INVALID_INPUT", ["metadata"], "Must be an object"),
    ({str(n): n for n in range(51)}, "TOO_MANY_ITEMS", ["metadata"], "At most 50 keys, not 51"),
    ({"team": {"a": 1}}, "INVALID_INPUT", ["metadata", "team"], "a text, a number"),
    ({"team": ["a"]}, "INVALID_INPUT", ["metadata", "team"], "a text, a number"),
    ({"team": "x" * 256}, "INVALID_INPUT", ["metadata", "team"], "255 characters"),
    ({"team": "a\0"}, "INVALID_INPUT", ["metadata", "team"], "U+0000"),
    ({"": 1}, "INVALID_INPUT", ["metadata", ""], "blank"),
    ({"k" * 101: 1}, "INVALID_INPUT", ["metadata", "k" * 101], "100 characters"),
    ({"n": 10**101}, "INVALID_INPUT", ["metadata", "n"], "10^100"),
]
"""Value, code, field and words of the message; the same for every metadata input."""
REFUSALS = [
    ({"name": ""}, "INVALID_INPUT", ["name"], "blank"),
    ({"name": "x" * 256}, "INVALID_INPUT", ["name"], "255 characters, not 256"),
    ({"email": ""}, "INVALID_INPUT", ["email"], "not an e-mail address"),
    ({"email": "nobody"}, "INVALID_INPUT", ["email"], "'nobody' is not an e-mail address"),
    ({"email": "a b@acme.example"}, "INVALID_INPUT", ["email"], "not an e-mail address"),
    ({"email": "a@" + "b" * 253}, "INVALID_INPUT", ["email"], "not an e-mail address"),
    ({"timezone": "Mars/Olympus"}, "INVALID_INPUT", ["timezone"], "'Mars/Olympus'"),
    ({"timezone": ""}, "INVALID_INPUT", ["timezone"], "not an IANA time zone"),
    ({"taxIdentifier": " "}, "INVALID_INPUT", ["taxIdentifier"], "blank"),
    ({"netPaymentTermDays": -1}, "INVALID_INPUT", ["netPaymentTermDays"], "0 to 365, not -1"),
    ({"netPaymentTermDays": 366}, "INVALID_INPUT", ["netPaymentTermDays"], "not 366"),
    ({"address": {"country": "usa"}}, "INVALID_INPUT", ["address", "country"], "ISO 3166-1"),
    ({"address": {"city": ""}}, "INVALID_INPUT", ["address", "city"], "blank"),
    ({"address": {"line1": "x" * 256}}, "INVALID_INPUT", ["address", "line1"], "255"),
    ({"address": {"postalCode": "1" * 33}}, "INVALID_INPUT", ["address", "postalCode"], "32"),
    *(({"metadata": value}, code, field, words) for value, code, field, words in NO_METADATA),
]


async def read(api: Api, external_id: str = "acme") -> Json:
    data = await api.query(
        f"query ($id: String!) {{ customer(externalId: $id) {{ {FIELDS} }} }}", {"id": external_id}
    )
    found: Json = data["customer"]
    return found


async def test_a_customer_is_stored_with_all_that_was_said(api: Api) -> None:
    payload = await api.done("customerCreate", f"{CUSTOMER} replayed", **FULL)
    customer = payload["customer"]
    now = "2026-01-01T00:00:00Z"
    assert customer == {"id": customer["id"], **FULL, "createdAt": now, "updatedAt": now}
    assert customer["id"].startswith("cus_")
    assert payload["replayed"] is False
    assert await read(api) == customer
    data = await api.query(
        f"query ($id: ID!) {{ customer(id: $id) {{ {FIELDS} }} }}", {"id": customer["id"]}
    )
    assert data["customer"] == customer


async def test_what_is_left_out_comes_from_the_organization(api: Api) -> None:
    await api.done(
        "organizationUpdate", "organization { id }", timezone="Asia/Tokyo", defaultCurrency="JPY"
    )
    await api.done("customerCreate", CUSTOMER, externalId="acme", name="Acme", email=None)
    customer = await read(api)
    assert (customer["currency"], customer["timezone"]) == ("JPY", "Asia/Tokyo")
    assert customer["metadata"] == {}
    for empty in ("email", "address", "taxIdentifier", "netPaymentTermDays"):
        assert customer[empty] is None


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        *REFUSALS,
        ({"externalId": ""}, "INVALID_INPUT", ["externalId"], "blank"),
        ({"externalId": "x" * 256}, "INVALID_INPUT", ["externalId"], "255 characters"),
        ({"externalId": "a\0"}, "INVALID_INPUT", ["externalId"], "U+0000"),
    ],
)
async def test_a_bad_customer_is_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    selection = f"{CUSTOMER} replayed"
    await api.refused("customerCreate", selection, code, field, words, **{**FULL, **change})
    await api.done("customerCreate", selection, **FULL)


async def test_an_external_id_is_taken_once_in_an_organization(api: Api, other: Api) -> None:
    await api.customer("acme")
    error = await api.refused(
        "customerCreate",
        CUSTOMER,
        "ALREADY_EXISTS",
        ["externalId"],
        "'acme' exists already",
        externalId="acme",
        name="Another",
    )
    assert error["__typename"] == "AlreadyExistsError"
    await other.customer("acme")
    assert (await read(api))["name"] == "Acme"


UPDATES = {
    "name": "Acme Ltd",
    "email": "new@acme.example",
    "timezone": "Europe/Paris",
    "taxIdentifier": "FR 1",
    "netPaymentTermDays": 14,
    "metadata": {"team": "west"},
}


@pytest.mark.parametrize("name", UPDATES)
async def test_an_update_changes_what_it_names_and_nothing_else(
    api: Api, other: Api, name: str
) -> None:
    before = (await api.done("customerCreate", CUSTOMER, **FULL))["customer"]
    neighbour = await api.customer("neighbour")
    await other.customer("acme")
    elsewhere = await other.stored()
    await api.advance("2026-01-02T00:00:00Z")
    wanted = {**before, name: UPDATES[name], "updatedAt": "2026-01-02T00:00:00Z"}
    for _ in range(2):
        payload = await api.done(
            "customerUpdate", CUSTOMER, customerId=before["id"], **{name: UPDATES[name]}
        )
        assert payload["customer"] == wanted
    assert await read(api) == wanted
    assert (await read(api, "neighbour"))["updatedAt"] == "2026-01-01T00:00:00Z"
    assert neighbour["id"] != before["id"]
    assert await other.stored() == elsewhere


async def test_an_address_is_replaced_whole(api: Api) -> None:
    customer = (await api.done("customerCreate", CUSTOMER, **FULL))["customer"]
    await api.done("customerUpdate", CUSTOMER, customerId=customer["id"], address={"city": "Paris"})
    assert (await read(api))["address"] == {**dict.fromkeys(ADDRESS), "city": "Paris"}


@pytest.mark.parametrize(
    "name", ["email", "address", "taxIdentifier", "netPaymentTermDays", "metadata"]
)
async def test_null_empties_what_may_be_empty(api: Api, name: str) -> None:
    before = (await api.done("customerCreate", CUSTOMER, **FULL))["customer"]
    await api.done("customerUpdate", CUSTOMER, customerId=before["id"], **{name: None})
    assert await read(api) == {**before, name: {} if name == "metadata" else None}


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        *REFUSALS,
        ({"name": None}, "INVALID_INPUT", ["name"], "leave it out"),
        ({"timezone": None}, "INVALID_INPUT", ["timezone"], "leave it out"),
        ({"customerId": "cus_x"}, "NOT_FOUND", ["customerId"], "no customer 'cus_x'"),
        ({"customerId": ""}, "NOT_FOUND", ["customerId"], "no customer ''"),
    ],
)
async def test_a_bad_update_is_refused_with_the_good_ones_beside_it(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    customer = await api.customer()
    good = {"customerId": customer["id"], "name": "Acme Ltd"}
    await api.refused("customerUpdate", CUSTOMER, code, field, words, **{**good, **change})
    await api.done("customerUpdate", CUSTOMER, **good)
    assert (await read(api))["name"] == "Acme Ltd"


async def test_a_new_zone_leaves_running_periods_as_they_are_cut(api: Api) -> None:
    customer = await api.customer()
    plan = await api.plan("basic", [{"name": "Access", "model": {"flat": {"amount": "10"}}}])
    await api.subscription(customer, plan, externalId="sub")
    await api.done(
        "customerUpdate", CUSTOMER, customerId=customer["id"], timezone="America/New_York"
    )
    data = await api.query('{ subscription(externalId: "sub") { currentPeriodEnd } }')
    assert data["subscription"] == {"currentPeriodEnd": "2026-02-01T00:00:00Z"}
