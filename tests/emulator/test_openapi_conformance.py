"""The running function keeps to its own document, whatever is sent; the torture sends more."""

from tests.torture.http import run


def test_requests_made_up_from_the_document_are_answered_as_it_says() -> None:
    assert [str(figure) for figure in run(short=True, first_seed=1) if not figure.holds] == []
