"""Programs that a test needs and that not every machine has."""

import os
import shutil
from typing import NoReturn

import pytest


def program(name: str) -> str:
    """Its path; without it the test is skipped."""
    path = shutil.which(name)
    return path if path is not None else unavailable(f"needs {name}, which is not installed here")


def unavailable(reason: str) -> NoReturn:
    """Skips the test; in CI, which installs everything, it fails."""
    if os.environ.get("BILLING_GQL_TEST_NO_SKIP"):
        pytest.fail(reason)
    pytest.skip(reason)
