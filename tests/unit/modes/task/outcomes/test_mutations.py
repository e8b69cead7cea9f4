"""The same of mutations."""

from boiler_functions.database import Put
from boiler_functions.testing import memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.task.outcomes.scene import changed, count, outcome


def test_a_field_beside_a_mutation_does_not_repeat_its_effect_and_leaves_its_outcome() -> None:
    path = "stockViews/main/_PATCH_StockView/m"
    with memory_app(changed) as testing:
        put(testing, "stock/main", count=1)
        testing.deliver()
        put(testing, path, add=2)
        testing.deliver()
        testing.database.commit([Put(path, {"state": "SEEN"}, mask=("state",))])
        testing.deliver(duplicates=1)
        assert (count(testing), outcome(testing, path)["status"]) == (3, "done")
