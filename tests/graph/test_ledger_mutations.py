"""walletCreate, walletTopUp, customerBalanceAdjust, and the lists of what they moved."""

from base64 import urlsafe_b64encode

import pytest

from billing_gql.ledger.create_wallet import MAX_WALLETS
from tests.graph.test_nested_lists import PAGE, pages
from tests.graph.wallets import adjust, balances, top_up, wallet
from tests.support import Api, Json

WALLET = """wallet { id name currency balance priority scope expiresAt customer { id }
  transactions { totalCount nodes { id } } } replayed"""
TOP_UP = """wallet { id balance } transaction { id type currency amount endingBalance createdAt
  invoice { id } } replayed"""
ADJUST = """customer { id balance } balanceTransaction { id reason currency amount startingBalance
  endingBalance invoice { id } description createdAt } replayed"""
NOW = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(("currency", "nothing"), [("USD", "0.00"), ("JPY", "0"), ("KWD", "0.000")])
async def test_a_wallet_is_made_empty(api: Api, currency: str, nothing: str) -> None:
    customer = await api.customer("acme", currency=currency)
    made = (await api.done("walletCreate", WALLET, customerId=customer["id"], name="Credits"))[
        "wallet"
    ]
    assert made.pop("id").startswith("wal_")
    assert made == {
        "name": "Credits",
        "currency": currency,
        "balance": nothing,
        "priority": 50,
        "scope": "USAGE",
        "expiresAt": None,
        "customer": {"id": customer["id"]},
        "transactions": {"totalCount": 0, "nodes": []},
    }


async def test_a_wallet_has_all_that_was_said(api: Api) -> None:
    values = {
        "name": "All",
        "priority": 0,
        "scope": "ALL",
        "expiresAt": "2026-06-01T02:00:00+02:00",
    }
    customer = await api.customer()
    made = (await api.done("walletCreate", WALLET, customerId=customer["id"], **values))["wallet"]
    assert {name: made[name] for name in values} == {**values, "expiresAt": "2026-06-01T00:00:00Z"}


async def test_wallets_are_listed_in_the_order_in_which_they_are_drawn(api: Api) -> None:
    customer = await api.customer()
    for name, priority in (("c", 7), ("a", 1), ("d", 7), ("b", None)):
        await wallet(api, customer, name=name, priority=priority)
    query = "query ($id: ID!) { customer(id: $id) { wallets { name priority } } }"
    found = (await api.query(query, {"id": customer["id"]}))["customer"]["wallets"]
    assert [(one["name"], one["priority"]) for one in found] == [
        ("a", 1),
        ("c", 7),
        ("d", 7),
        ("b", 50),
    ]


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"customerId": "cus_x"}, "NOT_FOUND", ["customerId"], "no customer 'cus_x'"),
        ({"name": ""}, "INVALID_INPUT", ["name"], "blank"),
        ({"name": "n" * 256}, "INVALID_INPUT", ["name"], "255 characters"),
        ({"priority": -1}, "INVALID_INPUT", ["priority"], "from 0 to 1000, not -1"),
        ({"priority": 1001}, "INVALID_INPUT", ["priority"], "from 0 to 1000, not 1001"),
        ({"expiresAt": NOW}, "INVALID_INPUT", ["expiresAt"], "later than now"),
        ({"expiresAt": "2200-01-01T00:00:00Z"}, "INVALID_INPUT", ["expiresAt"], "1970 to 2199"),
    ],
)
async def test_a_bad_wallet_is_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    values = {"customerId": (await api.customer())["id"], "name": "Credits"}
    await api.refused("walletCreate", WALLET, code, field, words, **{**values, **change})
    await api.done("walletCreate", WALLET, **values)


async def test_a_customer_has_at_most_50_wallets_that_have_not_expired(api: Api) -> None:
    customer = await api.customer()
    for _ in range(MAX_WALLETS):
        await wallet(api, customer, expiresAt="2026-01-02T00:00:00Z")
    values = {"customerId": customer["id"], "name": "More"}
    words = f"at most {MAX_WALLETS} wallets"
    await api.refused("walletCreate", WALLET, "TOO_MANY_ITEMS", ["customerId"], words, **values)
    await wallet(api, await api.customer("b"))
    await api.advance("2026-01-02T00:00:00Z")
    await api.done("walletCreate", WALLET, **values)


async def test_a_top_up_adds_to_the_wallet(api: Api) -> None:
    credit = await wallet(api, await api.customer(), "1.5")
    payload = await api.done("walletTopUp", TOP_UP, walletId=credit, amount="10")
    assert payload["wallet"] == {"id": credit, "balance": "11.50"}
    transaction = payload["transaction"]
    assert transaction.pop("id").startswith("wtx_")
    assert transaction == {
        "type": "TOP_UP",
        "currency": "USD",
        "amount": "10.00",
        "endingBalance": "11.50",
        "createdAt": NOW,
        "invoice": None,
    }


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"walletId": "wal_x"}, "NOT_FOUND", ["walletId"], "no wallet 'wal_x'"),
        ({"amount": "0"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "not be zero"),
        ({"amount": "-1"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "above zero"),
        ({"amount": "0.001"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "USD has 2 decimals"),
        ({"amount": "1000000000000000"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "below 10^15"),
        ({"amount": "999999999999999.5"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "must stay below"),
    ],
)
async def test_a_bad_top_up_is_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    values = {"walletId": await wallet(api, await api.customer(), "0.50"), "amount": "1"}
    await api.refused("walletTopUp", TOP_UP, code, field, words, **{**values, **change})
    await api.done("walletTopUp", TOP_UP, **values)


async def test_an_expired_wallet_takes_nothing(api: Api) -> None:
    credit = await wallet(api, await api.customer(), "1", expiresAt="2026-01-02T00:00:00Z")
    await api.advance("2026-01-02T00:00:00Z")
    words = "expired at 2026-01-02"
    values = {"walletId": credit, "amount": "1"}
    await api.refused("walletTopUp", TOP_UP, "INVALID_STATE", ["walletId"], words, **values)


@pytest.mark.parametrize(
    ("currency", "amount", "shown", "nothing"),
    [
        ("USD", "10.5", "10.50", "0.00"),
        ("USD", "-10.5", "-10.50", "0.00"),
        ("JPY", "7", "7", "0"),
        ("KWD", "-0.001", "-0.001", "0.000"),
    ],
)
async def test_a_balance_is_adjusted_either_way(
    api: Api, currency: str, amount: str, shown: str, nothing: str
) -> None:
    customer = await api.customer("acme", currency=currency)
    assert await balances(api, customer) == (nothing, [])
    payload = await api.done(
        "customerBalanceAdjust",
        ADJUST,
        customerId=customer["id"],
        amount=amount,
        description="Sorry",
    )
    assert payload["customer"] == {"id": customer["id"], "balance": shown}
    moved = payload["balanceTransaction"]
    assert moved.pop("id").startswith("btx_")
    assert moved == {
        "reason": "MANUAL_ADJUSTMENT",
        "currency": currency,
        "amount": shown,
        "startingBalance": nothing,
        "endingBalance": shown,
        "invoice": None,
        "description": "Sorry",
        "createdAt": NOW,
    }


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"customerId": "cus_x"}, "NOT_FOUND", ["customerId"], "no customer 'cus_x'"),
        ({"amount": "0"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "not be zero"),
        ({"amount": "0.001"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "USD has 2 decimals"),
        ({"amount": "-1000000000000000"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "below 10^15"),
        ({"amount": "999999999999999"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "must stay below"),
        ({"description": " "}, "INVALID_INPUT", ["description"], "blank"),
        ({"description": "d" * 5001}, "INVALID_INPUT", ["description"], "5000 characters"),
    ],
)
async def test_a_bad_adjustment_is_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    customer = await api.customer()
    await adjust(api, customer, "1")
    values = {"customerId": customer["id"], "amount": "-1"}
    await api.refused("customerBalanceAdjust", ADJUST, code, field, words, **{**values, **change})
    await api.done("customerBalanceAdjust", ADJUST, **values)
    await api.done("customerBalanceAdjust", ADJUST, **values)  # said twice without a key, it is two
    assert (await balances(api, customer))[0] == "-1.00"


async def test_movements_are_paged_newest_first(api: Api, other: Api) -> None:
    customer, bystander = await api.customer(), await api.customer("b")
    credit, idle = await wallet(api, customer), await wallet(api, customer)
    for n in range(1, 6):
        await adjust(api, customer, str(n))
        await adjust(api, bystander, "1")
        await top_up(api, credit, str(n))
        await top_up(api, idle, "1")
    shown = f"{{ totalCount {PAGE} nodes {{ id amount }} }}"
    for kind, field, owner in (
        ("Customer", "balanceTransactions", customer["id"]),
        ("Wallet", "transactions", credit),
    ):
        query = (
            f"query ($id: ID!, $after: String) {{ node(id: $id) {{ ... on {kind} {{"
            f" {field}(first: 2, after: $after) {shown} }} }} }}"
        )
        found = await pages(api, query, "node", field, id=owner)
        assert [len(page) for page in found] == [2, 2, 1]
        ids = [one for page in found for one in page]
        assert ids == sorted(ids, reverse=True)
        amounts = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on BalanceTransaction { amount }"
        amounts += " ... on WalletTransaction { amount } } }"
        nodes = (await api.query(amounts, {"ids": ids}))["nodes"]
        assert [one["amount"] for one in nodes] == [f"{n}.00" for n in range(5, 0, -1)]
        assert (await other.query(amounts, {"ids": ids}))["nodes"] == [None] * 5
        for after in ("x", "WyJpbnZvaWNlcyIsWzFdXQ"):
            answer = await api.post(query, {"id": owner, "after": after})
            assert answer["errors"][0]["extensions"]["argument"] == ["after"]


async def test_a_cursor_written_by_hand_is_refused_where_it_cannot_be_a_place(api: Api) -> None:
    customer = await api.customer()
    query = """query ($id: ID!, $after: String) { customer(id: $id) {
      balanceTransactions(after: $after) { nodes { id } } } }"""
    for place in ("99999999999", "-1", "1.5", '"1"'):
        after = urlsafe_b64encode(f'["balanceTransactions",[{place}]]'.encode()).decode()
        answer = await api.post(query, {"id": customer["id"], "after": after})
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
