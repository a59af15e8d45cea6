"""Calls that lack something: await, return, this, a comparator, a radix, a conversion, a copy; bounds of slices."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.fixers.javascript.site import Edit, Site, is_value

_SLICES = ("slice", "substring", "substr", "splice", "subarray", "at", "charAt")


def awaited(site: Site) -> Iterator[Edit]:
    """`await` before a call, or gone; `async` where it has to be."""
    node, parent = site.node, site.node.parent
    if parent is None:
        return
    if node.type == "await_expression" and is_value(node):
        yield from site.replace(site.text(node.named_children[0]), "await-drop", 0.12)
    if node.type != "call_expression" or parent.type in ("await_expression", "spread_element"):
        return
    promised = site.failing.says("Promise", "[object Promise]", "then", "is not valid JSON", "is not iterable")
    weight = 0.5 if promised else 0.24
    inner = parent.type in ("member_expression", "subscript_expression", "call_expression")
    if site.in_async:
        yield from site.replace(f"(await {site.text()})" if inner else f"await {site.text()}", "missing-await", weight)
    function = site.field("function")
    if (
        function is not None
        and function.type == "member_expression"
        and site.text(function).endswith(".map")
        and site.in_async
    ):
        yield from site.replace(f"await Promise.all({site.text()})", "promise-all", weight - 0.1)


def returned(site: Site) -> Iterator[Edit]:
    """An expression nobody uses is what should be returned, or kept."""
    node = site.node
    if node.type == "expression_statement" and site.function is not None and node.named_children:
        inner = node.named_children[0]
        useless = inner.type not in (
            "assignment_expression",
            "augmented_assignment_expression",
            "update_expression",
            "string",
        )
        if useless:
            weight = 0.32 if inner.type in ("call_expression", "await_expression") else 0.5
            yield from site.insert(
                node.start_byte, "return ", "missing-return", weight, f"return `{site.text(inner)[:60]}`"
            )
    if node.type in ("function_declaration", "function_expression", "method_definition", "arrow_function"):
        yield from _last_return(site)
    if node.type == "return_statement" and node.named_children and site.statement is not None:
        parent = node.parent
        if parent is not None and parent.type == "statement_block":
            yield from site.replace(f"{site.text(node.named_children[0])};", "return-drop", 0.1)


def _last_return(site: Site) -> Iterator[Edit]:
    body = site.field("body")
    if body is None or body.type != "statement_block" or not body.named_children:
        return
    last = body.named_children[-1]
    if last.type in ("return_statement", "throw_statement"):
        return
    inner = Site(site.source, last, site.failing)
    names = [name for name in inner.names if not name.isupper()][:5]
    for name in (*names, "this"):
        line = f"\n{site.indent(last)}return {name};"
        yield from site.insert(last.end_byte, line, "missing-return", 0.2, f"add `return {name};`")


def lost_this(site: Site) -> Iterator[Edit]:
    """A function that uses an outer `this` becomes an arrow; a method passed as a value is bound."""
    node, parent = site.node, site.node.parent
    if parent is None:
        return
    if node.type == "function_expression" and parent.type == "arguments":
        parameters, body = site.field("parameters"), site.field("body")
        plain = site.field("name") is None and not any(c.type == "*" for c in node.children)
        if parameters is not None and body is not None and plain:
            head = "async " if any(c.type == "async" for c in node.children) else ""
            between = f"{head}{site.text(parameters)} => "
            yield Edit(site.source.path, node.start_byte, body.start_byte, between, "arrow-function",
                       0.6 if site.failing.says("undefined", "null") else 0.3, "an arrow function keeps `this`",
                       node.start_point[0] + 1)  # fmt: skip
    held = parent.type in ("arguments", "return_statement", "variable_declarator", "assignment_expression")
    if node.type == "member_expression" and held and is_value(node):
        owner = site.text(site.field("object"))
        if site.failing.says("undefined", "null", "not a function") and len(owner) <= 30:
            yield from site.replace(f"{site.text()}.bind({owner})", "bind", 0.3)


def sorting(site: Site) -> Iterator[Edit]:
    """`sort()` compares texts; numbers need a comparator. A comparator the wrong way round is turned."""
    node = site.node
    function, given = site.field("function"), site.field("arguments")
    if node.type != "call_expression" or function is None or given is None or function.type != "member_expression":
        return
    name = site.text(function.child_by_field_name("property"))
    if name not in ("sort", "toSorted") or given.type != "arguments":
        return
    if not given.named_children:
        yield from site.replace("((a, b) => a - b)", "sort-comparator", 0.7, node=given)
        yield from site.replace("((a, b) => b - a)", "sort-comparator", 0.5, node=given)
    if name == "sort":
        owner = function.child_by_field_name("object")
        yield from site.replace(f"[...{site.text(owner)}]", "copy", 0.4, node=owner)


def copied(site: Site) -> Iterator[Edit]:
    """A copy instead of the very object: `{ ...x }`, `[...x]`, `Object.assign({}, …)`."""
    node, parent = site.node, site.node.parent
    if parent is None:
        return
    if node.type == "call_expression" and site.text(site.field("function")) == "Object.assign":
        given = site.field("arguments")
        if given is not None and given.named_children and site.text(given.named_children[0]) != "{}":
            first = given.named_children[0]
            yield from site.insert(first.start_byte, "{}, ", "copy", 0.45, f"leave `{site.text(first)}` as it is")
    if not is_value(node) or node.type not in ("identifier", "member_expression"):
        return
    if parent.type in (
        "variable_declarator",
        "return_statement",
        "assignment_expression",
        "arguments",
        "pair",
        "array",
    ):
        weight = 0.16 if parent.type != "arguments" else 0.1
        yield from site.replace(f"[...{site.text()}]", "copy", weight)
        yield from site.replace(f"{{ ...{site.text()} }}", "copy", weight)
    if parent.type == "for_in_statement":
        yield from site.replace(f"[...{site.text()}]", "copy", 0.3)
        yield from site.replace(f"Object.entries({site.text()})", "iterate", 0.2)
        yield from site.replace(f"Object.keys({site.text()})", "iterate", 0.2)


def converted(site: Site) -> Iterator[Edit]:
    """Texts become numbers, numbers texts; `parseInt` gets its radix."""
    node, parent = site.node, site.node.parent
    if parent is None:
        return
    if node.type == "call_expression":
        given = site.field("arguments")
        if (
            site.text(site.field("function")) in ("parseInt", "Number.parseInt")
            and given is not None
            and len(given.named_children) == 1
        ):
            yield from site.replace(f"({site.text(given.named_children[0])}, 10)", "radix", 0.3, node=given)
    if not is_value(node) or node.type not in (
        "identifier",
        "member_expression",
        "subscript_expression",
        "call_expression",
    ):
        return
    holder = parent.type in ("binary_expression", "augmented_assignment_expression", "arguments", "return_statement",
                             "variable_declarator", "assignment_expression", "pair", "arrow_function",
                             "subscript_expression")  # fmt: skip
    function = parent.child_by_field_name("function")
    if not holder or (function is not None and function == node):
        return
    adds = parent.type == "binary_expression" and site.text(parent.child_by_field_name("operator")) in (
        "+",
        "<",
        ">",
        "===",
        "==",
    )
    augments = parent.type == "augmented_assignment_expression"
    weight = 0.28 if adds or augments else 0.14
    for rank, name in enumerate(("Number", "String", "Math.floor", "Math.round", "Math.abs", "Boolean")):
        yield from site.replace(f"{name}({site.text()})", "convert", weight - (0 if rank == 0 else 0.06 + 0.01 * rank))
    if site.failing.says("is not a function") or parent.type == "binary_expression":
        for method in ("trim()", "toLowerCase()", "toString()"):
            yield from site.replace(f"{site.text()}.{method}", "convert", 0.12)


def bounds(site: Site) -> Iterator[Edit]:
    """Bounds of slices: one more, one less, the other end, none."""
    node = site.node
    function, given = site.field("function"), site.field("arguments")
    if node.type != "call_expression" or function is None or given is None or function.type != "member_expression":
        return
    if site.text(function.child_by_field_name("property")) not in _SLICES or given.type != "arguments":
        return
    texts = [site.text(n) for n in given.named_children]
    if len(texts) == 1:
        for made in (
            f"0, {texts[0]}",
            f"{texts[0]}, -1",
            f"-{texts[0]}",
            f"{texts[0]} + 1",
            f"{texts[0]} - 1",
            f"{texts[0]} + 2",
            "1",
            "0",
            "-1",
        ):
            yield from site.replace(f"({made})", "slice-bounds", 0.3, node=given)
    if len(texts) == 2:
        a, b = texts
        for made in (
            f"{a}",
            f"{a}, {b} + 1",
            f"{a}, {b} - 1",
            f"{a} + 1, {b}",
            f"{a} - 1, {b}",
            f"{a}, {a} + {b}",
            f"0, {b}",
            f"{a}, -1",
        ):
            yield from site.replace(f"({made})", "slice-bounds", 0.3, node=given)


def extremes(site: Site) -> Iterator[Edit]:
    """`e` becomes `Math.max(e, 0)` and the like."""
    node, parent = site.node, site.node.parent
    if parent is None or not is_value(node) or node.type not in ("binary_expression", "call_expression", "identifier"):
        return
    if parent.type not in ("return_statement", "variable_declarator", "assignment_expression"):
        return
    for name in ("max", "min"):
        for other in ("0", "1", *site.names[:3]):
            if other != site.text():
                yield from site.replace(f"Math.{name}({site.text()}, {other})", "min-max", 0.1)
