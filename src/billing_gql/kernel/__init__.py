"""What every slice may use and what uses none of them: money, periods, ids, problems, clocks."""
