from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.faults.dice import Dice
from otelscore.faults.kinds import KINDS, Effect
from otelscore.faults.mutations import UNCHANGED, Case, change

CHANGING = [name for name, kind in KINDS.items() if kind.effect is Effect.CHANGES]
ORDERS = {
    "orders": [
        {"order_id": "A1", "total": 12.5, "due": "2026-03-01"},
        {"order_id": "B2", "total": 80, "due": "2026-04-01"},
    ],
    "more": False,
}


def changed(kind, result, earlier=UNCHANGED, call=1, **parameters):
    defaults = {name: one.default for name, one in KINDS[kind].parameters.items()}
    return change(kind, Case(result, Dice(1, "run", "tool", call), defaults | parameters, earlier))


def throws(kind, result, **parameters):
    """What all throws of the dice make of a result."""
    return [changed(kind, result, call=call, **parameters) for call in range(1, 60)]


@pytest.mark.parametrize(
    ("result", "empty"),
    [([1], []), ({"a": 1}, {}), ("text", ""), ('{"a": 1}', "{}"), ("[1]", "[]"), (3, None), ((1,), ())],
)
def test_empty_is_of_the_same_kind(result, empty):
    assert changed("empty", result) == empty
    assert changed("empty", empty) is UNCHANGED


def test_truncate_cuts_text_and_json_in_the_middle():
    assert changed("truncate", "0123456789") == "01234"
    assert changed("truncate", "0123456789", keep=0.2) == "01"
    cut = changed("truncate", ORDERS)
    assert json.dumps(ORDERS, separators=(",", ":")).startswith(cut)
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)
    assert changed("truncate", "x") is UNCHANGED


@pytest.mark.parametrize("result", [ORDERS, json.dumps(ORDERS), [1, 2], "[]", {}])
def test_malformed_json_is_none_any_more(result):
    with pytest.raises(json.JSONDecodeError):
        json.loads(changed("malformed", result))


def test_malformed_text_has_broken_characters():
    assert changed("malformed", "hello") == "h\ufffdll\ufffd"
    assert changed("malformed", 3) is UNCHANGED


def test_partial_loses_the_tail_of_the_longest_list():
    assert changed("partial", [1, 2, 3, 4]) == [1, 2]
    assert changed("partial", {"a": [1], "b": {"c": [1, 2, 3]}}) == {"a": [1], "b": {"c": [1]}}
    assert json.loads(changed("partial", json.dumps(ORDERS))) == {"orders": ORDERS["orders"][:1], "more": False}
    assert changed("partial", "a\nb\nc\nd", keep=0.25) == "a\n"
    assert changed("partial", {"a": 1}) is UNCHANGED
    assert changed("partial", []) is UNCHANGED


@pytest.mark.parametrize(
    ("how", "first"),
    [
        ("rename", {"orderId": "A1", "total": 12.5, "due": "2026-03-01"}),
        ("drop", {"total": 12.5, "due": "2026-03-01"}),
        ("retype", {"order_id": {"value": "A1"}, "total": 12.5, "due": "2026-03-01"}),
    ],
)
def test_schema_drift_changes_a_field_in_all_objects_of_a_list(how, first):
    orders = changed("schema_drift", ORDERS, change=how, field="order_id")["orders"]
    assert orders[0] == first
    assert orders[1].keys() == first.keys()


def test_schema_drift_adds_a_field():
    assert changed("schema_drift", {"a": 1}, change="add", field="b") == {"a": 1, "b": 2}
    assert changed("schema_drift", {"a": 1}, change="drop", field="b") is UNCHANGED
    assert changed("schema_drift", "text") is UNCHANGED


def test_schema_drift_without_more_does_each_of_the_four_by_chance():
    keys = {tuple(found) for found in throws("schema_drift", {"a": 1})}
    assert keys == {("a_v2",), (), ("a", "schema_version"), ("a",)}


def test_stale_is_an_earlier_result_where_there_is_another():
    assert changed("stale", [2], earlier=[1]) == [1]
    assert changed("stale", [2], earlier=[2]) is UNCHANGED
    assert changed("stale", [2]) is UNCHANGED


def shape(value):
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("what", [None, "number", "date", "id"])
@pytest.mark.parametrize("write", [dict, json.dumps])
def test_wrong_value_keeps_shape_and_types(what, write):
    for found in throws("wrong_value", write(ORDERS), value=what):
        wrong = found if write is dict else json.loads(found)
        assert wrong != ORDERS
        assert shape(wrong) == shape(ORDERS)
        if what in (None, "id") and sorted(o["order_id"] for o in wrong["orders"]) != ["A1", "B2"]:
            pytest.fail("an id of its own making")


def test_wrong_value_by_kind():
    assert {found["total"] for found in throws("wrong_value", {"total": 4, "order_id": 7})} == {40, 8, 12, 400}
    assert changed("wrong_value", {"order_id": 7}) is UNCHANGED
    ids = changed("wrong_value", ORDERS, value="id")
    assert [order["order_id"] for order in ids["orders"]] == ["B2", "A1"]
    assert all(found["at"].endswith("T10:00:00Z") for found in throws("wrong_value", {"at": "2026-01-31T10:00:00Z"}))
    assert changed("wrong_value", {"ok": True, "name": "x"}) is UNCHANGED
    assert changed("wrong_value", {"total": 0})["total"] > 0


def test_wrong_value_finds_numbers_and_dates_in_text():
    assert "12.5" not in changed("wrong_value", "The total is 12.5 EUR.")
    assert changed("wrong_value", "due 2026-01-31", value="date").startswith("due 202")
    assert changed("wrong_value", "no number here") is UNCHANGED


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(result=JSON | st.binary() | JSON.map(json.dumps), call=st.integers(1, 100))
@pytest.mark.parametrize("kind", CHANGING)
def test_any_result_is_changed_or_left_alone_and_never_touched_itself(kind, result, call):
    before = repr(result)
    found = changed(kind, result, earlier="earlier", call=call)
    assert repr(result) == before
    assert found is UNCHANGED or found != result or type(found) is not type(result)
    again = changed(kind, result, earlier="earlier", call=call)
    assert again is found or again == found


def test_results_of_the_applications_own_classes_are_left_alone():
    class Own:
        pass

    assert all(changed(kind, Own()) in (UNCHANGED, None) for kind in CHANGING)
