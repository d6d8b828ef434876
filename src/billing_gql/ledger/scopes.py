"""What a wallet may pay. Pure."""

from enum import StrEnum


class WalletScope(StrEnum):
    """What a wallet pays: USAGE the discounted usage lines, ALL anything with its tax."""

    USAGE = "USAGE"
    ALL = "ALL"
