"""The mutation run (`make mutants`): its table is current, its operators do what they say."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code

from tests.mutants.code_swap import changed_function, index_functions, swap_function
from tests.mutants.mutations import draw_mutations, list_mutations, module_path
from tests.mutants.operators import OPERATORS, OWN
from tests.mutants.results import read_reasons
from tests.mutants.targets import TARGETS, Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.module)
def test_target_exists(target: Target) -> None:
    assert module_path(target.module).is_file()
    assert all(Path(test).exists() for test in target.tests)


@pytest.mark.parametrize("operator", OWN, ids=lambda operator: operator.__name__)
def test_operator_examples(operator) -> None:
    for example in operator.examples():
        code = mutate_code(example.pre_mutation_code, operator(), example.occurrence)
        assert "".join(code.split()) == "".join(example.post_mutation_code.split())


def test_draw_depends_on_seed_alone() -> None:
    targets = [t for t in TARGETS if t.module == "portal.core.secrets.secret_field"]
    first, again, other = (draw_mutations(targets, 5, seed, with_redis=True) for seed in (1, 1, 2))
    assert len(first) == 5
    assert first == again != other


def test_redis_classes_need_redis() -> None:
    (target,) = (t for t in TARGETS if t.needs_redis)
    without = set(list_mutations(target, with_redis=False))
    assert without < set(list_mutations(target, with_redis=True))


def test_annotations_are_not_mutated() -> None:
    target = Target("portal.core.secrets.secret_field", ())
    mutations = list_mutations(target, with_redis=True)
    assert "ReplaceBinaryOperator_BitOr_BitAnd" in OPERATORS
    assert not [m for m in mutations if m.operator == "ReplaceBinaryOperator_BitOr_BitAnd"]


def test_reasons_name_targets() -> None:
    assert {module for module, _ in read_reasons()} <= {target.module for target in TARGETS}


def test_mutated_function_replaces_loaded_one() -> None:
    from integrations.http import backoff

    target = Target("integrations.http.backoff", ())
    mutation = next(
        m
        for m in list_mutations(target, with_redis=True)
        if m.operator == "ReplaceOrWithAnd" and "and not text.isdigit" in m.diff()
    )
    change = changed_function(mutation)
    assert change is not None
    before, after = change
    assert backoff.parse_header_number("") is None
    gc.freeze()  # as `demo_prepare` does
    swap_function(index_functions([before.co_filename]), before, after)
    try:
        with pytest.raises(ValueError, match="invalid literal"):
            backoff.parse_header_number("x")
    finally:
        backoff.parse_header_number.__code__ = before
        gc.unfreeze()


_RUN = """
import sys
from pathlib import Path
import pytest
from tests.mutants.mutations import list_mutations
from tests.mutants.runner import MutantRunner
from tests.mutants.targets import Target

target = Target("portal.core.working_days", ())
mutations = {m.diff(): m for m in list_mutations(target, with_redis=False)}
chosen = [next(mutations[diff] for diff in mutations if part in diff) for part in sys.argv[3:]]
runner = MutantRunner(chosen, jobs=1, scratch=Path(sys.argv[1]))
pytest.main(["-q", "-p", "no:randomly", sys.argv[2]], [runner])
print("outcomes", *(result.outcome for result in runner.results))
"""


def _run_mutations(scratch: Path, tests: Path | str, *parts: str) -> str:
    run = subprocess.run(  # noqa: S603  (our own code)
        [sys.executable, "-c", _RUN, scratch, tests, *parts],
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


@pytest.mark.slow("runs mutations in a process of their own")
def test_run_tells_killed_from_survivors(tmp_path: Path) -> None:
    parts = ("weekday() in self.weekdays or day not", "_MAX_SEARCHED_DAYS = 2999")
    printed = _run_mutations(tmp_path, "tests/portal/core/test_working_days.py", *parts)
    assert "outcomes killed survived" in printed, printed


@pytest.mark.slow("runs mutations in a process of their own")
def test_run_refuses_tests_that_fail_in_children(tmp_path: Path) -> None:
    tests = tmp_path / "test_process.py"
    tests.write_text("import os\npid = os.getpid()\ndef test_pid(): assert os.getpid() == pid\n")
    printed = _run_mutations(tmp_path, tests, "weekday() in self.weekdays or day not")
    assert "fail in a forked child" in printed, printed
    assert printed.splitlines()[-1] == "outcomes", printed
