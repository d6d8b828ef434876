"""What invoices, balances and wallets must be, from the documents alone: nothing of the service.

Amounts are whole numbers of the currency's smallest coin.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

DECIMALS = {"USD": 2, "JPY": 0, "KWD": 3}
TERM = timedelta(days=30)


def rounded(exact: Fraction) -> int:
    """Half away from zero, of what is not negative."""
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


def parted(whole: int, weights: Sequence[int]) -> list[int]:
    """By largest remainder; equal ones go to the earlier part."""
    if whole == 0:
        return [0] * len(weights)
    exact = [Fraction(whole * weight, sum(weights)) for weight in weights]
    parts = [int(one) for one in exact]
    order = sorted(range(len(parts)), key=lambda n: (parts[n] - exact[n], n))
    for n in order[: whole - sum(parts)]:
        parts[n] += 1
    return parts


@dataclass
class Coupon:
    """One gift of a coupon: to a customer, to a draft or to a line."""

    id: str
    percent: Fraction | None
    amount: int
    uses: int | None
    """How many invoices of the customer may take it; None for any number."""
    invoice: str | None = None
    line: str | None = None

    def off(self, room: int) -> int:
        if self.percent is not None:
            return min(rounded(room * self.percent / 100), room)
        return min(self.amount, room)


@dataclass
class Line:
    id: str
    amount: int
    rates: list[str] | None
    discount: int = 0
    tax: int = 0
    credited: int = 0
    tax_credited: int = 0

    @property
    def creditable(self) -> int:
        return self.amount - self.discount


@dataclass
class Wallet:
    id: str
    priority: int
    pays_all: bool
    expires_at: datetime | None
    balance: int = 0


@dataclass
class Customer:
    id: str
    currency: str
    balance: int = 0
    method: str | None = None
    wallets: list[Wallet] = field(default_factory=list)
    coupons: list[Coupon] = field(default_factory=list)
    """In the order in which they were given."""
    invoices: "dict[str, Invoice]" = field(default_factory=dict)

    def uses(self, coupon: Coupon, besides: "Invoice") -> int:
        return sum(
            coupon.id in one.taken and one.status != "VOIDED" and one is not besides
            for one in self.invoices.values()
        )


@dataclass
class Attempt:
    token: str
    amount: int
    state: str
    named: int = 0
    """What refunds give back of it, also those that failed."""
    back: int = 0


@dataclass
class Refund:
    """What a note gives back of one attempt, or by hand."""

    id: str
    of: Attempt | None
    amount: int
    state: str = "SUCCEEDED"
    by_hand: bool = True
    tries: int = 0

    def ask(self) -> None:
        """The sandbox's answer by the token that paid; pm_processing stays under way."""
        token = self.of.token if self.of else ""
        self.by_hand, self.tries = False, self.tries + 1
        if token == "pm_no_refund" or (token == "pm_recovers" and self.tries == 1):
            self.state = "FAILED"
        elif token == "pm_processing":
            self.state = "PROCESSING"
        else:
            self.succeed()

    def succeed(self) -> None:
        self.state = "SUCCEEDED"
        if self.of:
            self.of.back += self.amount
            if self.of.back == self.of.amount:
                self.of.state = "REFUNDED"


@dataclass
class Invoice:
    id: str
    customer: Customer
    lines: list[Line]
    status: str = "DRAFT"
    tax: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    """By coupon."""
    draws: dict[str, int] = field(default_factory=dict)
    """By wallet."""
    applied: int = 0
    offset: int = 0
    refunded: int = 0
    paid: int = 0
    overdue_at: datetime | None = None
    collect: bool = False
    wallet: Wallet | None = None
    """Whose credit it is for."""
    settled: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    notes: list[list[Refund]] = field(default_factory=list)
    """The refunds of each of its credit notes."""

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def total(self) -> int:
        return self.subtotal - sum(self.taken.values()) + self.tax - sum(self.draws.values())

    @property
    def due(self) -> int:
        return self.total - self.applied - self.offset

    @property
    def remaining(self) -> int:
        return 0 if self.status == "VOIDED" else max(self.due - self.paid, 0)

    @property
    def owed(self) -> bool:
        return self.status in ("FINALIZED", "UNCOLLECTIBLE")

    @property
    def last(self) -> str | None:
        return self.attempts[-1].state if self.attempts else None

    @property
    def actions(self) -> list[str]:
        """The table of the design, row by row."""
        draft, left = self.status == "DRAFT", self.owed and self.remaining > 0
        credited = sum(line.credited for line in self.lines)
        touched = self.paid or credited or self.last == "PROCESSING"
        spent = self.wallet is not None and self.settled
        free = self.customer.method is not None and self.last != "PROCESSING"
        rows = {
            "UPDATE": draft or self.owed,
            "ADD_LINE_ITEM": draft,
            "REFRESH": draft,
            "FINALIZE": draft,
            "VOID": self.owed and not touched and not spent,
            "MARK_UNCOLLECTIBLE": self.status == "FINALIZED" and left,
            "RECORD_PAYMENT": self.owed,
            "RETRY_PAYMENT": left and free,
            "CREDIT": self.owed
            and sum(line.creditable for line in self.lines) > credited
            and not spent,
            "DOWNLOAD": not draft,
            "DELETE": draft,
        }
        return [name for name, allowed in rows.items() if allowed]

    def payment_status(self, now: datetime) -> str:
        if self.paid > self.due:
            return "OVERPAID"
        if self.owed and self.remaining == 0:
            return "PAID"
        if self.paid:
            return "PARTIALLY_PAID"
        if self.last == "FAILED":
            return "FAILED"
        late = self.owed and self.overdue_at is not None and self.overdue_at <= now
        return "UNPAID" if late else "PENDING"

    def add_up(self, rates: dict[str, Fraction], defaults: list[str], now: datetime) -> None:
        """The steps of the design's §3 in order; on a draft nothing is posted."""
        customer = self.customer
        left = [line.amount for line in self.lines]
        self.taken = {}
        for n, line in enumerate(self.lines):
            for coupon in customer.coupons:
                if coupon.line == line.id:
                    self._take(coupon, off := coupon.off(left[n]))
                    left[n] -= off
        for coupon in customer.coupons if self.wallet is None else ():
            if coupon.line is not None or coupon.invoice not in (None, self.id):
                continue
            limit = None if coupon.invoice else coupon.uses
            if limit is not None and customer.uses(coupon, self) >= limit:
                continue
            self._take(coupon, off := coupon.off(sum(left)))
            left = [one - part for one, part in zip(left, parted(off, left), strict=True)]
        carried = [defaults if line.rates is None else line.rates for line in self.lines]
        taxes = [0] * len(left)
        for rate, percent in rates.items():
            base = [one if rate in mine else 0 for one, mine in zip(left, carried, strict=True)]
            parts = parted(rounded(sum(base) * percent / 100), base)
            taxes = [one + part for one, part in zip(taxes, parts, strict=True)]
        for line, rest, tax in zip(self.lines, left, taxes, strict=True):
            line.discount, line.tax = line.amount - rest, tax
        self.tax = sum(taxes)
        self._draw(sum(left) + self.tax, now)

    def _take(self, coupon: Coupon, off: int) -> None:
        if off:
            self.taken[coupon.id] = off

    def _draw(self, rest: int, now: datetime) -> None:
        self.draws = {}
        for wallet in sorted(self.customer.wallets, key=lambda one: one.priority):
            over = wallet.expires_at is not None and wallet.expires_at <= now
            pays = wallet.pays_all and not over and self.wallet is None
            draw = min(wallet.balance, rest) if pays else 0
            if draw:
                self.draws[wallet.id] = draw
                rest -= draw
        self.applied = min(self.customer.balance, rest)

    def finalize(self, now: datetime) -> None:
        for wallet in self.customer.wallets:
            wallet.balance -= self.draws.get(wallet.id, 0)
        self.customer.balance -= self.applied
        self.status = "FINALIZED"
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        self.overdue_at = midnight + TERM + timedelta(days=1)
        self.collect = self.customer.method is not None and self.due != 0
        self.settle(now)

    def void(self) -> None:
        for wallet in self.customer.wallets:
            wallet.balance += self.draws.get(wallet.id, 0)
        self.customer.balance += self.applied
        self.status = "VOIDED"
        self.collect = False

    def settle(self, now: datetime) -> None:
        """Once nothing remains: a wallet gets what it bought, or the balance if it has expired."""
        if self.remaining:
            return
        self.status = "FINALIZED"
        if self.wallet is not None and not self.settled:
            over = self.wallet.expires_at is not None and self.wallet.expires_at <= now
            bought = self.subtotal - sum(line.credited for line in self.lines)
            (self.customer if over else self.wallet).balance += bought
        self.settled = True

    def receive(self, amount: int, now: datetime) -> None:
        self.customer.balance += max(amount - self.remaining, 0)
        self.paid += amount
        self.settle(now)

    def attempt(self, now: datetime) -> Attempt:
        """Tries the customer's method at once; pm_processing stays under way."""
        token = self.customer.method or ""
        self.collect = False
        again = any(one.token == token for one in self.attempts)
        made = Attempt(token, self.remaining, "PROCESSING")
        self.attempts.append(made)
        if token == "pm_declined" or (token == "pm_recovers" and not again):
            made.state = "FAILED"
        elif token != "pm_processing":
            self.succeed(now)
        return made

    def succeed(self, now: datetime) -> None:
        self.attempts[-1].state = "SUCCEEDED"
        self.receive(self.attempts[-1].amount, now)

    def refund(self, total: int) -> list[Refund]:
        """The newest attempt gives first, each what no refund names yet; the rest is by hand."""
        made = []
        for one in reversed(self.attempts):
            part = min(one.amount - one.named, total) if one.state == "SUCCEEDED" else 0
            if part:
                made.append(Refund("", one, part))
                one.named += part
                total -= part
        for refund in made:
            refund.ask()
        return [*made, Refund("", None, total)] if total else made

    def let_time_pass(self, since: datetime) -> None:
        """At least an hour: soon after `since` what was to be collected is, and what was under way
        has ended."""
        if self.collect and "RETRY_PAYMENT" in self.actions:
            self.attempt(since)
        self.collect = False
        if self.last == "PROCESSING":
            self.succeed(since)
        for refund in (one for note in self.notes for one in note):
            if refund.state == "PROCESSING":
                refund.succeed()
