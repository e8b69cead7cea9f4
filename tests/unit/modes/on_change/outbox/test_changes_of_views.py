"""The changes of a stored view reach the receiver, each under one key."""

from boiler_functions import Boiler, Changed
from boiler_functions.database import Delete
from boiler_functions.exceptions import UnknownOutcome
from boiler_functions.testing import MemoryApp, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked, raises
from tests.unit.modes.on_change.outbox.scene import City, CityView, Receiver, outcomes, records, sent, telling


def test_a_view_is_delivered_when_it_is_created_changed_and_deleted(testing: MemoryApp, receiver: Receiver) -> None:
    for name in ("Tokyo", "Edo"):
        put(testing, "cities/TOK", name=name)
        testing.deliver()
    testing.database.commit([Delete("cities/TOK")])
    testing.deliver()
    assert receiver.titles == [(None, "TOKYO"), ("TOKYO", "EDO"), ("EDO", None)]
    assert len(set(receiver.keys)) == 3


def test_the_change_of_a_view_names_its_root_and_its_copies(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    (change,) = receiver.told
    assert (change.name, change.path, change.doc_id) == ("CityView", "cities/TOK", "TOK")
    assert change.copies == ("cityViews/TOK",)
    assert change.after
    assert change.after.to_view_dict() == {"title": "TOKYO"}
    assert change.attempt == 1


def test_a_build_that_leaves_the_content_as_it_is_delivers_no_change(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    put(testing, "cities/TOK", name="Tokyo", population=1)
    testing.deliver()
    assert len(receiver.told) == 1


def test_the_record_is_written_in_the_commit_of_the_view_and_costs_no_more_calls() -> None:
    calls, written = [], []
    for app in (telling(Receiver()), telling(Receiver(), City)):
        with memory_app(app) as testing:
            put(testing, "cities/TOK", name="Tokyo")
            testing.deliver()
            put(testing, "cities/TOK", name="Edo")
            hooked = Hooked(testing.database)
            (event,) = [each for each in testing.take() if each.function.views]
            testing.handle(event, hooked)
            calls.append(hooked.calls)
            written.append([write.path.split("/")[0] for write in hooked.written[-1]])
    assert calls[0] == calls[1]
    assert written[1] == ["boilerLedgers", "cityViews"]
    assert written[0] == ["boilerLedgers", "cityViews", "boilerOutbox"]


def test_repeated_events_of_a_source_tell_of_one_change(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver(duplicates=3, shuffle=5)
    assert receiver.titles == [(None, "TOKYO")]


def test_a_change_is_not_delivered_again_when_its_event_is_repeated(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    event = sent(testing)
    assert outcomes([testing.handle(event), testing.handle(event)]) == ["delivered", "duplicate"]
    assert len(receiver.told) == 1


def test_a_view_commit_whose_answer_is_lost_leaves_one_record(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    put(testing, "cities/TOK", name="Edo")
    (event,) = testing.take()
    testing.handle(event, Hooked(testing.database).after("commit", 1, raises(UnknownOutcome("lost"))))
    testing.deliver()
    assert receiver.titles == [(None, "TOKYO"), ("TOKYO", "EDO")]


def test_stamping_a_record_is_no_event_of_its_sink(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.handle(sent(testing))
    assert testing.take() == []
    (record,) = records(testing)
    assert (record["status"], record["attempts"]) == ("delivered", 1)


def test_each_receiver_has_a_record_of_its_own() -> None:
    app, deaf, other = Boiler("demo"), Receiver(*[raises(OSError("busy"))] * 2), Receiver()
    app.query(CityView)

    @app.on_change(CityView)
    def mail(change: Changed[CityView]) -> None:
        deaf(change)

    @app.on_change(CityView)
    def publish(change: Changed[CityView]) -> None:
        other(change)

    with memory_app(app) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
    assert [change.attempt for change in deaf.told] == [3]
    assert [change.attempt for change in other.told] == [1]
    assert not {*deaf.keys} & {*other.keys}


def test_an_expired_record_is_nothing_to_tell(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    event = sent(testing)
    testing.database.commit([Delete(event.change.path)])
    assert outcomes([testing.handle(event)]) == ["unaffected"]
    assert testing.take() == []
