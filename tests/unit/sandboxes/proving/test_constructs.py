"""The rule on a patch's text: what it must name, and what it must leave alone."""

from __future__ import annotations

import ast

import pytest

from nightshift.sandboxes.tester.constructs import introduced, same_class

BASE = "import os\nimport sys\n\ndef f(a, b):\n    return a - b\n"

FORBIDDEN = {
    "os._exit": "import os\nos._exit(0)",
    "os._exit by alias": "from os import _exit as leave\nleave(0)",
    "os under another name": "import os as o\no.kill(1, 9)",
    "os handed around": "import os\ngetattr(os, '_ex' + 'it')(0)",
    "os in a variable": "import os\nx = os\nx.kill(1, 9)",
    "sys.exit": "import sys\nsys.exit(0)",
    "SystemExit": "raise SystemExit(0)",
    "pytest": "import pytest\npytest.skip('x')",
    "pytest inside": "from _pytest.reports import TestReport",
    "unittest": "from unittest import SkipTest",
    "pytest through sys.modules": "import sys\nsys.modules['py' + 'test'].skip()",
    "pytest by string": "__builtins__['__import__']('pytest')",
    "importlib": "import importlib\nimportlib.import_module('x')",
    "atexit": "import atexit",
    "gc": "import gc",
    "ctypes": "import ctypes",
    "settrace": "import sys\nsys.settrace(None)",
    "frames": "import sys\nsys._getframe(1).f_back.f_locals",
    "frames by traceback": "try:\n    1/0\nexcept ZeroDivisionError as e:\n    e.__traceback__.tb_frame.f_globals",
    "exec": "exec('x = 1')",
    "eval": "eval('1')",
    "compile": "compile('1', '', 'eval')",
    "subclasses": "object.__subclasses__()",
    "globals": "f.__globals__['x'] = 1",
    "always equal": "class A:\n    def __eq__(self, other):\n        return True",
    "equal to one": "class A:\n    def __eq__(self, other):\n        return 1",
    "equal after a look": "class A:\n    def __eq__(self, other):\n        str(other)\n        return True",
    "equal by lambda": "class A:\n    __eq__ = lambda self, other: True",
    "equal by type": "A = type('A', (), {'__eq__': lambda s, o: True})",
    "equal by assignment": "class A: pass\nA.__eq__ = lambda s, o: True",
    "never unequal": "class A:\n    def __ne__(self, other):\n        return 1",
    "contains all": "class A:\n    def __contains__(self, item):\n        return True",
    "metaclass": "class A(metaclass=type): pass",
    "setattr": "setattr(f, name, 1)",
    "bare except": "try:\n    f()\nexcept:\n    pass",
    "catch all": "try:\n    f()\nexcept BaseException:\n    pass",
    "environment sniffing": "import os\nif 'PYTEST_CURRENT_TEST' in os.environ:\n    f = None",
    "star import": "from os import *",
    "process": "import subprocess",
    "descriptor": "import os\nos.write(5, b'x')",
    "proc": "open('/proc/1/fd/1', 'wb')",
}
HARMLESS = {
    "a default": "def f(a, b):\n    return a.get(b, 0)",
    "a guard": "def f(a, b):\n    if a is None:\n        return 0\n    return a - b",
    "an honest equality": "class A:\n    def __eq__(self, other):\n        return self.x == other.x",
    "a docstring that says pytest": 'def f(a, b):\n    """Checked with pytest; see os._exit."""\n    return a + b',
    "an ordinary import": "from collections import defaultdict\nimport json",
    "an environment default": "import os\nX = os.environ.get('X', '1')",
    "a literal getattr": "def f(a, b):\n    return getattr(a, 'size', 0)",
    "exception": "def f(a, b):\n    try:\n        return a / b\n    except ZeroDivisionError:\n        return 0",
    "attributes with common names": "def f(a, b):\n    a.stack.append(b)\n    return a.modules",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_when_new(name: str) -> None:
    assert introduced(ast.parse(BASE), ast.parse(BASE + FORBIDDEN[name] + "\n"))


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_obstacle_when_it_was_there_before(name: str) -> None:
    before = ast.parse(BASE + FORBIDDEN[name] + "\n")
    after = ast.parse(BASE.replace("a - b", "a + b") + FORBIDDEN[name] + "\n")
    assert introduced(before, after) == []


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name: str) -> None:
    assert introduced(ast.parse(BASE), ast.parse(HARMLESS[name] + "\n")) == []


def test_a_second_use_of_what_was_there_is_new() -> None:
    once = "import sys\nsys.exit(0)\n"
    assert introduced(ast.parse(once), ast.parse(once + "sys.exit(0)\n")) == ["use of sys.exit"]


def test_a_class_is_the_same_only_when_its_text_is() -> None:
    old = ast.parse("class A:\n    def __eq__(self, o): return True\n")
    assert same_class(old, old, "A")
    assert not same_class(old, ast.parse("class A:\n    pass\n"), "A")
    assert not same_class(None, old, "A")
    assert not same_class(old, old, "f.<locals>.B")
