"""Damage of every kind: SQL that plants it, and what the report must find, on which rows."""

from dataclasses import dataclass

GUARDED = (
    "invoices",
    "line_items",
    "invoice_taxes",
    "coupon_applications",
    "ledger_entries",
    "usage_events",
    "payments",
    "refunds",
    "credit_notes",
    "credit_note_line_items",
)
"""Tables whose triggers would refuse the damage."""
UNCHECKED = (
    "ALTER TABLE invoices DROP CONSTRAINT ck_invoices_total",
    "ALTER TABLE invoices DROP CONSTRAINT ck_invoices_signs",
    "ALTER TABLE line_items DROP CONSTRAINT ck_line_items_signs",
    "ALTER TABLE ledger_accounts DROP CONSTRAINT ck_accounts_balance",
)


@dataclass(frozen=True)
class Damage:
    """`found` has each code with a statement of the ids that it must be found on."""

    name: str
    statements: tuple[str, ...]
    found: tuple[tuple[str, str], ...]


def damage(code: str, statement: str, subject: str, *, name: str = "") -> Damage:
    """Damage of one statement, found by one check."""
    return Damage(name or code, (statement,), ((code, subject),))


def of_invoice(code: str, change: str) -> Damage:
    """Damage of the one-off invoice's own row."""
    return damage(code, f"UPDATE invoices SET {change} WHERE id = :one_off", ONE_OFF)


ONE_OFF = "SELECT CAST(:one_off AS text)"
FIRST_LINE = "SELECT id FROM line_items WHERE invoice_id = :one_off AND position = 0"
USAGE_LINE = """SELECT id FROM line_items WHERE subscription_id = :main AND type = 'USAGE'
  AND usage_after IS NULL ORDER BY period_start LIMIT 1"""
LATE_LINE = """SELECT id FROM line_items WHERE subscription_id = :main AND usage_after IS NOT NULL
  ORDER BY id LIMIT 1"""
SECOND_CLOSED = """SELECT id FROM invoices WHERE subscription_id = :main AND plan_id IS NOT NULL
  ORDER BY period_start OFFSET 1 LIMIT 1"""
VALUE = "SELECT id FROM prices WHERE name = 'Value' AND organization_id = :organization"
SEATS = "SELECT id FROM prices WHERE name = 'Seats' AND organization_id = :organization"
LAST_PAID_IN = """SELECT e.id FROM ledger_entries AS e JOIN ledger_accounts AS a
  ON a.id = e.account_id AND a.entry_count = e.sequence
  WHERE a.customer_id = :acme AND a.kind = 'PAYMENTS'"""
LAST_DRAW = "SELECT id FROM ledger_entries WHERE wallet_id = :wallet ORDER BY sequence DESC LIMIT 1"
APPLIED = """SELECT id FROM ledger_entries WHERE customer_id = :acme AND kind = 'BALANCE'
  AND reason = 'APPLIED_TO_INVOICE'"""
WALLET = "SELECT CAST(:wallet AS text)"
UNBILLED = """customer_id = :globex AND feature_id = :calls
  AND date_trunc('day', starts_at, 'UTC') = '2026-01-12T00:00:00Z'"""


def on_ledger(code: str, change: str, entry: str, invoice: str) -> Damage:
    """Damage of an entry, found on an invoice."""
    return damage(code, f"UPDATE ledger_entries SET {change} WHERE id = ({entry})", invoice)


INVOICES = [
    of_invoice("INVOICE_SUBTOTAL", "subtotal = subtotal + 1, total = total + 1"),
    Damage(
        "INVOICE_DISCOUNT",
        (
            "UPDATE invoices SET total_discount = total_discount + 0.01, total = total - 0.01"
            " WHERE id = :one_off",
            "UPDATE coupon_applications SET amount = amount + 0.01 WHERE invoice_id = :one_off",
        ),
        (("INVOICE_DISCOUNT", ONE_OFF), ("COUPON_AMOUNT", ONE_OFF)),
    ),
    Damage(
        "INVOICE_TAX",
        (
            "UPDATE invoices SET total_tax = total_tax + 0.01, total = total + 0.01"
            " WHERE id = :one_off",
        ),
        (("INVOICE_TAX", ONE_OFF), ("TAXES", ONE_OFF)),
    ),
    of_invoice("INVOICE_TOTAL", "total = total + 1"),
    Damage(
        "INVOICE_DUE",
        ("UPDATE invoices SET total_credited = total + 1 WHERE id = :one_off",),
        (("INVOICE_DUE", ONE_OFF), ("INVOICE_OFFSET", ONE_OFF), ("OVERPAYMENT", ONE_OFF)),
    ),
    of_invoice("AMOUNT_DECIMALS", "amount_paid = 0.000"),
    damage(
        "CURRENCY", f"UPDATE line_items SET currency = 'EUR' WHERE id = ({FIRST_LINE})", FIRST_LINE
    ),
    Damage(
        "COUPONS",
        ("UPDATE coupon_applications SET amount = amount + 0.01 WHERE invoice_id = :one_off",),
        (("COUPONS", ONE_OFF), ("COUPON_AMOUNT", ONE_OFF)),
    ),
    Damage(
        "LINE_COUPONS",
        (
            f"UPDATE coupon_applications SET line_item_id = ({FIRST_LINE})"
            " WHERE invoice_id = :one_off",
        ),
        (
            ("LINE_COUPONS", FIRST_LINE),
            ("COUPON_AMOUNT", ONE_OFF),
            (
                "LINE_DISCOUNT",
                "SELECT id FROM line_items WHERE invoice_id = :one_off AND position > 0",
            ),
        ),
    ),
    damage(
        "TAX_BASE",
        "UPDATE invoice_taxes SET taxable_amount = taxable_amount + 0.01"
        " WHERE invoice_id = :one_off AND tax_rate_id = :vat",
        ONE_OFF,
    ),
    damage(
        "TAX_AMOUNT",
        "UPDATE invoice_taxes SET percentage = 9"
        " WHERE invoice_id = :one_off AND tax_rate_id = :vat",
        ONE_OFF,
    ),
    damage(
        "LINE_TAX",
        "UPDATE line_items SET tax_amount = tax_amount + CASE position WHEN 0 THEN 0.01 ELSE -0.01"
        " END WHERE invoice_id = :one_off AND position IN (0, 2)",
        "SELECT id FROM line_items WHERE invoice_id = :one_off AND position IN (0, 2)",
    ),
]
TEN = "SELECT id FROM coupons WHERE code = 'TEN' AND organization_id = :organization"
DISCOUNTS = [
    Damage(
        "LINE_UNDISCOUNTED",
        (
            "UPDATE line_items SET discount_amount = CASE position WHEN 0 THEN 1.00 ELSE -1.00 END"
            " WHERE invoice_id = :paid",
        ),
        tuple(
            (code, "SELECT id FROM line_items WHERE invoice_id = :paid")
            for code in ("LINE_UNDISCOUNTED", "LINE_TAX")
        ),
    ),
    damage(
        "LINE_DISCOUNT",
        "UPDATE line_items SET discount_amount = discount_amount + CASE position WHEN 0 THEN 0.01"
        " ELSE -0.01 END WHERE invoice_id = :one_off AND position IN (0, 2)",
        "SELECT id FROM line_items WHERE invoice_id = :one_off AND position IN (0, 2)",
    ),
    damage("COUPON_USES", f"UPDATE coupons SET duration = 'ONCE' WHERE id = ({TEN})", TEN),
    damage(
        "COUPON_USES",
        f"UPDATE coupon_grants SET customer_id = :globex WHERE coupon_id = ({TEN})",
        TEN,
        name="COUPON_USES, of another customer",
    ),
]
FEE_CREDIT = """SELECT min(c.id) FROM credits AS c
  JOIN line_items AS source ON source.id = c.source_line_item_id AND source.amount > 0
  JOIN line_items AS l ON l.credit_id = c.id WHERE c.organization_id = :organization"""
CARRIED = """SELECT min(id) FROM line_items
  WHERE organization_id = :organization AND carried > 0 AND credit_id IS NULL"""
CARRIED_CREDIT = f"SELECT id FROM credits WHERE source_line_item_id = ({CARRIED})"
OWED_BACK = [
    damage(
        "CREDIT_AMOUNT",
        f"UPDATE credits SET amount = amount + 1000 WHERE id = ({FEE_CREDIT})",
        f"SELECT source_line_item_id FROM credits WHERE id = ({FEE_CREDIT})",
        name="CREDIT_AMOUNT, more than the fee",
    ),
    damage(
        "CREDIT_AMOUNT",
        "UPDATE credits SET source_line_item_id = 'lin_gone'"
        f" WHERE source_line_item_id = ({CARRIED})",
        CARRIED,
        name="CREDIT_AMOUNT, a lost credit",
    ),
    damage(
        "CREDIT_GIVEN",
        f"UPDATE credits SET amount = 0.01 WHERE id = ({FEE_CREDIT})",
        f"SELECT max(id) FROM line_items WHERE credit_id = ({FEE_CREDIT})",
    ),
    damage(
        "CREDIT_GIVEN",
        f"UPDATE line_items SET credit_id = ({CARRIED_CREDIT})"
        " WHERE invoice_id = :paid AND position = 0",
        f"SELECT max(id) FROM line_items WHERE credit_id = ({CARRIED_CREDIT})",
        name="CREDIT_GIVEN, more taken back than given",
    ),
]
LINES = [
    damage(
        "LINE_RATED_USAGE",
        f"UPDATE line_items SET billed_before = billed_before + 1 WHERE id = ({LATE_LINE})",
        LATE_LINE,
        name="LINE_RATED_USAGE, late usage",
    ),
    damage(
        "LINE_RATED_USAGE",
        """UPDATE prices SET model = jsonb_set(model, '{rate}', '"12.6"')"""
        f" WHERE id = ({VALUE})",
        f"SELECT id FROM line_items WHERE price_id = ({VALUE}) AND amount <> 0",
        name="LINE_RATED_USAGE, a price by the event",
    ),
    damage(
        "LINE_STEPS",
        f"UPDATE line_items SET pricing_steps = '[]' WHERE id = ({FIRST_LINE})",
        FIRST_LINE,
    ),
    damage(
        "LINE_AMOUNT",
        f"UPDATE line_items SET unit_amount = unit_amount + 1 WHERE id = ({FIRST_LINE})",
        FIRST_LINE,
    ),
    damage(
        "LINE_RATING",
        """UPDATE prices SET model = jsonb_set(model, '{amount}', '"8.88"')"""
        f" WHERE id = ({SEATS})",
        f"SELECT id FROM line_items WHERE price_id = ({SEATS})",
    ),
    damage(
        "LINE_EVENTS",
        f"UPDATE line_items SET event_count = event_count + 1 WHERE id = ({USAGE_LINE})",
        USAGE_LINE,
    ),
    damage(
        "LINE_QUANTITY",
        f"UPDATE line_items SET quantity = quantity + 0.001 WHERE id = ({USAGE_LINE})",
        USAGE_LINE,
    ),
    damage(
        "USAGE_TWICE",
        f"UPDATE line_items SET usage_after = usage_after - 1 WHERE id = ({LATE_LINE})",
        LATE_LINE,
    ),
]
LEDGER = [
    Damage(
        "MOVEMENT",
        (
            "UPDATE ledger_entries SET amount = amount + 1, ending_balance = ending_balance + 1"
            f" WHERE id = ({LAST_PAID_IN})",
            "UPDATE ledger_accounts SET balance = balance + 1"
            " WHERE customer_id = :acme AND kind = 'PAYMENTS'",
        ),
        (("MOVEMENT", f"SELECT movement_id FROM ledger_entries WHERE id = ({LAST_PAID_IN})"),),
    ),
    Damage(
        "ENTRY_CHAIN",
        (
            f"UPDATE ledger_entries SET sequence = sequence + 1 WHERE id = ({LAST_DRAW})",
            "UPDATE ledger_accounts SET entry_count = entry_count + 1 WHERE wallet_id = :wallet",
        ),
        (("ENTRY_CHAIN", LAST_DRAW),),
    ),
    damage(
        "ACCOUNT_BALANCE",
        "UPDATE ledger_accounts SET balance = balance + 1 WHERE wallet_id = :wallet",
        WALLET,
    ),
    Damage(
        "WALLET_NEGATIVE",
        (
            """INSERT INTO ledger_accounts
                 (id, organization_id, customer_id, kind, currency, balance, entry_count)
               VALUES ('acc_expired', :organization, :acme, 'EXPIRED', 'USD', 1.00, 1)""",
            """INSERT INTO ledger_entries (id, organization_id, customer_id, movement_id,
                 account_id, sequence, kind, wallet_id, reason, currency, amount,
                 starting_balance, ending_balance, created_at)
               SELECT 'ent_' || kind, organization_id, customer_id, 'mov_1', id,
                 entry_count + CASE kind WHEN 'WALLET' THEN 1 ELSE 0 END, kind, wallet_id,
                 'EXPIRY', currency, CASE kind WHEN 'WALLET' THEN -1.00 ELSE 1.00 END, 0.00,
                 CASE kind WHEN 'WALLET' THEN -1.00 ELSE 1.00 END, now()
               FROM ledger_accounts WHERE wallet_id = :wallet OR id = 'acc_expired'""",
            "UPDATE ledger_accounts SET balance = -1.00, entry_count = entry_count + 1"
            " WHERE wallet_id = :wallet",
        ),
        (("WALLET_NEGATIVE", WALLET),),
    ),
    on_ledger(
        "INVOICE_PREPAID",
        "invoice_id = NULL",
        LAST_DRAW,
        f"SELECT invoice_id FROM ledger_entries WHERE wallet_id IS NULL AND movement_id ="
        f" (SELECT movement_id FROM ledger_entries WHERE id = ({LAST_DRAW}))",
    ),
    on_ledger(
        "INVOICE_BALANCE",
        "invoice_id = NULL",
        APPLIED,
        f"SELECT invoice_id FROM ledger_entries WHERE kind = 'INVOICES' AND movement_id ="
        f" (SELECT movement_id FROM ledger_entries WHERE id = ({APPLIED}))",
    ),
    on_ledger(
        "PREPAID_RETURNED",
        "invoice_id = NULL",
        "SELECT id FROM ledger_entries WHERE invoice_id = :voided AND reason = 'RETURN'"
        " AND kind = 'WALLET'",
        "SELECT CAST(:voided AS text)",
    ),
    on_ledger(
        "BALANCE_RETURNED",
        "invoice_id = :one_off, reason = 'RETURNED_BY_VOID'",
        "SELECT id FROM ledger_entries WHERE customer_id = :acme AND kind = 'BALANCE'"
        " AND reason = 'MANUAL_ADJUSTMENT'",
        ONE_OFF,
    ),
]
BOUGHT = [
    damage(
        "BOUGHT_CREDIT",
        "UPDATE ledger_entries SET invoice_id = NULL WHERE invoice_id = :bought"
        " AND reason = 'TOP_UP'",
        "SELECT CAST(:bought AS text)",
        name="BOUGHT_CREDIT, paid for and not given",
    ),
    damage(
        "BOUGHT_CREDIT",
        "UPDATE ledger_entries SET invoice_id = :unpaid WHERE invoice_id IS NULL"
        " AND id = (SELECT min(id) FROM ledger_entries WHERE customer_id = :globex"
        " AND kind = 'WALLET' AND reason = 'TOP_UP')",
        "SELECT CAST(:unpaid AS text)",
        name="BOUGHT_CREDIT, given and not paid for",
    ),
    damage(
        "BOUGHT_CREDIT",
        "UPDATE invoices SET wallet_id = :wallet WHERE id = :bought",
        "SELECT CAST(:bought AS text)",
        name="BOUGHT_CREDIT, in another wallet",
    ),
]
SERIES = [
    damage(
        "NUMBER_GAP",
        "UPDATE number_series SET last_number = last_number + 1"
        " WHERE series = 'invoices of ' || :acme",
        "SELECT CAST(:acme AS text)",
    ),
    damage(
        "NUMBER_GAP",
        "UPDATE invoices SET number = 'XYZ-001-008' WHERE id = :one_off",
        "SELECT CAST(:acme AS text)",
        name="NUMBER_GAP, a number twice",
    ),
    Damage(
        "NUMBER_SERIES",
        ("UPDATE invoices SET number = 'other' WHERE id = :one_off",),
        (("NUMBER_SERIES", ONE_OFF), ("NUMBER_GAP", "SELECT CAST(:acme AS text)")),
    ),
    damage(
        "PERIOD_TWICE",
        "UPDATE invoices SET period_start = period_start - interval '1 day'"
        f" WHERE id = ({SECOND_CLOSED})",
        SECOND_CLOSED,
    ),
    damage(
        "PERIOD_GAP",
        "UPDATE invoices SET period_start = period_start + interval '1 day'"
        f" WHERE id = ({SECOND_CLOSED})",
        "SELECT CAST(:main AS text)",
    ),
]
ROLLUPS = [
    damage(
        "ROLLUP_DAY",
        f"UPDATE daily_usage SET event_count = event_count + 1 WHERE {UNBILLED}",
        "SELECT CAST(:calls AS text)",
    ),
    Damage(
        "ROLLUP_HOUR",
        tuple(
            f"UPDATE {table} SET event_count = event_count + 1 WHERE {UNBILLED}"
            for table in ("daily_usage", "hourly_usage")
        ),
        (("ROLLUP_HOUR", "SELECT CAST(:calls AS text)"),),
    ),
    Damage(
        "ROLLUP_HOUR, a lost roll-up",
        tuple(f"DELETE FROM {table} WHERE {UNBILLED}" for table in ("daily_usage", "hourly_usage")),
        (("ROLLUP_HOUR", "SELECT CAST(:calls AS text)"),),
    ),
]
NEEDED = {
    "max": "peak = peak + 1",
    "latest": "latest = latest + 1",
    "weighted_sum": "moment = moment + 1",
}
"""By the key of a feature: damage to what its aggregation reads."""


def _of_feature(key: str) -> str:
    return f"""{UNBILLED.replace(":calls", f"({_feature(key)})")}"""


def _feature(key: str) -> str:
    return f"SELECT id FROM features WHERE key = '{key}' AND organization_id = :organization"


for _key, _change in {**NEEDED, "unique_count": ""}.items():
    _tables = ("daily_usage", "hourly_usage")
    _statements = [
        f"UPDATE {one} SET {_change} WHERE {_of_feature(_key)}"
        if _change
        else f"DELETE FROM {one} WHERE {_of_feature(_key)}"
        for one in _tables
    ]
    ROLLUPS += [
        damage("ROLLUP_DAY", _statements[0], _feature(_key), name=f"ROLLUP_DAY, {_key}"),
        Damage(f"ROLLUP_HOUR, {_key}", tuple(_statements), (("ROLLUP_HOUR", _feature(_key)),)),
    ]
PAID = "SELECT CAST(:paid AS text)"
NOTE = "SELECT min(id) FROM credit_notes WHERE invoice_id = :paid"
PAYMENT = "id = (SELECT min(id) FROM payments WHERE invoice_id = :paid)"
BY_HAND = "SELECT id FROM refunds WHERE invoice_id = :paid"
GIVEN_BACK = "SELECT id FROM payments WHERE invoice_id = :refunded"
SETTLED = [
    damage("INVOICE_PAID", f"UPDATE payments SET amount = amount + 1 WHERE {PAYMENT}", PAID),
    Damage(
        "OVERPAYMENT",
        (
            f"UPDATE payments SET amount = amount + 1 WHERE {PAYMENT}",
            "UPDATE invoices SET amount_paid = amount_paid + 1 WHERE id = :paid",
        ),
        (("OVERPAYMENT", PAID),),
    ),
    damage("INVOICE_CREDITED", "UPDATE invoices SET credited = 0.01 WHERE id = :one_off", ONE_OFF),
    damage("INVOICE_REFUNDED", "UPDATE invoices SET refunded = 0.01 WHERE id = :paid", PAID),
    Damage(
        "INVOICE_OFFSET",
        ("UPDATE invoices SET total_credited = 0.01 WHERE id = :one_off",),
        (("INVOICE_OFFSET", ONE_OFF),),
    ),
    damage(
        "CREDITED_TO_BALANCE",
        "UPDATE ledger_entries SET reason = 'MANUAL_ADJUSTMENT'"
        " WHERE invoice_id = :paid AND reason = 'CREDIT_NOTE'",
        PAID,
    ),
    damage(
        "CREDIT_NOTE",
        f"UPDATE credit_note_line_items SET amount = amount + 0.01 WHERE credit_note_id = ({NOTE})",
        NOTE,
    ),
    damage(
        "CREDIT_NOTE_REFUNDS",
        f"UPDATE refunds SET amount = amount + 0.01 WHERE id = ({BY_HAND})",
        "SELECT credit_note_id FROM refunds WHERE payment_id IS NULL"
        " AND organization_id = :organization",
    ),
    damage(
        "CREDIT_NOTE_REFUNDS",
        "UPDATE refunds SET credit_note_id = (SELECT id FROM credit_notes WHERE invoice_id = :paid"
        f" AND settlement = 'BALANCE') WHERE id = ({BY_HAND})",
        "SELECT id FROM credit_notes WHERE invoice_id = :paid AND settlement <> 'OFFSET'",
        name="CREDIT_NOTE_REFUNDS, of another note",
    ),
    Damage(
        "PAYMENT_REFUNDS",
        (
            f"UPDATE refunds SET payment_id = ({GIVEN_BACK}), attempt = 1, provider = 'SANDBOX'"
            f" WHERE id = ({BY_HAND})",
        ),
        (("PAYMENT_REFUNDS", GIVEN_BACK),),
    ),
    damage(
        "PAYMENT_REFUNDED",
        f"UPDATE payments SET state = 'SUCCEEDED' WHERE id = ({GIVEN_BACK})",
        GIVEN_BACK,
    ),
    damage(
        "PAYMENT_REFUNDED",
        f"UPDATE payments SET state = 'REFUNDED' WHERE {PAYMENT}",
        f"SELECT id FROM payments WHERE {PAYMENT}",
        name="PAYMENT_REFUNDED, too early",
    ),
    damage(
        "CREDIT_NOTE_GAP",
        f"UPDATE credit_notes SET number = 'ACM-CN-009' WHERE id = ({NOTE})",
        "SELECT CAST(:organization AS text)",
    ),
]
DAMAGES = [*INVOICES, *DISCOUNTS, *LINES, *OWED_BACK, *LEDGER, *BOUGHT, *SETTLED, *SERIES, *ROLLUPS]
