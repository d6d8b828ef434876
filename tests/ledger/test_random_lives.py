"""Top-ups, adjustments, invoices and voids in any order, against a model in a few lines."""

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

import pytest

from tests.graph.wallets import adjust, balances, coupon, done_with, give, money_of, top_up, wallet
from tests.ledger.books import assert_books_balance
from tests.support import Api, Json

NONE = Decimal("0.00")


@dataclass
class Taken:
    """What an invoice took, to be returned."""

    draws: list[Decimal]
    balance: Decimal
    coupon: bool


@dataclass
class Model:
    """A customer with three wallets in the order of drawing, the second for usage alone."""

    wallets: list[Decimal] = field(default_factory=lambda: [NONE, NONE, NONE])
    balance: Decimal = NONE
    coupons_left: int = 2
    taken: dict[str, Taken] = field(default_factory=dict)

    def finalize(self, subtotal: Decimal) -> tuple[Decimal, Decimal, Taken]:
        """Total, amount due and what is taken, of an invoice by hand."""
        used = self.coupons_left > 0 and subtotal > 0
        left = subtotal - (min(Decimal(5), subtotal) if used else 0)
        self.coupons_left -= used
        draws = []
        for index, has in enumerate(self.wallets):
            draw = NONE if index == 1 else min(has, left)
            self.wallets[index] -= draw
            left -= draw
            draws.append(draw)
        applied = min(self.balance, left)
        self.balance -= applied
        return left, left - applied, Taken(draws, applied, used)

    def void(self, invoice_id: str) -> None:
        taken = self.taken.pop(invoice_id)
        self.wallets = [has + back for has, back in zip(self.wallets, taken.draws, strict=True)]
        self.balance += taken.balance
        self.coupons_left += taken.coupon


@pytest.mark.parametrize("seed", range(5))
async def test_void_restores_what_an_invoice_took(api: Api, seed: int) -> None:
    random, model = Random(seed), Model()  # noqa: S311 # a story that can be told again
    customer = await api.customer()
    wallets = [
        await wallet(api, customer, scope=scope, priority=n)
        for n, scope in enumerate(("ALL", "USAGE", "ALL"))
    ]
    five = await coupon(
        api, "five", amountOff="5", duration="REPEATING", durationInvoices=model.coupons_left
    )
    await give(api, five, customerId=customer["id"])
    drafts: list[Json] = []
    for _ in range(40):
        amount = Decimal(random.randint(1, 4_000)).scaleb(-2)
        match random.choice(["top up", "adjust", "draft", "finalize", "void", "delete"]):
            case "top up":
                index = random.randrange(3)
                await top_up(api, wallets[index], str(amount))
                model.wallets[index] += amount
            case "adjust":
                amount *= random.choice([1, -1])
                await adjust(api, customer, str(amount))
                model.balance += amount
            case "draft" if len(drafts) < 3:
                drafts.append({"id": (await api.one_off(customer, str(amount)))["id"]})
            case "finalize" if drafts:
                await finalize(api, model, drafts.pop(random.randrange(len(drafts))), drafts)
            case "delete" if drafts:
                draft = drafts.pop(random.randrange(len(drafts)))
                await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=draft["id"])
            case "void" if model.taken:
                one = random.choice(sorted(model.taken))
                await done_with(api, "invoiceVoid", {"id": one})
                model.void(one)
        shown = (str(model.balance), [str(one) for one in model.wallets])
        assert await balances(api, customer) == shown
    await assert_books_balance(api)
    for one in sorted(model.taken, key=lambda _: random.random()):
        await done_with(api, "invoiceVoid", {"id": one})
        model.void(one)
    shown = (str(model.balance), [str(one) for one in model.wallets])
    assert (await balances(api, customer), model.coupons_left) == (shown, 2)
    await assert_books_balance(api)


async def finalize(api: Api, model: Model, draft: Json, drafts: list[Json]) -> None:
    """Finalizes the draft; the other drafts hold their uses of the coupon until they go."""
    held = 0
    for other in drafts:
        held += bool((await money_of(api, other))["couponApplications"])
    model.coupons_left -= held
    subtotal = Decimal((await money_of(api, draft))["subtotal"])
    total, due, taken = model.finalize(subtotal)
    model.coupons_left += held
    invoice = await done_with(api, "invoiceFinalize", draft)
    assert (invoice["total"], invoice["amountDue"]) == (str(total), str(due))
    assert (invoice["paymentStatus"] == "PAID") == (due == 0)
    assert bool(invoice["couponApplications"]) == taken.coupon
    model.taken[invoice["id"]] = taken
