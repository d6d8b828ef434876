"""One of each kind of node."""

from tests.graph.wallets import coupon, tax_rate, wallet
from tests.support import Api, Json


async def every_kind(api: Api) -> dict[str, str]:
    """The ids of new ones, by type."""
    customer, feature = await api.customer("every"), await api.feature("every")
    plan = await api.plan("every", [{"name": "x", "model": {"flat": {"amount": "1"}}}])
    subscription = await api.subscription(customer, plan)
    invoice = await api.one_off(customer, "5", finalize=True)
    (line,) = invoice["lineItems"]
    found = await api.query(
        """query ($id: ID!) { organization { id } plan(id: $id) { prices { id } } }""",
        {"id": plan["id"]},
    )
    credit = await wallet(api, customer)

    async def made(mutation: str, shown: str, **values: object) -> str:
        payload = await api.done(mutation, f"{shown} {{ id }}", **values)
        node_id: str = payload[shown]["id"]
        return node_id

    async def credited(settlement: str) -> Json:
        payload = await api.done(
            "creditNoteCreate",
            "creditNote { id refunds { id } }",
            invoiceId=invoice["id"],
            reason="OTHER",
            settlement=settlement,
            lineItems=[{"lineItemId": line["id"], "amount": "1"}],
        )
        note: Json = payload["creditNote"]
        return note

    return {
        "Organization": found["organization"]["id"],
        "Customer": customer["id"],
        "Feature": feature["id"],
        "Plan": plan["id"],
        "Price": found["plan"]["prices"][0]["id"],
        "Subscription": subscription["id"],
        "Invoice": invoice["id"],
        "LineItem": line["id"],
        "Coupon": await coupon(api, "every", percentOff="10"),
        "TaxRate": await tax_rate(api, "every", "20"),
        "Wallet": credit,
        "WalletTransaction": await made("walletTopUp", "transaction", walletId=credit, amount="1"),
        "BalanceTransaction": await made(
            "customerBalanceAdjust", "balanceTransaction", customerId=customer["id"], amount="1"
        ),
        "CreditNote": (await credited("OFFSET"))["id"],
        "Payment": await made("paymentRecord", "payment", invoiceId=invoice["id"], amount="2"),
        "Refund": (await credited("REFUND"))["refunds"][0]["id"],
    }
