"""The Chromium that tests look at pages with."""

import pytest
from playwright.sync_api import expect

from emulator.chromium import Chromium, installed

# Five seconds, the default, are few for an app that starts again beside other tests.
expect.set_options(timeout=60_000)


def chromium() -> Chromium:
    """The Chromium of this machine; skips the test where there is none."""
    if (found := installed()) is None:
        pytest.skip("No Chrome or Chromium was found, so that no page is looked at; install one, or set CHROMIUM")
    return found
