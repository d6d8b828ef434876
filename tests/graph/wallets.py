"""Coupons, taxes, wallets and balances in few words."""

from tests.support import Api, Json

SUMS = """id status paymentStatus subtotal totalDiscount totalTax totalPrepaidCreditsApplied total
  customerBalanceApplied amountDue amountRemaining"""
APPLIED = """taxes { taxRate { code } name percentage currency taxableAmount amount }
  couponApplications { coupon { code } lineItem { name } currency amount }
  balanceTransactions { reason amount startingBalance endingBalance invoice { id } description }
  lineItems { id name amount discountAmount taxAmount total taxRates { code } }"""
MONEY = f"{SUMS} {APPLIED}"


async def coupon(api: Api, code: str, /, **values: object) -> str:
    """A new coupon's id; once unless said otherwise, `amountOff` in USD."""
    values = {"code": code, "name": code.title(), "duration": "ONCE", **values}
    if "amountOff" in values:
        values.setdefault("currency", "USD")
    found: str = (await api.done("couponCreate", "coupon { id }", **values))["coupon"]["id"]
    return found


async def tax_rate(api: Api, code: str, percentage: str, /, **values: object) -> str:
    """A new tax rate's id."""
    values = {"code": code, "name": code.upper(), "percentage": percentage, **values}
    found: str = (await api.done("taxRateCreate", "taxRate { id }", **values))["taxRate"]["id"]
    return found


async def wallet(api: Api, customer: Json, amount: str | None = None, /, **values: object) -> str:
    """A new wallet's id, topped up with the amount."""
    values = {"customerId": customer["id"], "name": "Credits", **values}
    found: str = (await api.done("walletCreate", "wallet { id }", **values))["wallet"]["id"]
    if amount is not None:
        await top_up(api, found, amount)
    return found


async def top_up(api: Api, wallet_id: str, amount: str) -> None:
    await api.done("walletTopUp", "wallet { id }", walletId=wallet_id, amount=amount)


async def adjust(api: Api, customer: Json, amount: str) -> None:
    await api.done(
        "customerBalanceAdjust", "customer { id }", customerId=customer["id"], amount=amount
    )


async def give(api: Api, coupon_id: str, **values: object) -> Json:
    """Applies a coupon; the draft's sums, if it went to one."""
    payload = await api.done("couponApply", f"invoice {{ {MONEY} }}", couponId=coupon_id, **values)
    found: Json = payload["invoice"]
    return found


async def money_of(api: Api, invoice: Json) -> Json:
    """An invoice's sums and what makes them."""
    query = f"query ($id: ID!) {{ invoice(id: $id) {{ {MONEY} }} }}"
    found: Json = (await api.query(query, {"id": invoice["id"]}))["invoice"]
    return found


async def done_with(api: Api, verb: str, invoice: Json) -> Json:
    """Finalizes, voids or refreshes an invoice; its sums."""
    found: Json = (await api.done(verb, f"invoice {{ {MONEY} }}", invoiceId=invoice["id"]))[
        "invoice"
    ]
    return found


async def balances(api: Api, customer: Json) -> tuple[str, list[str]]:
    """The customer's balance and those of the wallets, in their order."""
    query = "query ($id: ID!) { customer(id: $id) { balance wallets { balance } } }"
    found = (await api.query(query, {"id": customer["id"]}))["customer"]
    return found["balance"], [one["balance"] for one in found["wallets"]]


def sums(invoice: Json) -> str:
    """subtotal, discount, tax, prepaid, total, balance, due."""
    names = SUMS.split()[3:]
    return " ".join(invoice[name] for name in names[:-1])
