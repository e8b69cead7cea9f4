"""The ways of an event and of a request stay short enough to read."""

from tests.ways import of_a_patch, of_an_event


def test_the_way_of_one_event_leads_through_at_most_15_files() -> None:
    assert len(files := of_an_event()) <= 15, files


def test_the_way_of_one_patch_leads_through_at_most_20_files() -> None:
    assert len(files := of_a_patch()) <= 20, files
