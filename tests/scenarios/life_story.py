"""Plays abstract steps to the real service over HTTP and to the model beside it."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from tests.scenarios.life_model import DECIMALS, Coupon, Customer, Invoice, Line, Wallet, rounded
from tests.support import Api, Json

AMOUNTS = """subtotal totalDiscount totalTax totalPrepaidCreditsApplied total
  customerBalanceApplied totalCredited amountDue amountPaid amountRemaining"""
SHOWN = f"""id status paymentStatus availableActions {AMOUNTS}
  lineItems {{ id amount discountAmount taxAmount }}
  couponApplications {{ coupon {{ id }} amount }}
  creditNotes {{ refunds {{ provider state amount }} }}
  payments {{ provider state amount amountRefunded }}"""
ALL = """query { customers(first: 10) { nodes { id balance wallets { id balance } } }
  invoices(first: 60, filter: {statuses: [DRAFT, FINALIZED, UNCOLLECTIBLE, VOIDED]}) {
    nodes { %s } } }""".replace("%s", SHOWN)
TOKENS = [None, "pm_ok", "pm_declined", "pm_processing", "pm_recovers", "pm_no_refund"]
RATES = {"a": Fraction("8.25"), "b": Fraction(7), "c": Fraction("33.333")}


class Step(NamedTuple):
    """A verb and four numbers, from which it takes what it needs."""

    verb: str
    which: int
    amount: int
    choice: int
    many: int


@dataclass
class Story:
    """An organization with its customers, and what the model thinks of them."""

    api: Api
    customers: list[Customer]
    rates: dict[str, Fraction]
    defaults: list[str]
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)  # a constant
    names: int = 0

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def wire(self, amount: int, customer: Customer) -> str:
        return f"{Decimal(amount).scaleb(-DECIMALS[customer.currency]):f}"

    def add_up(self, invoice: Invoice) -> None:
        invoice.add_up(self.rates, self.defaults, self.now)

    async def on(
        self, action: str, invoice: Invoice, verb: str, selection: str, /, **values: object
    ) -> Json | None:
        """The payload where the model's table allows the action; else it must be refused so."""
        if action in invoice.actions:
            return await self.api.done(verb, selection, **values)
        await self.refused(invoice, verb, selection, **values)
        return None

    async def refused(
        self, invoice: Invoice, verb: str, selection: str, /, **values: object
    ) -> None:
        """By an InvoiceStateError that says what the model's table says."""
        payload = await self.api.mutate(verb, selection, **values)
        (error,) = payload["userErrors"]
        shown = {key: error.get(key) for key in ("__typename", "code", "status", "paymentStatus")}
        assert shown == {
            "__typename": "InvoiceStateError",
            "code": "INVALID_STATE",
            "status": invoice.status,
            "paymentStatus": invoice.payment_status(self.now),
        }, error
        assert error["availableActions"] == invoice.actions, error

    async def mistaken(self, field: list[str], code: str, verb: str, /, **values: object) -> None:
        payload = await self.api.mutate(verb, "__typename", **values)
        (error,) = payload["userErrors"]
        assert (error["code"], error["field"]) == (code, field), error

    async def check(self) -> None:
        """Everything that the service shows is what the model says."""
        data = await self.api.query(ALL)
        shown = {one["id"]: one for one in data["invoices"]["nodes"]}
        model = {one: inv for mine in self.customers for one, inv in mine.invoices.items()}
        assert shown.keys() == model.keys()
        for one, invoice in model.items():
            assert _facts(shown[one]) == self.facts(invoice)
        for customer in self.customers:
            (found,) = (one for one in data["customers"]["nodes"] if one["id"] == customer.id)
            assert found["balance"] == self.wire(customer.balance, customer)
            assert {one["id"]: one["balance"] for one in found["wallets"]} == {
                one.id: self.wire(one.balance, customer) for one in customer.wallets
            }

    def facts(self, invoice: Invoice) -> Json:
        """The invoice as the service must show it; of payments those by a method."""

        def wire(amount: int) -> str:
            return self.wire(amount, invoice.customer)

        return {
            "id": invoice.id,
            "status": invoice.status,
            "paymentStatus": invoice.payment_status(self.now),
            "availableActions": invoice.actions,
            "subtotal": wire(invoice.subtotal),
            "totalDiscount": wire(sum(invoice.taken.values())),
            "totalTax": wire(invoice.tax),
            "totalPrepaidCreditsApplied": wire(sum(invoice.draws.values())),
            "total": wire(invoice.total),
            "customerBalanceApplied": wire(invoice.applied),
            "totalCredited": wire(invoice.offset),
            "amountDue": wire(invoice.due),
            "amountPaid": wire(invoice.paid),
            "amountRemaining": wire(invoice.remaining),
            "lineItems": [
                {
                    "id": line.id,
                    "amount": wire(line.amount),
                    "discountAmount": wire(line.discount),
                    "taxAmount": wire(line.tax),
                }
                for line in invoice.lines
            ],
            "couponApplications": {one: wire(off) for one, off in invoice.taken.items()},
            "creditNotes": [
                [("MANUAL" if o.by_hand else "SANDBOX", o.state, wire(o.amount)) for o in note]
                for note in invoice.notes
            ],
            "payments": [(one.state, wire(one.amount), wire(one.back)) for one in invoice.attempts],
        }


def _facts(shown: Json) -> Json:
    return {
        **shown,
        "couponApplications": {
            one["coupon"]["id"]: one["amount"] for one in shown["couponApplications"]
        },
        "creditNotes": [
            [(one["provider"], one["state"], one["amount"]) for one in note["refunds"]]
            for note in shown["creditNotes"]
        ],
        "payments": [
            (one["state"], one["amount"], one["amountRefunded"])
            for one in shown["payments"]
            if one["provider"] != "MANUAL"
        ],
    }


async def new_story(api: Api, currencies: list[str], defaults: int) -> Story:
    """Customers without anything, and three rates of which the first few are on by default."""
    customers = [
        Customer((await api.customer(f"c{n}", currency=currency))["id"], currency)
        for n, currency in enumerate(currencies)
    ]
    rates = {}
    for n, (code, percent) in enumerate(RATES.items()):
        made = await api.done(
            "taxRateCreate",
            "taxRate { id }",
            code=code,
            name=code,
            percentage=f"{float(percent):g}",
            isDefault=n < defaults,
        )
        rates[made["taxRate"]["id"]] = Fraction(f"{float(percent):g}")
    return Story(api, customers, rates, list(rates)[:defaults])


async def play(story: Story, steps: list[Step]) -> None:
    """Each step to both, compared after each."""
    for step in steps:
        customer = story.customers[step.choice % len(story.customers)]
        if step.verb in BY_CUSTOMER:
            await BY_CUSTOMER[step.verb](story, step, customer)
        else:
            action, verb = BY_INVOICE[step.verb]
            every = [one for mine in story.customers for one in mine.invoices.values()]
            allowed = [one for one in every if action in one.actions]
            # One in four meets any invoice, which mostly must refuse it.
            invoices = allowed if allowed and step.many % 4 else every
            if not invoices:
                continue
            await verb(story, step, invoices[-1 - step.which % len(invoices)])
        await story.check()


def _new_lines(story: Story, step: Step, customer: Customer) -> list[Json]:
    """One to three lines, with the default rates, none, one or two."""
    rates = list(story.rates)
    named = [None, [], rates[:1], rates[1:]]
    lines: list[Json] = []
    for n in range(1 + step.many % 3):
        amount = (step.amount * (1 + n * 5)) % 20_011
        line: Json = {"name": story.name(), "amount": story.wire(amount, customer)}
        if (chosen := named[(step.many + n) % 4]) is not None:
            line["taxRateIds"] = chosen
        lines.append(line)
    return lines


def _lines(shown: Json, sent: list[Json], customer: Customer) -> list[Line]:
    return [
        Line(
            one["id"],
            int(Decimal(line["amount"]).scaleb(DECIMALS[customer.currency])),
            line.get("taxRateIds"),
        )
        for one, line in zip(shown["lineItems"], sent, strict=True)
    ]


async def create(story: Story, step: Step, customer: Customer) -> None:
    sent, final = _new_lines(story, step, customer), step.many % 5 == 0
    payload = await story.api.done(
        "invoiceCreate",
        "invoice { id lineItems { id } }",
        customerId=customer.id,
        lineItems=sent,
        finalize=final,
    )
    shown = payload["invoice"]
    invoice = Invoice(shown["id"], customer, _lines(shown, sent, customer))
    customer.invoices[invoice.id] = invoice
    story.add_up(invoice)
    if final:
        invoice.finalize(story.now)


async def add_line(story: Story, step: Step, invoice: Invoice) -> None:
    sent = _new_lines(story, step, invoice.customer)[-1:]
    payload = await story.on(
        "ADD_LINE_ITEM",
        invoice,
        "invoiceLineItemCreate",
        "lineItem { id }",
        invoiceId=invoice.id,
        lineItem=sent[0],
    )
    if payload:
        shown = {"lineItems": [payload["lineItem"]]}
        invoice.lines += _lines(shown, sent, invoice.customer)
        story.add_up(invoice)


async def delete_line(story: Story, step: Step, invoice: Invoice) -> None:
    if not invoice.lines:
        return
    line = invoice.lines[step.many % len(invoice.lines)]
    name = "invoiceLineItemDelete"
    if await story.on("ADD_LINE_ITEM", invoice, name, "invoice { id }", lineItemId=line.id):
        invoice.lines.remove(line)
        customer = invoice.customer
        customer.coupons = [one for one in customer.coupons if one.line != line.id]
        story.add_up(invoice)


async def _new_coupon(story: Story, step: Step, customer: Customer) -> Coupon:
    uses = [1, 2, None][step.many % 3]
    values: Json = {"duration": ["ONCE", "REPEATING", "FOREVER"][step.many % 3]}
    if uses == 2:
        values["durationInvoices"] = 2
    percent = None
    if step.amount % 2:
        percent = Fraction(1 + step.amount % 10_000, 100)
        values["percentOff"] = f"{Decimal(1 + step.amount % 10_000).scaleb(-2):f}"
    else:
        values |= {
            "amountOff": story.wire(step.amount + 1, customer),
            "currency": customer.currency,
        }
    name = story.name()
    made = await story.api.done("couponCreate", "coupon { id }", code=name, name=name, **values)
    return Coupon(made["coupon"]["id"], percent, step.amount + 1, uses)


async def coupon_for_customer(story: Story, step: Step, customer: Customer) -> None:
    """Open drafts follow when the worker comes by."""
    coupon = await _new_coupon(story, step, customer)
    given = {"couponId": coupon.id, "customerId": customer.id}
    await story.api.done("couponApply", "coupon { id }", **given)
    customer.coupons.append(coupon)


async def coupon_for_draft(story: Story, step: Step, invoice: Invoice) -> None:
    """On the whole, or on one of its lines."""
    coupon = await _new_coupon(story, step, invoice.customer)
    on: Json = {"invoiceId": invoice.id}
    coupon.invoice = invoice.id
    if step.choice % 2 and invoice.lines:
        coupon.line = invoice.lines[step.many % len(invoice.lines)].id
        on = {"lineItemId": coupon.line}
    # UPDATE reaches the metadata of what is final: what a draft alone allows is FINALIZE.
    given = {"couponId": coupon.id, **on}
    if await story.on("FINALIZE", invoice, "couponApply", "coupon { id }", **given):
        invoice.customer.coupons.append(coupon)
        story.add_up(invoice)


async def refresh(story: Story, step: Step, invoice: Invoice) -> None:
    given = {"invoiceId": invoice.id}
    if await story.on("REFRESH", invoice, "invoiceRefresh", "invoice { id }", **given):
        story.add_up(invoice)


async def finalize(story: Story, step: Step, invoice: Invoice) -> None:
    given = {"invoiceId": invoice.id}
    if await story.on("FINALIZE", invoice, "invoiceFinalize", "invoice { id }", **given):
        story.add_up(invoice)
        invoice.finalize(story.now)


async def void(story: Story, step: Step, invoice: Invoice) -> None:
    given = {"invoiceId": invoice.id}
    if await story.on("VOID", invoice, "invoiceVoid", "invoice { id }", **given):
        invoice.void()


async def give_up(story: Story, step: Step, invoice: Invoice) -> None:
    name, given = "invoiceMarkUncollectible", {"invoiceId": invoice.id}
    if await story.on("MARK_UNCOLLECTIBLE", invoice, name, "invoice { id }", **given):
        invoice.status = "UNCOLLECTIBLE"


async def update(story: Story, step: Step, invoice: Invoice) -> None:
    given = {"invoiceId": invoice.id, "metadata": {"a": "b"}}
    await story.on("UPDATE", invoice, "invoiceUpdate", "invoice { id }", **given)


async def delete(story: Story, step: Step, invoice: Invoice) -> None:
    given = {"invoiceId": invoice.id}
    if await story.on("DELETE", invoice, "invoiceDelete", "deletedInvoiceId", **given):
        customer = invoice.customer
        del customer.invoices[invoice.id]
        customer.coupons = [one for one in customer.coupons if one.invoice != invoice.id]


async def pay(story: Story, step: Step, invoice: Invoice) -> None:
    """What remains, by saying nothing; or an amount, less or more than that."""
    given: Json = {"invoiceId": invoice.id}
    amount = invoice.remaining if step.choice % 2 else step.amount + 1
    if amount != invoice.remaining:
        given["amount"] = story.wire(amount, invoice.customer)
    elif invoice.owed and amount == 0:
        await story.mistaken(["amount"], "INVALID_INPUT", "paymentRecord", **given)
        return
    if await story.on("RECORD_PAYMENT", invoice, "paymentRecord", "payment { id }", **given):
        invoice.receive(amount, story.now)


async def set_method(story: Story, step: Step, customer: Customer) -> None:
    customer.method = TOKENS[step.many % len(TOKENS)]
    given = {"customerId": customer.id, "provider": "SANDBOX", "token": customer.method}
    await story.api.done("customerPaymentMethodSet", "customer { id }", **given)


async def retry(story: Story, step: Step, invoice: Invoice) -> None:
    name, selection = "invoiceRetryPayment", "payment { state amount }"
    if "RETRY_PAYMENT" not in invoice.actions:
        await story.refused(invoice, name, selection, invoiceId=invoice.id)
        return
    payload = await story.api.mutate(name, selection, invoiceId=invoice.id)
    made = invoice.attempt(story.now)
    amount = story.wire(made.amount, invoice.customer)
    assert payload["payment"] == {"state": made.state, "amount": amount}
    codes = [one["code"] for one in payload["userErrors"]]
    assert codes == (["PAYMENT_DECLINED"] if made.state == "FAILED" else [])


async def credit(story: Story, step: Step, invoice: Invoice) -> None:
    """Of one or two lines all that is left, or an amount, which may be too much."""
    wire = story.wire
    settlement = ["OFFSET", "BALANCE", "REFUND"][step.choice % 3]
    start = step.many % max(len(invoice.lines), 1)
    parts: list[tuple[Line, int, int]] = []
    wrong: list[str] | None = None
    for n, line in enumerate(invoice.lines[start : start + 1 + step.many % 2]):
        left = line.creditable - line.credited
        amount = max(left if step.which % 2 else 1 + step.amount // 8, 1)
        if amount > left:
            wrong = wrong or ["lineItems", str(n), "amount"]
            parts.append((line, amount, 0))
            continue
        share = Fraction(line.tax * (line.credited + amount), line.creditable)
        parts.append((line, amount, rounded(share) - line.tax_credited))
    net, tax = sum(part[1] for part in parts), sum(part[2] for part in parts)
    given: Json = {
        "invoiceId": invoice.id,
        "reason": "OTHER",
        "settlement": settlement,
        "lineItems": [
            {"lineItemId": line.id, "amount": wire(amount, invoice.customer)}
            for line, amount, _ in parts
        ],
    }
    if "CREDIT" in invoice.actions:
        most = {"OFFSET": invoice.remaining, "REFUND": invoice.paid - invoice.refunded}
        if wrong is None and net + tax > most.get(settlement, net + tax):
            wrong = ["settlement"]
        if wrong is not None:
            await story.mistaken(wrong, "AMOUNT_OUT_OF_RANGE", "creditNoteCreate", **given)
            return
    shown = "creditNote { subtotal totalTax total refunds { id } }"
    payload = await story.on("CREDIT", invoice, "creditNoteCreate", shown, **given)
    if payload is None:
        return
    customer = invoice.customer
    sums = [wire(one, customer) for one in (net, tax, net + tax)]
    given_back = payload["creditNote"].pop("refunds")
    assert list(payload["creditNote"].values()) == sums
    for line, amount, tax_amount in parts:
        line.credited += amount
        line.tax_credited += tax_amount
    invoice.notes.append(invoice.refund(net + tax) if settlement == "REFUND" else [])
    for refund, one in zip(invoice.notes[-1], given_back, strict=True):
        refund.id = one["id"]
    if settlement == "OFFSET":
        invoice.offset += net + tax
        invoice.settle(story.now)
    elif settlement == "BALANCE":
        customer.balance += net + tax
    else:
        invoice.refunded += net + tax


async def mend(story: Story, step: Step, customer: Customer) -> None:
    """Tries a refund again, or says that it was paid out by hand: one that failed, if any did."""
    every = [
        one for mine in customer.invoices.values() for note in mine.notes for one in note if one.id
    ]
    some = [one for one in every if one.state == "FAILED"] or every
    if not some:
        return
    refund = some[step.which % len(some)]
    name = "refundRetry" if step.many % 2 else "refundMarkPaidOut"
    if refund.state != "FAILED":
        await story.mistaken(["refundId"], "INVALID_STATE", name, refundId=refund.id)
        return
    payload = await story.api.mutate(name, "refund { state }", refundId=refund.id)
    if name == "refundRetry":
        refund.ask()
    else:
        refund.by_hand = True
        refund.succeed()
    assert payload["refund"] == {"state": refund.state}
    codes = [one["code"] for one in payload["userErrors"]]
    assert codes == (["PAYMENT_DECLINED"] if refund.state == "FAILED" else [])


async def new_wallet(story: Story, step: Step, customer: Customer) -> None:
    expires = story.now + timedelta(days=20) if step.many % 4 == 1 else None
    wallet = Wallet("", step.which % 3, step.many % 4 != 0, expires)
    made = await story.api.done(
        "walletCreate",
        "wallet { id }",
        customerId=customer.id,
        name=story.name(),
        priority=wallet.priority,
        scope="ALL" if wallet.pays_all else "USAGE",
        expiresAt=None if expires is None else expires.isoformat(),
    )
    wallet.id = made["wallet"]["id"]
    customer.wallets.append(wallet)
    await _fill(story, step, customer, wallet)


async def top_up(story: Story, step: Step, customer: Customer) -> None:
    if wallet := _alive(story, step, customer):
        await _fill(story, step, customer, wallet)


async def buy(story: Story, step: Step, customer: Customer) -> None:
    """The wallet gets it once its invoice is settled, which the balance may do at once."""
    wallet = _alive(story, step, customer)
    if wallet is None:
        await new_wallet(story, step, customer)
        wallet = customer.wallets[-1]
    payload = await story.api.done(
        "walletTopUp",
        "invoice { id lineItems { id } }",
        walletId=wallet.id,
        amount=story.wire(step.amount + 1, customer),
        payment="INVOICED",
    )
    (line,) = payload["invoice"]["lineItems"]
    invoice = Invoice(payload["invoice"]["id"], customer, [Line(line["id"], step.amount + 1, [])])
    invoice.wallet = wallet
    customer.invoices[invoice.id] = invoice
    story.add_up(invoice)
    invoice.finalize(story.now)


def _alive(story: Story, step: Step, customer: Customer) -> Wallet | None:
    alive = [
        one for one in customer.wallets if one.expires_at is None or one.expires_at > story.now
    ]
    return alive[step.which % len(alive)] if alive else None


async def _fill(story: Story, step: Step, customer: Customer, wallet: Wallet) -> None:
    wallet.balance += step.amount + 1
    given = {"walletId": wallet.id, "amount": story.wire(step.amount + 1, customer)}
    await story.api.done("walletTopUp", "wallet { id }", **given)


async def adjust(story: Story, step: Step, customer: Customer) -> None:
    amount = (step.amount + 1) * (1 if step.which % 2 else -1)
    customer.balance += amount
    given = {"customerId": customer.id, "amount": story.wire(amount, customer)}
    await story.api.done("customerBalanceAdjust", "customer { id }", **given)


async def advance(story: Story, step: Step, _: Customer) -> None:
    """The worker comes by: it collects, expires wallets, and makes open drafts follow.

    Which of two drafts gets the last use of a coupon is the worker's choice; the sums that go
    with the choice are not.
    """
    since = story.now
    story.now += timedelta(hours=[1, 24, 24 * 9, 24 * 32][step.many % 4])
    await story.api.advance(story.now.isoformat())
    data = await story.api.query(ALL)
    taken = {
        one["id"]: {use["coupon"]["id"]: 0 for use in one["couponApplications"]}
        for one in data["invoices"]["nodes"]
    }
    for customer in story.customers:
        for invoice in customer.invoices.values():
            invoice.let_time_pass(since)
        for wallet in customer.wallets:
            if wallet.expires_at is not None and wallet.expires_at <= story.now:
                wallet.balance = 0
        drafts = [one for one in customer.invoices.values() if one.status == "DRAFT"]
        for draft in drafts:
            draft.taken = taken[draft.id]
        for draft in drafts:
            story.add_up(draft)
            assert draft.taken.keys() == taken[draft.id].keys()


Verb = Callable[[Story, Step, Any], Coroutine[Any, Any, None]]
BY_CUSTOMER: Mapping[str, Verb] = {
    "create": create,
    "coupon": coupon_for_customer,
    "method": set_method,
    "mend": mend,
    "wallet": new_wallet,
    "top up": top_up,
    "buy": buy,
    "adjust": adjust,
    "advance": advance,
}
BY_INVOICE: Mapping[str, tuple[str, Verb]] = {
    "add line": ("ADD_LINE_ITEM", add_line),
    "delete line": ("ADD_LINE_ITEM", delete_line),
    "coupon on draft": ("FINALIZE", coupon_for_draft),
    "refresh": ("REFRESH", refresh),
    "finalize": ("FINALIZE", finalize),
    "void": ("VOID", void),
    "give up": ("MARK_UNCOLLECTIBLE", give_up),
    "update": ("UPDATE", update),
    "delete": ("DELETE", delete),
    "pay": ("RECORD_PAYMENT", pay),
    "retry": ("RETRY_PAYMENT", retry),
    "credit": ("CREDIT", credit),
}
