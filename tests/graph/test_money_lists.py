"""Coupons, taxes, wallets and balances below lists: as many statements for 50 as for one."""

from tests.graph.wallets import APPLIED, adjust, coupon, give, tax_rate, wallet
from tests.support import Api, counted

INVOICES = f"""query ($first: Int) {{ invoices(first: $first) {{ nodes {{ id {APPLIED}
  customer {{ balance wallets {{ balance }} }} }} }} }}"""
CUSTOMERS = """query ($first: Int) { customers(first: $first) { nodes { id balance
  balanceTransactions { totalCount nodes { amount invoice { id } } }
  wallets { balance customer { id } transactions(first: 2) { totalCount nodes {
    type amount invoice { id } } } } } } }"""


async def furnish(api: Api, count: int) -> None:
    """As many customers, each with an invoice that has some of everything."""
    await tax_rate(api, "vat", "20", isDefault=True)
    ten, half = await coupon(api, "ten", amountOff="10"), await coupon(api, "half", percentOff="50")
    low = await tax_rate(api, "low", "5")
    for n in range(count):
        customer = await api.customer(f"c{n}")
        await wallet(api, customer, "1", scope="ALL")
        await wallet(api, customer, "2", scope="ALL", priority=1)
        await adjust(api, customer, "5")
        draft = (
            await api.done(
                "invoiceCreate",
                "invoice { id lineItems { id } }",
                customerId=customer["id"],
                lineItems=[
                    {"name": "x", "amount": "40"},
                    {"name": "y", "amount": "20", "taxRateIds": [low]},
                ],
                couponIds=[ten],
            )
        )["invoice"]
        await give(api, half, lineItemId=draft["lineItems"][1]["id"])
        await api.done("invoiceFinalize", "invoice { id }", invoiceId=draft["id"])


async def test_money_takes_as_many_statements_for_50_as_for_one(api: Api) -> None:
    await furnish(api, 50)
    for query, name, most in ((INVOICES, "invoices", 14), (CUSTOMERS, "customers", 14)):
        taken = []
        for first in (1, 2, 50):
            with counted(api.database) as statements:
                nodes = (await api.query(query, {"first": first}))[name]["nodes"]
            assert len(nodes) == first
            taken.append(len(statements))
        assert taken[0] == taken[1] == taken[2] <= most, (name, taken)
        for node in nodes:
            if name == "invoices":
                coupons = [one["coupon"]["code"] for one in node["couponApplications"]]
                assert coupons == ["half", "ten"]
                assert [one["taxRate"]["code"] for one in node["taxes"]] == ["vat", "low"]
                assert [one["invoice"] for one in node["balanceTransactions"]] == [
                    {"id": node["id"]}
                ]
                assert [line["taxRates"] for line in node["lineItems"]] == [
                    [{"code": "vat"}],
                    [{"code": "low"}],
                ]
            else:
                assert node["balance"] == "0.00"
                assert node["balanceTransactions"]["totalCount"] == 2
                assert [one["customer"]["id"] for one in node["wallets"]] == [node["id"]] * 2
                assert [one["transactions"]["totalCount"] for one in node["wallets"]] == [2, 2]
