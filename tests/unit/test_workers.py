"""How the tests are spread over the workers of pytest-xdist."""

import pytest


@pytest.mark.xdist_group("together")
def test_tests_of_one_group_run_on_one_worker(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("loadgroup", default=False):
        # By this end of its name xdist knows the group of a test.
        assert request.node.nodeid.endswith("@together")
