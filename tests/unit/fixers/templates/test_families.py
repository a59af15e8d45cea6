"""Each family proposes the edit a person would make."""

from __future__ import annotations

import pytest

from nightshift.fixers.templates.all_templates import FAMILIES
from nightshift.fixers.templates.ranking import Crash, Evidence, rank
from nightshift.fixers.templates.source import Source

CASES = [
    ("off_by_one", "def f(q, n):\n    q.append((n, n))\n", "def f(q, n):\n    q.append((n, n + 1))\n"),
    ("order", "def f(x):\n    if x > 1:\n        return 1\n    elif x > 2:\n        return 2\n", "def f(x):\n    if x > 2:\n        return 2\n    elif x > 1:\n        return 1\n"),
    ("order", "def f(a, b):\n    return [[x + y for y in b] for x in a]\n", "def f(a, b):\n    return [[x + y for x in a] for y in b]\n"),
    ("order", "def f(a, b):\n    for x in a:\n        for y in b:\n            print(x, y)\n", "def f(a, b):\n    for y in b:\n        for x in a:\n            print(x, y)\n"),
    ("borrowed", "def f(x=[]):\n    x.append(1)\n    return x\n", "def f(x=[]):\n    x = list(x)\n    x.append(1)\n    return x\n"),
    ("borrowed", "def f(n):\n    ways = [0] * n\n    return ways\n", "def f(n):\n    ways = [0] * n\n    ways[0] = 1\n    return ways\n"),
    ("borrowed", "def f(s):\n    times = {}\n    return times\n", "def f(s):\n    times = {}\n    times[s] = 0\n    return times\n"),
    ("borrowed", "def f(g, a, b):\n    g[a].append(b)\n", "def f(g, a, b):\n    g[a].append(b)\n    g[b].append(a)\n"),
    ("borrowed", "def f(s, x):\n    s.add(x)\n    return f(s, 1)\n", "def f(s, x):\n    s.add(x)\n    s.remove(x)\n    return f(s, 1)\n"),
    ("borrowed", "class A:\n    def f(self, k):\n        self.v.touch(k)\n    def g(self, k):\n        return k\n", "class A:\n    def f(self, k):\n        self.v.touch(k)\n    def g(self, k):\n        self.v.touch(k)\n        return k\n"),
    ("calls", "def f(x, y):\n    x[0] = y\n    if x[0] > 1:\n        x[0] = y\n", "def f(x, y):\n    x[0] = y\n    if x[0] > 1:\n        x[0] = max(x[0], y)\n"),
    ("conditions", "def f(n):\n    return n & 1 == 0\n", "def f(n):\n    return n > 0 and n & 1 == 0\n"),
    ("conditions", "def f(a, b):\n    if a > b or not b:\n        return 1\n", "def f(a, b):\n    if (a > b or not b) and a != b:\n        return 1\n"),
    ("statements", "def f(a, b):\n    for x, y in zip(a, b):\n        return x + y\n", "def f(a, b):\n    for x, y in zip(a, b):\n        if len(a) != len(b):\n            return None\n        return x + y\n"),
    ("literals", "def f(x):\n    return x * 2\n", "def f(x):\n    return x * 3\n"),
    ("literals", "def f(x):\n    return True\n", "def f(x):\n    return False\n"),
    ("literals", "def f(x):\n    return x * 0.2\n", "def f(x):\n    return x * 0.8\n"),
    ("literals", "def f(x):\n    return ' '.join(x)\n", "def f(x):\n    return ''.join(x)\n"),
    ("literals", "def f(d):\n    return d.strftime('%Y-%M')\n", "def f(d):\n    return d.strftime('%Y-%m')\n"),
    ("literals", "def f(x=None):\n    return x or None\n", "def f(x=None):\n    return x or []\n"),
    ("off_by_one", "def f(x):\n    return range(len(x))\n", "def f(x):\n    return range(len(x) - 1)\n"),
    ("off_by_one", "def f(n):\n    return range(n)\n", "def f(n):\n    return range(1, n)\n"),
    ("off_by_one", "def f(x, i):\n    return x[i]\n", "def f(x, i):\n    return x[i + 1]\n"),
    ("operators", "def f(a, b):\n    return a < b\n", "def f(a, b):\n    return a <= b\n"),
    ("operators", "def f(a, b):\n    return a is b\n", "def f(a, b):\n    return a is not b\n"),
    ("operators", "def f(a, b):\n    return a in b\n", "def f(a, b):\n    return a not in b\n"),
    ("operators", "def f(a, b):\n    return a == b\n", "def f(a, b):\n    return a in b\n"),
    ("operators", "def f(a, b):\n    return (a) + (b)\n", "def f(a, b):\n    return (a) - (b)\n"),
    ("operators", "def f(a, b):\n    return a / b\n", "def f(a, b):\n    return a // b\n"),
    ("operators", "def f(a, b):\n    return a ^ b\n", "def f(a, b):\n    return a & b\n"),
    ("operators", "def f(a, b):\n    a += b\n", "def f(a, b):\n    a -= b\n"),
    ("operators", "def f(a, b):\n    a += b\n", "def f(a, b):\n    a = b\n"),
    ("operators", "def f(a, b):\n    return a and b\n", "def f(a, b):\n    return a or b\n"),
    ("operators", "def f(a, b):\n    return a - b\n", "def f(a, b):\n    return b - a\n"),
    ("operators", "def f(a, b, c):\n    return a + b / c\n", "def f(a, b, c):\n    return (a + b) / c\n"),
    ("operators", "def f(a):\n    return not a\n", "def f(a):\n    return a\n"),
    ("operators", "def f(a, b):\n    return (a  # why\n        < b)\n", "def f(a, b):\n    return (a  # why\n        <= b)\n"),
    ("names", "def f(a, b):\n    return a\n", "def f(a, b):\n    return b\n"),
    ("names", "def f(o):\n    o.y\n    return o.x\n", "def f(o):\n    o.y\n    return o.y\n"),
    ("slices", "def f(x, n):\n    return x[:n]\n", "def f(x, n):\n    return x[n:]\n"),
    ("slices", "def f(x):\n    return x[1:]\n", "def f(x):\n    return x[1:-1]\n"),
    ("slices", "def f(x):\n    return x[0]\n", "def f(x):\n    return x[-1]\n"),
    ("slices", "def f(x):\n    for y in x:\n        pass\n", "def f(x):\n    for y in x[1:]:\n        pass\n"),
    ("slices", "def f(a, b):\n    return a, b\n", "def f(a, b):\n    return b, a\n"),
    ("slices", "def f(m, i, j):\n    return m[i][j]\n", "def f(m, i, j):\n    return m[j][i]\n"),
    ("calls", "def f(x):\n    return max(x)\n", "def f(x):\n    return min(x)\n"),
    ("calls", "def f(x, y):\n    x.append(y)\n", "def f(x, y):\n    x.extend(y)\n"),
    ("calls", "def f(x):\n    return x.pop()\n", "def f(x):\n    return x.pop(0)\n"),
    ("calls", "def f(g, a, b):\n    return g(a, b)\n", "def f(g, a, b):\n    return g(b, a)\n"),
    ("calls", "def f(x):\n    return x\n", "def f(x):\n    return abs(x)\n"),
    ("calls", "def f(x):\n    return list(x)\n", "def f(x):\n    return x\n"),
    ("calls", "def f(x):\n    return x.lower()\n", "def f(x):\n    return x\n"),
    ("calls", "def g(a, b=0):\n    return a\ndef f(x, b):\n    return g(x)\n", "def g(a, b=0):\n    return a\ndef f(x, b):\n    return g(x, b=b)\n"),
    ("calls", "def g(x):\n    return x\ndef h(x):\n    return -x\ndef f(x):\n    return g(x)\n",
     "def g(x):\n    return x\ndef h(x):\n    return -x\ndef f(x):\n    return h(x)\n"),
    ("calls", "def f(a, b):\n    return a\n", "def f(a, b):\n    return a + b\n"),
    ("calls", "def f(a):\n    return a - 1\n", "def f(a):\n    return max(a - 1, 0)\n"),
    ("conditions", "def f(a):\n    if a:\n        return 1\n", "def f(a):\n    if not a:\n        return 1\n"),
    ("conditions", "def f(a, b):\n    if a > b:\n        return 1\n", "def f(a, b):\n    if a > b and b > 0:\n        return 1\n"),
    ("conditions", "def f(a, b):\n    if a and b:\n        return 1\n", "def f(a, b):\n    if a:\n        return 1\n"),
    ("conditions", "def f(x):\n    return [y for y in x]\n", "def f(x):\n    return [y for y in x if y]\n"),
    ("subexpression", "def f(a, b):\n    return a + b\n", "def f(a, b):\n    return a\n"),
    ("subexpression", "def f(a, b):\n    return a if a else b\n", "def f(a, b):\n    return b if a else a\n"),
    ("subexpression", "def f():\n    return []\n", "def f():\n    return [[]]\n"),
    ("subexpression", "def f(a, b):\n    g(b.c)\n    return g(a)\n", "def f(a, b):\n    g(b.c)\n    return g(b.c)\n"),
    ("statements", "def f(x):\n    g(x)\n", "def f(x):\n    return g(x)\n"),
    ("statements", "def f(x):\n    out = []\n    for y in x:\n        z = y\n    return out\n",
     "def f(x):\n    out = []\n    for y in x:\n        z = y\n        out.append(z)\n    return out\n"),
    ("statements", "def f(x):\n    t = 0\n    for y in x:\n        t = y\n    return t\n",
     "def f(x):\n    t = 0\n    for y in x:\n        t += y\n    return t\n"),
    ("statements", "def f(x):\n    for y in x:\n        g(y)\n        return y\n", "def f(x):\n    for y in x:\n        g(y)\n    return y\n"),
    ("statements", "def f(x):\n    a = 1\n    b = a\n    return b\n", "def f(x):\n    b = a\n    a = 1\n    return b\n"),
    ("statements", "def f(x):\n    if x:\n        a = 1\n    else:\n        a = 2\n", "def f(x):\n    if x:\n        a = 2\n    else:\n        a = 1\n"),
    ("statements", "def f(x):\n    x = 1\n    return x\n", "def f(x):\n    return x\n"),
    ("statements", "def f(x):\n    for y in x:\n        break\n", "def f(x):\n    for y in x:\n        continue\n"),
    ("statements", "def f(x):\n    return x\n", "def f(x):\n    if x is None:\n        return 0\n    return x\n"),
    ("statements", "def f(x):\n    yield g(x)\n", "def f(x):\n    yield from g(x)\n"),
    ("sharing", "def f(w, h):\n    return [[0] * w] * h\n", "def f(w, h):\n    return [[0] * w for _ in range(h)]\n"),
    ("sharing", "def f(ks):\n    return dict.fromkeys(ks, [])\n", "def f(ks):\n    return {key: [] for key in ks}\n"),
    ("sharing", "def f(ns):\n    return [lambda x: x * n for n in ns]\n", "def f(ns):\n    return [lambda x, n=n: x * n for n in ns]\n"),
    ("sharing", "def f(ns):\n    for n in ns:\n        def g(x):\n            return x * n\n        h(g)\n",
     "def f(ns):\n    for n in ns:\n        def g(x, n=n):\n            return x * n\n        h(g)\n"),
    ("sharing", "def f(x, y=[]):\n    y.append(x)\n    return y\n",
     "def f(x, y=None):\n    if y is None:\n        y = []\n    y.append(x)\n    return y\n"),
    ("sharing", "class A:\n    x = []\n\n    def __init__(self, n):\n        self.n = n\n\n    def add(self):\n        self.x.append(1)\n",
     "class A:\n    x = []\n\n    def __init__(self, n):\n        self.x = []\n        self.n = n\n\n    def add(self):\n        self.x.append(1)\n"),
    ("sharing", "class A:\n    x = {}\n\n    def add(self):\n        self.x[1] = 1\n",
     "class A:\n    def __init__(self):\n        self.x = {}\n\n    def add(self):\n        self.x[1] = 1\n"),
    ("waiting", "async def g(x):\n    return x\nasync def f(x):\n    y = g(x)\n    return y\n",
     "async def g(x):\n    return x\nasync def f(x):\n    y = await g(x)\n    return y\n"),
    ("waiting", "def f(x):\n    return x.name.lower\n", "def f(x):\n    return x.name.lower()\n"),
    ("waiting", "class A:\n    def all(self):\n        return self.own\n    def f(self, o):\n        return o.own\n",
     "class A:\n    def all(self):\n        return self.own\n    def f(self, o):\n        return o.all()\n"),
    ("formats", "def f(h, m):\n    return f'{h:02}:{m}'\n", "def f(h, m):\n    return f'{h:02}:{m:02}'\n"),
    ("formats", "def f(x):\n    return f'{x:.1f}'\n", "def f(x):\n    return f'{x:.2f}'\n"),
    ("formats", "def f(x):\n    return '%d' % x\n", "def f(x):\n    return '%02d' % x\n"),
    ("handlers", "def f(x):\n    try:\n        return int(x)\n    except TypeError:\n        return 0\n",
     "def f(x):\n    try:\n        return int(x)\n    except ValueError:\n        return 0\n"),
    ("handlers", "class NoUser(KeyError):\n    pass\ndef f(x):\n    raise KeyError(x)\n", "class NoUser(KeyError):\n    pass\ndef f(x):\n    raise NoUser(x)\n"),
    ("grouping", "def f(a, b):\n    return round(a - b / b * 100, 1)\n", "def f(a, b):\n    return round((a - b) / b * 100, 1)\n"),
    ("grouping", "def f(a, b, c):\n    return (a + b) * c\n", "def f(a, b, c):\n    return a + b * c\n"),
    ("grouping", "def f(a, b, c):\n    return a or b and c\n", "def f(a, b, c):\n    return (a or b) and c\n"),
    ("grouping", "def f(a, b, c):\n    return (a or b) and c\n", "def f(a, b, c):\n    return a or b and c\n"),
    ("grouping", "def f(a, b, c):\n    return g(a, b) + c\n", "def f(a, b, c):\n    return g(a + c, b)\n"),
    ("grouping", "def f(a, c):\n    return g(a + c)\n", "def f(a, c):\n    return g(a) + c\n"),
    ("bounds", "def f(a, n):\n    if a < n:\n        return 1\n", "def f(a, n):\n    if 0 <= a < n:\n        return 1\n"),
    ("bounds", "def f(a, x):\n    if a >= 0:\n        return x[a]\n", "def f(a, x):\n    if 0 <= a < len(x):\n        return x[a]\n"),
    ("bounds", "def f(a, d):\n    a += d\n    return a if a < 24 else a - 24\n", "def f(a, d):\n    a = (a + d) % 24\n    return a if a < 24 else a - 24\n"),
    ("bounds", "def f(a, b):\n    a += 1\n    return a\n", "def f(a, b):\n    a = b\n    return a\n"),
    ("slices", "def f(x, a, n):\n    return x[a:n]\n", "def f(x, a, n):\n    return x[a::n]\n"),
    ("slices", "def f(x, k):\n    y = x[k]\n    return y\n", "def f(x, k):\n    y = x.pop(k)\n    return y\n"),
    ("leftovers", "def f(xs):\n    n = 0\n    for x in xs:\n        if x:\n            n += 1\n    return n\n",
     "def f(xs):\n    n = 0\n    for x in xs:\n        if x:\n            n += 1\n        else:\n            n = 0\n    return n\n"),
    ("rounding", "def f(a, b):\n    return a // b\n", "def f(a, b):\n    return -(-a // b)\n"),
    ("rounding", "def f(a, b):\n    return a - b\n", "def f(a, b):\n    return abs(a - b)\n"),
    ("leftovers", "def f(xs):\n    out = []\n    now = []\n    for x in xs:\n        if x:\n            now.append(x)\n        else:\n            out.append(now)\n            now = []\n    return out\n",
     "def f(xs):\n    out = []\n    now = []\n    for x in xs:\n        if x:\n            now.append(x)\n        else:\n            out.append(now)\n            now = []\n    if now:\n        out.append(now)\n    return out\n"),
    ("leftovers", "def f(x):\n    y = g(x)\n    z = y + 1\n    if x is None:\n        return 0\n    return z\n",
     "def f(x):\n    if x is None:\n        return 0\n    y = g(x)\n    z = y + 1\n    return z\n"),
    ("calls", "def f(x):\n    return tuple(x)\n", "def f(x):\n    return tuple(map(int, x))\n"),
    ("calls", "def f(x):\n    return g(x)\n", "def f(x):\n    return g(x.encode())\n"),
    ("calls", "def f(x, y):\n    return g(a=x, b=y)\n", "def f(x, y):\n    return g(a=y, b=x)\n"),
    ("conditions", "def f(x, y):\n    if x.find(y):\n        return 1\n", "def f(x, y):\n    if x.find(y) != -1:\n        return 1\n"),
    ("literals", "def f(x):\n    return x / 1000\n", "def f(x):\n    return x / 1024\n"),
    ("literals", "def f(x):\n    return open(x, encoding='ascii')\n", "def f(x):\n    return open(x, encoding='utf-8')\n"),
    ("literals", "def f(x):\n    return x.get('recieved'), x['received']\n", "def f(x):\n    return x.get('received'), x['received']\n"),
    ("statements", "def f(d):\n    for k, v in d.items():\n        del d[k]\n", "def f(d):\n    for k, v in list(d.items()):\n        del d[k]\n"),
]  # fmt: skip

CRASHES = [
    ("KeyError", "'k'", "def f(d):\n    return d['k']\n", "def f(d):\n    return d.get('k')\n"),
    ("KeyError", "'k'", "def f(d, k):\n    d[k] += 1\n", "def f(d, k):\n    d[k] = d.get(k, 0) + 1\n"),
    ("KeyError", "'k'", "def f(d, ks):\n    for k in ks:\n        g(d[k])\n",
     "def f(d, ks):\n    for k in ks:\n        if k not in d:\n            continue\n        g(d[k])\n"),
    ("IndexError", "list index out of range", "def f(x):\n    return x[0]\n", "def f(x):\n    if not x:\n        return None\n    return x[0]\n"),
    ("AttributeError", "'NoneType' object has no attribute 'name'", "def f(u):\n    return u.name\n",
     "def f(u):\n    if u is None:\n        return None\n    return u.name\n"),
    ("AttributeError", "'NoneType' object has no attribute 'lower'", "def f(u):\n    return u.lower()\n",
     "def f(u):\n    return (u or '').lower()\n"),
    ("AttributeError", "'C' object has no attribute 'nmae'", "class C:\n    def __init__(self):\n        self.name = 1\n    def f(self):\n        return self.nmae\n",
     "class C:\n    def __init__(self):\n        self.name = 1\n    def f(self):\n        return self.name\n"),
    ("TypeError", "'NoneType' object is not subscriptable", "def f(u):\n    return u[0]\n",
     "def f(u):\n    return u[0] if u is not None else None\n"),
    ("TypeError", 'can only concatenate str (not "int") to str', "def f(a, b):\n    return a + b\n", "def f(a, b):\n    return a + str(b)\n"),
    ("TypeError", "'coroutine' object is not iterable", "async def f(g):\n    return g()\n", "async def f(g):\n    return await g()\n"),
    ("ZeroDivisionError", "division by zero", "def f(a, b):\n    return a / b\n", "def f(a, b):\n    if not b:\n        return 0\n    return a / b\n"),
    ("ZeroDivisionError", "division by zero", "def f(x):\n    return sum(x) / len(x)\n",
     "def f(x):\n    if not x:\n        return 0\n    return sum(x) / len(x)\n"),
    ("NameError", "name 'totl' is not defined", "def f(total):\n    return totl\n", "def f(total):\n    return total\n"),
    ("NameError", "name 'math' is not defined", "def f(x):\n    return math.pi\n", "import math\ndef f(x):\n    return math.pi\n"),
    ("UnboundLocalError", "local variable 'n' referenced before assignment", "def f(x):\n    if x:\n        n = 1\n    return n\n",
     "def f(x):\n    n = 0\n    if x:\n        n = 1\n    return n\n"),
    ("ValueError", "invalid literal for int() with base 10: ''", "def f(x):\n    return int(x)\n", "def f(x):\n    return int(x or 0)\n"),
    ("ValueError", "not enough values to unpack (expected 2, got 1)", "def f(x):\n    a, b = x.split('=')\n    return b\n",
     "def f(x):\n    if '=' not in x:\n        return None\n    a, b = x.split('=')\n    return b\n"),
    ("ValueError", "max() arg is an empty sequence", "def f(x):\n    return max(x)\n", "def f(x):\n    return max(x, default=0)\n"),
    ("RecursionError", "maximum recursion depth exceeded", "def f(n):\n    return n * f(n - 1)\n",
     "def f(n):\n    if n <= 1:\n        return 1\n    return n * f(n - 1)\n"),
    ("UnicodeDecodeError", "'ascii' codec can't decode byte", "def f(b):\n    return b.decode('ascii')\n",
     "def f(b):\n    return b.decode('ascii', errors='replace')\n"),
    ("StopIteration", "", "def f(x):\n    return next(y for y in x)\n", "def f(x):\n    return next((y for y in x), None)\n"),
    ("RuntimeError", "dictionary changed size during iteration", "def f(d):\n    for k in d:\n        d.pop(k)\n",
     "def f(d):\n    for k in list(d):\n        d.pop(k)\n"),
    ("FileExistsError", "[Errno 17] File exists", "import os\ndef f(p):\n    os.makedirs(p)\n", "import os\ndef f(p):\n    os.makedirs(p, exist_ok=True)\n"),
    ("FileNotFoundError", "[Errno 2] No such file", "def f(p):\n    return p.read_text()\n",
     "def f(p):\n    if not p.exists():\n        return ''\n    return p.read_text()\n"),
    ("TypeError", "Strings must be encoded before hashing", "def f(h, x):\n    return h.sha256(x)\n", "def f(h, x):\n    return h.sha256(x.encode())\n"),
    ("TypeError", "can't concat str to bytes", "def f(x):\n    return x + 'a'\n", "def f(x):\n    return x + b'a'\n"),
    ("RecursionError", "maximum recursion depth exceeded", "def f(n):\n    a = n // 2\n    b = a + 10\n    c = b\n    return f(c)\n",
     "def f(n):\n    a = n // 2\n    b = a + 10\n    c = b\n    if c < 10:\n        return c\n    return f(c)\n"),
    ("TypeError", "'NoneType' object is not subscriptable", "def f(o, u):\n    o.append(u[0])\n",
     "def f(o, u):\n    if u:\n        o.append(u[0])\n"),
    ("ValueError", "bad", "def f(x):\n    try:\n        return g(x)\n    except KeyError:\n        return 0\n",
     "def f(x):\n    try:\n        return g(x)\n    except (KeyError, ValueError):\n        return 0\n"),
]  # fmt: skip


def everything(code: str, exception: str = "", message: str = "") -> dict[str, str]:
    """Every proposed text and the template that proposed it; all lines suspect, the crash on the last one."""
    lines = range(1, code.count("\n") + 1)
    crash_lines = tuple(("m.py", n) for n in lines)
    crashes = (Crash(exception=exception, message=message, frames=crash_lines),) if exception else ()
    evidence = Evidence(suspicion={"m.py": dict.fromkeys(lines, 1.0)}, crashes=crashes)
    candidates = rank({"m.py": Source("m.py", code)}, evidence, 100_000)
    return {c.edits[0].applied(code): c.edits[0].template for c in candidates}


@pytest.mark.parametrize(("family", "before", "after"), CASES)
def test_edit_is_proposed(family: str, before: str, after: str) -> None:
    assert family in FAMILIES
    assert after in everything(before)


@pytest.mark.parametrize(("exception", "message", "before", "after"), CRASHES)
def test_crash_is_guarded(exception: str, message: str, before: str, after: str) -> None:
    assert after in everything(before, exception, message)


@pytest.mark.parametrize(("exception", "message", "before", "after"), CRASHES)
def test_guards_need_their_exception(exception: str, message: str, before: str, after: str) -> None:
    found = everything(before)
    assert found.get(after) not in ("guard", "name", "conversion")


def test_nothing_is_proposed_for_docstrings_and_annotations() -> None:
    code = 'def f(x: int) -> int:\n    """Text."""\n    return x\n'
    for text in everything(code):
        assert text.startswith("def f(x: int) -> int:\n") and '"""Text."""' in text


def test_the_text_outside_the_edit_is_untouched() -> None:
    code = "def f( a,b ):   # odd spacing\n\treturn a<b   # kept\n"
    assert "def f( a,b ):   # odd spacing\n\treturn a<=b   # kept\n" in everything(code)
