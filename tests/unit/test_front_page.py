"""The front page is an index that cannot lie."""

import types

import boiler_functions


def test_the_front_page_lists_what_is_there_and_is_sorted() -> None:
    public = {name for name, each in vars(boiler_functions).items() if not name.startswith("_")}
    modules = {name for name in public if isinstance(getattr(boiler_functions, name), types.ModuleType)}
    assert set(boiler_functions.__all__) == (public - modules) | {"access", "attrs"}
    assert boiler_functions.__all__ == sorted(boiler_functions.__all__)
