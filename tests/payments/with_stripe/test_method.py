"""Payment methods of Stripe, asked for before they are stored."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import event as sqlalchemy_event
from structlog.testing import capture_logs

from billing_gql.store.database import Database
from tests.payments.with_stripe.stripe_support import Fake, set_stripe
from tests.support import Api, Json, new_organization

METHOD = "customer { paymentMethod { provider token } }"


def asks(customer: Json, token: str, **more: object) -> dict[str, object]:
    """The input of customerPaymentMethodSet."""
    return {"customerId": customer["id"], "provider": "STRIPE", "token": token, **more}


@contextmanager
def held(database: Database) -> Iterator[set[int]]:
    """The connections that are taken from the pool meanwhile and not given back."""
    taken: set[int] = set()

    def take(_: object, record: object, __: object) -> None:
        taken.add(id(record))

    def give_back(_: object, record: object) -> None:
        taken.discard(id(record))

    engine = database.engine.sync_engine
    sqlalchemy_event.listen(engine, "checkout", take)
    sqlalchemy_event.listen(engine, "checkin", give_back)
    try:
        yield taken
    finally:
        sqlalchemy_event.remove(engine, "checkout", take)
        sqlalchemy_event.remove(engine, "checkin", give_back)


async def test_a_saved_method_is_stored_with_its_customer(api: Api, fake: Fake) -> None:
    customer = await api.customer()
    token = await fake.method()
    shown = await api.done("customerPaymentMethodSet", METHOD, **asks(customer, token))
    assert shown["customer"]["paymentMethod"] == {"provider": "STRIPE", "token": token}
    again = await api.done("customerPaymentMethodSet", METHOD, **asks(customer, token))
    assert again == shown
    async with api.database.engine.connect() as connection:
        stored = await connection.exec_driver_sql(
            f"SELECT payment_customer FROM customers WHERE id = '{customer['id']}'"
        )
        assert str(stored.scalar_one()).startswith("cus_")
    removed = await api.done("customerPaymentMethodSet", METHOD, **asks(customer, token=None))  # type: ignore[arg-type] # null removes
    assert removed["customer"]["paymentMethod"] is None


async def test_another_provider_forgets_the_customer(api: Api, fake: Fake) -> None:
    customer = await api.customer()
    await set_stripe(api, customer, await fake.method())
    values = asks(customer, "pm_ok", provider="SANDBOX")
    shown = await api.done("customerPaymentMethodSet", METHOD, **values)
    assert shown["customer"]["paymentMethod"] == {"provider": "SANDBOX", "token": "pm_ok"}


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (" ", "blank"),
        ("4242 4242 4242 4242", "a card's number"),
        ("sk_live_right", "like pm_1Abc"),
        ("card_1", "like pm_1Abc"),
        ("pm_1/../../customers", "like pm_1Abc"),
        ("pm_ä", "like pm_1Abc"),
        ("pm_nothing", "has no PaymentMethod"),
    ],
)
async def test_what_cannot_be_charged_is_refused(
    api: Api, fake: Fake, token: str, words: str
) -> None:
    values = asks(await api.customer(), token)
    error = await api.refused(
        "customerPaymentMethodSet", METHOD, "INVALID_INPUT", ["token"], words, **values
    )
    if token != "pm_nothing":
        assert token not in error["message"] or token == " "
        assert await fake.requests() == []


async def test_a_method_of_no_customer_is_refused(api: Api, fake: Fake) -> None:
    values = asks(await api.customer(), await fake.method(attached=False))
    await api.refused(
        "customerPaymentMethodSet", METHOD, "INVALID_INPUT", ["token"], "not attached", **values
    )


async def test_each_kind_of_organization_sees_its_own_account(
    api: Api, live: Api, fake: Fake
) -> None:
    for mine, kind in ((api, "TEST"), (live, "LIVE")):
        values = asks(await mine.customer(), await fake.method(is_test=mine is not api))
        await mine.refused(
            "customerPaymentMethodSet",
            METHOD,
            "INVALID_INPUT",
            ["token"],
            f"in the account for {kind} organizations",
            **values,
        )


async def test_an_unknown_customer_is_refused(api: Api, other: Api, fake: Fake) -> None:
    token = await fake.method()
    for customer_id in ("cus_x", (await other.customer())["id"]):
        await api.refused(
            "customerPaymentMethodSet",
            METHOD,
            "NOT_FOUND",
            ["customerId"],
            customer_id,
            **asks({"id": customer_id}, token),
        )


@pytest.mark.parametrize("kind", ["broken before", "limited", "lost"])
async def test_while_stripe_does_not_answer_nothing_is_changed(
    api: Api, fake: Fake, kind: str
) -> None:
    values = asks(await api.customer(), await fake.method())
    await fake.trouble(kind, "/payment_methods", times=1 if kind == "limited" else 2)
    with capture_logs() as logs:
        await api.refused(
            "customerPaymentMethodSet",
            METHOD,
            "PROVIDER_UNAVAILABLE",
            None,
            "Try again later",
            **values,
        )
    assert [one["log_level"] for one in logs] == ["warning"]
    await api.done("customerPaymentMethodSet", METHOD, **values)


async def test_a_service_without_stripe_says_so(service_url: str, api: Api, fake: Fake) -> None:
    async with httpx.AsyncClient(base_url=service_url, timeout=60) as client:
        mine = await new_organization(client, api.database)
        values = asks(await mine.customer(), "pm_1")
        await mine.refused(
            "customerPaymentMethodSet",
            METHOD,
            "INVALID_INPUT",
            ["provider"],
            "STRIPE is not set up here",
            **values,
        )


async def test_no_connection_is_held_while_stripe_is_asked(api: Api, fake: Fake) -> None:
    values = asks(await api.customer(), await fake.method())
    earlier = len(await fake.requests("/payment_methods/"))
    with held(api.database) as now_held:
        await fake.trouble("slow", "/payment_methods")
        asking = asyncio.create_task(api.done("customerPaymentMethodSet", METHOD, **values))
        while len(await fake.requests("/payment_methods/")) == earlier:  # noqa: ASYNC110 # it is another process's
            await asyncio.sleep(0.01)
        assert now_held == set()
        await asking


async def test_eight_at_once_are_all_stored_one_after_another(api: Api, fake: Fake) -> None:
    customer = await api.customer()
    tokens = [await fake.method() for _ in range(3)]
    await asyncio.gather(*(set_stripe(api, customer, token) for token in tokens))
    found = await api.query(
        "query ($id: ID!) { customer(id: $id) { paymentMethod { token } } }", customer
    )
    assert found["customer"]["paymentMethod"]["token"] in tokens
