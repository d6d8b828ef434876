"""Ids: a kind's prefix and a UUIDv7 in 26 letters that sort as it does (RFC 9562, RFC 4648 §7)."""

from base64 import b32hexdecode, b32hexencode
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from uuid_utils import uuid7


class Kind(StrEnum):
    """What an id names; its value is the id's prefix."""

    ORGANIZATION = "org"
    API_KEY = "key"
    CUSTOMER = "cus"
    FEATURE = "fea"
    PLAN = "pln"
    PRICE = "pri"
    SUBSCRIPTION = "sub"
    INVOICE = "inv"
    LINE_ITEM = "lin"
    CREDIT = "cre"
    CREDIT_NOTE = "crn"
    COUPON = "cpn"
    COUPON_GRANT = "cgr"
    TAX_RATE = "txr"
    WALLET = "wal"
    ACCOUNT = "acc"
    MOVEMENT = "mov"
    LEDGER_ENTRY = "ent"
    BALANCE_TRANSACTION = "btx"
    WALLET_TRANSACTION = "wtx"
    PAYMENT = "pay"
    REFUND = "rfd"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = {kind.value: kind for kind in Kind}


def new_id(kind: Kind) -> str:
    """A new id of the kind, later than every one that this process made before."""
    return f"{kind.value}_{b32hexencode(uuid7().bytes).decode().rstrip('=').lower()}"


def kind_of(entity_id: str) -> Kind | None:
    """The kind that an id claims to be of; None where it claims none."""
    return _KINDS.get(entity_id.partition("_")[0])


def made_at(entity_id: str) -> datetime:
    """When an id of ours was made, by the machine's clock whatever the organization's.

    A UUIDv7 begins with its milliseconds since 1970. Raises ValueError for what is none.
    """
    letters = entity_id.partition("_")[2].upper()
    raw = b32hexdecode(letters + "=" * (-len(letters) % 8))
    if len(raw) != 16 or raw[6] >> 4 != 7:
        raise ValueError(f"{entity_id!r} is no id of ours")
    return _EPOCH + timedelta(milliseconds=int.from_bytes(raw[:6]))
