from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import millpond
from millpond import v1


def task_of(graph: millpond.Graph, index: int = -1) -> v1.NewTask:
    return graph.to_request().tasks[index]


def test_parents_are_named_by_reference_key_and_id() -> None:
    graph = millpond.Graph("tour")
    fetch = graph.task("fetch", "k")
    graph.task("align", "k", after=[fetch, "other", millpond.ExistingTask("id-1")])
    assert list(task_of(graph).dependencies) == [
        v1.Dependency(key="fetch"),
        v1.Dependency(key="other"),
        v1.Dependency(task_id="id-1"),
    ]


def test_parents_have_conditions() -> None:
    graph = millpond.Graph()
    after = [millpond.on_success("a"), millpond.on_completion("b"), millpond.on_failure(millpond.ExistingTask("id-1"))]
    graph.task("t", "k", after=after)
    names = [v1.DependencyCondition.Name(each.condition) for each in task_of(graph).dependencies]
    assert names == [
        "DEPENDENCY_CONDITION_SUCCESS",
        "DEPENDENCY_CONDITION_COMPLETED",
        "DEPENDENCY_CONDITION_FAILURE",
    ]


def test_the_name_defaults_to_the_key() -> None:
    graph = millpond.Graph()
    graph.task("a", "k")
    graph.task("b", "k", name="for people")
    assert [task.name for task in graph.to_request().tasks] == ["a", "for people"]


def test_null_is_an_input_and_nothing_is_none() -> None:
    graph = millpond.Graph()
    graph.task("null", "k", input=None)
    graph.task("nothing", "k")
    assert task_of(graph, 0).input.HasField("null_value")
    assert not task_of(graph, 1).HasField("input")


def test_everything_that_a_new_task_can_say_can_be_said() -> None:
    webhook = v1.Webhook(url="http://example.org")
    options: dict[str, Any] = {
        "unmet_policy": v1.UnmetPolicy.UNMET_POLICY_SKIP,
        "metadata": {"tenant": "a"},
        "input": {"n": 1},
        "priority": -3,
        "expected_count": 0,
        "start_time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        "start_timeout": timedelta(seconds=1),
        "inactivity_timeout": timedelta(milliseconds=2),
        "execution_timeout": timedelta(minutes=3),
        "total_timeout": timedelta(days=4),
        "retry": v1.RetryPolicy(max_attempts=3, initial_backoff=timedelta(milliseconds=100)),
        "rules": [v1.Rule(name="one", max_concurrency=1)],
        "dedupe": [v1.DedupeMatcher(kind="k")],
        "on_success": [webhook],
        "on_failure": [webhook],
        "on_cancel": [webhook],
        "critical": True,
        "only_for_dependents": True,
        "fairness_key": "a",
        "fairness_weight": 7,
    }
    executions: dict[str, millpond.Execution] = {
        "on_start": webhook,
        "worker": v1.WorkerExecution(required_labels={"gpu": "yes"}),
        "join": v1.JoinExecution(),
    }
    graph = millpond.Graph()
    said: set[str] = set()
    for key, execution in executions.items():
        graph.task(key, "k", name="n", after=["parent"], execution=execution, **options)
        task = task_of(graph)
        assert task.WhichOneof("execution") == key
        said |= {field.name for field, _ in task.ListFields()}
    # A join is an empty message, which ListFields names all the same.
    assert said == set(v1.NewTask.DESCRIPTOR.fields_by_name)
    assert task_of(graph).expected_count == 0
    assert task_of(graph).start_time.ToJsonString() == "2026-01-02T03:04:05Z"
    assert task_of(graph).inactivity_timeout.ToMilliseconds() == 2


def test_a_key_that_is_taken_is_refused() -> None:
    graph = millpond.Graph()
    graph.task("a", "k")
    with pytest.raises(ValueError, match='a task "a" already'):
        graph.task("a", "k")
    assert len(graph) == 1


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        millpond.Graph().task("a", "k", start_time=datetime(2026, 1, 1))  # noqa: DTZ001 (that is the point)


def test_what_is_no_json_is_refused_at_once() -> None:
    with pytest.raises(TypeError):
        millpond.Graph().task("a", "k", input=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        millpond.Graph(metadata={"a": object()})  # type: ignore[dict-item]


def test_a_new_batch_is_described() -> None:
    hook = v1.Webhook(url="http://example.org")
    graph = millpond.Graph("b", metadata={"a": 1}, open=True, on_complete=[hook], paused=True)
    request = graph.to_request(request_id="r", validate_only=True)
    assert request.request_id == "r"
    assert request.validate_only
    batch = request.new_batch
    assert (batch.name, batch.open, batch.paused, list(batch.on_complete)) == ("b", True, True, [hook])
    assert millpond.from_struct(batch.metadata) == {"a": 1}


def test_an_open_batch_grows() -> None:
    request = millpond.Graph(batch_id="id-1").to_request()
    assert request.WhichOneof("target") == "batch_id"
    assert request.batch_id == "id-1"


@pytest.mark.parametrize("described", [{"name": "b"}, {"metadata": {}}, {"open": True}, {"paused": True}])
def test_a_batch_is_either_new_or_named(described: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="batch_id alone"):
        millpond.Graph(batch_id="id-1", **described)


def test_a_text_is_no_list_of_parents() -> None:
    with pytest.raises(TypeError, match='after is the text "ab"'):
        millpond.Graph().task("c", "k", after="ab")
