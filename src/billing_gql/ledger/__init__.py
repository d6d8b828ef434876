"""The ledger: customers' balances and prepaid wallets as double entry."""
