"""Putting a mutation into a module: into a loaded function, or into what is imported."""

from __future__ import annotations

import gc
import inspect
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, FunctionType
from typing import Any

from tests.mutants.mutations import Mutation


def changed_function(mutation: Mutation) -> tuple[CodeType, CodeType] | None:
    """The one function that a mutation changes, before and after; None for code of the module or
    of a class, which runs at import.
    """
    path = str(mutation.path.resolve())
    before = compile(mutation.path.read_text(), path, "exec", dont_inherit=True)
    after = compile(mutation.source(), path, "exec", dont_inherit=True)
    changed = list(_changed_code(before, after))
    if len(changed) != 1 or not _is_function(changed[0][0]):
        return None
    return changed[0]


def _changed_code(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """What differs: outermost functions, and the code of modules and classes."""
    if _is_function(before):
        if _whole_behavior(before) != _whole_behavior(after):
            yield before, after
        return
    inner_before, inner_after = _list_inner_code(before), _list_inner_code(after)
    if _own_behavior(before) != _own_behavior(after) or len(inner_before) != len(inner_after):
        yield before, after
        return
    for old, new in zip(inner_before, inner_after, strict=True):
        yield from _changed_code(old, new)


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


def _list_inner_code(code: CodeType) -> list[CodeType]:
    return [c for c in code.co_consts if isinstance(c, CodeType)]


def _own_behavior(code: CodeType) -> tuple[object, ...]:
    """What the code does itself, whatever line it is on."""
    constants = [repr(c) for c in code.co_consts if not isinstance(c, CodeType)]
    return code.co_code, constants, code.co_names, code.co_varnames


def _whole_behavior(code: CodeType) -> tuple[object, ...]:
    return *_own_behavior(code), *map(_whole_behavior, _list_inner_code(code))


Origin = tuple[str, str, int]


def index_functions(files: Collection[str]) -> Mapping[Origin, list[FunctionType]]:
    """Every loaded function of these files, by what its code is from."""
    gc.unfreeze()  # get_objects leaves out what `demo_prepare` froze in this process
    functions: defaultdict[Origin, list[FunctionType]] = defaultdict(list)
    for candidate in gc.get_objects():
        if type(candidate) is FunctionType and candidate.__code__.co_filename in files:
            functions[_get_origin(candidate.__code__)].append(candidate)
    gc.freeze()  # so that collections in forked processes leave these pages shared
    return functions


def swap_function(
    functions: Mapping[Origin, list[FunctionType]], before: CodeType, after: CodeType
) -> None:
    """Give every function that was made from `before` the code `after`.

    Raises LookupError where there is none, ValueError where its closure would not fit.
    """
    loaded = functions.get(_get_origin(before))
    if not loaded:
        raise LookupError(before.co_qualname)
    for function in loaded:
        function.__code__ = after


def _get_origin(code: CodeType) -> Origin:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def swap_constants(mutation: Mutation) -> None:
    """Give every module that has the constants their mutated values.

    Raises LookupError where a constant is not loaded.
    """
    module = sys.modules[mutation.module]
    mutated: dict[str, Any] = {"__name__": mutation.module, "__file__": module.__file__}
    exec(compile(mutation.source(), mutation.path, "exec", dont_inherit=True), mutated)  # noqa: S102
    for name in mutation.constants:
        old = vars(module)[name]
        for other in list(sys.modules.values()):
            if getattr(other, "__dict__", {}).get(name) is old:
                setattr(other, name, mutated[name])


class ImportMutated(MetaPathFinder):
    """Imports one module with a mutation."""

    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation

    def install(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != self._mutation.module:
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _MutatedLoader(name, spec.origin, self._mutation.source())
        return spec


class _MutatedLoader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)
