"""Programs that a test needs and that not every machine has."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """Its path. Without it the test is skipped; in CI, which installs it, the test fails."""
    path = shutil.which(name)
    if path is None:
        reason = f"needs {name}, which is not installed here"
        if os.environ.get("BILLING_GQL_TEST_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
