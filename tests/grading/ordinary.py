"""Notebooks as students write them: odd, and right. Each is a list of cells; a line ``check NAME``
is the check cell of a task of the chapter "marginal", and ``check NAME = X`` one that is given X.

Run as a program, it runs them in IPython, in order, with the course's own check, and prints as JSON
which checks were green: ``python ordinary.py``.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ALPHA_BAR = "def alpha_bar(beta):\n    return (1 - beta).cumprod(0)"
AT = "alpha_bar[t].float().view(-1, 1, 1, 1)"
SAMPLE = (
    "def sample(x_0, t, eps, alpha_bar):\n"
    f"    s = {AT}\n"
    "    return s.sqrt() * x_0 + (1 - s).sqrt() * eps"
)
PREDICT = (
    "def predict_x0(x_t, eps, t, alpha_bar):\n"
    f"    s = {AT}\n"
    "    return (x_t - (1 - s).sqrt() * eps) / s.sqrt()"
)
HELPED = (
    "def sample(x_0, t, eps, alpha_bar):\n"
    "    s = at(alpha_bar, t)\n"
    "    return s.sqrt() * x_0 + (1 - s).sqrt() * eps"
)
HELPER = "def at(table, t):\n    return table[t].float().view(-1, 1, 1, 1)"
STEP = "def variance_step(alpha_t, alpha_bar_before):\n    return 1 - alpha_t * alpha_bar_before"
LOG_SNR = "def from_log_snr(log_snr):\n    return 1 / (1 + sp.exp(-log_snr))"
COSINE = (
    "def cosine(T, s, beta_max):\n"
    "    u = torch.arange(T + 1, dtype=torch.float64) / T\n"
    "    f = cos((u + s) / (1 + s) * pi / 2) ** 2\n"
    "    beta = torch.zeros(T + 1, dtype=torch.float64)\n"
    "    beta[1:] = (1 - f[1:] / f[:-1]).clamp(max=beta_max)\n"
    "    return beta"
)
MESSY = "torch.manual_seed(0); x = torch.randn(3); x"

NOTEBOOKS: dict[str, Sequence[str]] = {
    # names that mean something else elsewhere
    "one helper, two meanings": [
        *(HELPER, HELPED, "check sample"),
        "def at(table):\n    return table[-1].item()",
        "def alpha_bar(beta):\n    return (1 - beta).cumprod(0) * (at(beta) * 0 + 1)",
        "check alpha_bar",
    ],
    "imports twice": [
        *("from torch import cos\nfrom math import pi", COSINE, "check cosine"),
        *("from sympy import cos, exp, pi", LOG_SNR.replace("sp.exp", "exp"), "check from_log_snr"),
    ],
    "star imports": [
        *("from torch import *", COSINE.replace("pi", "3.141592653589793"), "check cosine"),
        *("from sympy import *", LOG_SNR.replace("sp.exp", "exp"), "check from_log_snr"),
    ],
    "t as a number at the end": [SAMPLE, "check sample", "t = 5\nx_0 = None\nalpha_bar = 0.5"],
    "a table called alpha_bar": [
        *(ALPHA_BAR, "check alpha_bar"),
        "table = alpha_bar(Schedule.linear(10).beta)\nalpha_bar_ = table",
        *(
            SAMPLE,
            "check sample",
            "alpha_bar = table",
            "sample = sample(torch.zeros(1, 1, 2, 2), "
            "torch.tensor([1]), torch.zeros(1, 1, 2, 2), alpha_bar)",
        ),
    ],
    "a loop over answers": [
        *(SAMPLE, "check sample", PREDICT, "check predict_x0"),
        "for sample in (1, 2):\n    pass\nfor predict_x0 in [3]:\n    print(predict_x0)",
    ],
    "sp is scipy in the end": [
        STEP,
        "check variance_step",
        LOG_SNR,
        "check from_log_snr",
        "import scipy as sp",
    ],
    "torch is renamed": [
        "import torch as th\nimport numpy as np",
        ALPHA_BAR.replace("(1 - beta).cumprod(0)", "th.cumprod(1 - beta, 0)"),
        "check alpha_bar",
        "th = None",
    ],
    "deletes its helper": [HELPER, HELPED, "check sample", "del at"],
    "deletes its answer": [SAMPLE, "check sample", "del sample", ALPHA_BAR, "check alpha_bar"],
    "a wrong try below": [
        SAMPLE,
        "check sample",
        SAMPLE.replace("(1 - s).sqrt()", "(1 - s)"),
        "# what if?",
    ],
    "a wrong try above": [
        SAMPLE.replace("(1 - s).sqrt()", "(1 - s)"),
        "check sample",
        SAMPLE,
        "check sample",
    ],
    "a global that changes": [
        "axes = (-1, 1, 1, 1)",
        SAMPLE.replace("-1, 1, 1, 1", "*axes"),
        "check sample",
        "axes = (-1, 1)",
    ],
    "a counter": [
        "calls = 0",
        "def alpha_bar(beta):\n    global calls\n    calls += 1\n    return (1 - beta).cumprod(0)",
        "check alpha_bar",
        "calls",
    ],
    "cells run twice": [HELPER, HELPER, HELPED, HELPED, "check sample", "check sample"],
    "class with a method": [
        "class Jump:\n    def __init__(self, table): self.table = table\n"
        "    def share(self, t): return self.table[t].float().view(-1, 1, 1, 1)",
        SAMPLE.replace(AT, "Jump(alpha_bar).share(t)"),
        "check sample",
        "Jump = None",
    ],
    "inheritance over cells": [
        "class A:\n    k = 1",
        "class B(A):\n    pass",
        "def alpha_bar(beta):\n    return (B.k - beta).cumprod(0)",
        "check alpha_bar",
        "class A:\n    k = 2",
    ],
    "a decorator": [
        "import functools, time\ndef timed(f):\n    @functools.wraps(f)\n    def inner(*a, **k):\n"
        "        start = time.time()\n        out = f(*a, **k)\n"
        "        print(time.time() - start)\n        return out\n    return inner",
        "@timed\n" + SAMPLE,
        "check sample",
        "timed = None",
    ],
    "a lambda": ["alpha_bar = lambda beta: (1 - beta).cumprod(0)", "check alpha_bar"],
    "an alias": [SAMPLE.replace("sample", "jump"), "sample = jump", "check sample", "jump = 1"],
    "a partial": [
        "from functools import partial",
        "def power(k, beta):\n    return ((1 - beta) ** k).cumprod(0)",
        "alpha_bar = partial(power, 1)",
        "check alpha_bar",
    ],
    "a dispatch table": [
        f"parts = {{}}\n{HELPER}\nparts['at'] = at",
        HELPED.replace("at(alpha", "parts['at'](alpha"),
        "check sample",
        "parts.clear()",
    ],
    # Jupyter's own
    "%time": [
        "%time x = torch.randn(100, 100) @ torch.randn(100, 100)",
        "%time\n" + ALPHA_BAR,
        "check alpha_bar",
        "%timeit -n 2 -r 2 alpha_bar(torch.zeros(5))",
    ],
    "%time of an assignment": ["%time crossing = 200 + 60", "check crossing"],
    "%%time on the answer": ["%%time\n" + SAMPLE, "check sample"],
    "%%timeit beside": [SAMPLE, "%%timeit -n 1 -r 1\nsum(range(10))", "check sample"],
    "%%capture": ["%%capture out\n" + SAMPLE + "\nprint('hello')", "check sample", "out.show()"],
    "%matplotlib and autoreload": [
        "%matplotlib inline\n%load_ext autoreload\n%autoreload 2\n%config InlineBackend.dpi = 90",
        SAMPLE,
        "check sample",
    ],
    "await at the top": [
        "import asyncio\nasync def get():\n    await asyncio.sleep(0)\n    return 260",
        "crossing = await get()",
        "check crossing",
    ],
    "from __future__": [
        "from __future__ import annotations",
        SAMPLE.replace("x_0, t", "x_0: Later, t: 'T'"),
        "check sample",
    ],
    "remembers outputs": [
        "130 * 2",
        "_",
        "crossing = _",
        "check crossing",
        "Out[1] if 1 in Out else In",
    ],
    "semicolons and a bare value": [MESSY, "crossing = 260;", "crossing", "check crossing"],
    "get_ipython": [
        "get_ipython().run_line_magic('matplotlib', 'inline')\nshell = get_ipython()",
        "shell.run_cell('crossing = 260')\nprint(shell.user_ns['crossing'])",
        "check crossing",
    ],
    "helpers in a file": [
        "%%writefile my_helpers.py\n" + HELPER,
        "from my_helpers import at",
        HELPED,
        "check sample",
    ],
    "helpers loaded": [
        "%%writefile tables.py\nSHARE = 1.0",
        "import tables\nfrom importlib import reload\nreload(tables)",
        ALPHA_BAR.replace("(1 - beta)", "(tables.SHARE - beta)"),
        "check alpha_bar",
    ],
    "%run": ["%%writefile setup.py\n" + HELPER, "%run setup.py", HELPED, "check sample"],
    "shell lines": [
        "!pip install einops\n%pip install tqdm",
        "files = !ls\nprint(files)",
        SAMPLE,
        "check sample",
    ],
    "help and questions": ["torch.sqrt?", "?torch.cumprod", "help(len)", SAMPLE, "check sample"],
    # pictures, bars and widgets
    "pictures": [
        SAMPLE,
        "check sample",
        "fig, ax = plt.subplots()\nax.imshow(sample(data.digits()[:1], torch.tensor([9]), "
        "torch.zeros(1, 1, 8, 8), Schedule.linear(10).alpha_bar)[0, 0])\nplt.show()",
        "plt.close('all'); plt.rcParams['figure.dpi'] = 50",
    ],
    "a picture in the answer's cell": [
        SAMPLE + "\nplt.plot([1, 2])\nplt.title('ᾱ')\nplt.show()\nplt.savefig('x.png')",
        "check sample",
    ],
    "display": [
        "from IPython.display import display, Markdown, HTML, clear_output",
        "display(Markdown('# hello'))\ndisplay(HTML('<b>x</b>'))\nclear_output()\n" + SAMPLE,
        "check sample",
    ],
    "tqdm": [
        "from tqdm.notebook import tqdm, trange\nfrom tqdm import tqdm as bar",
        "total = sum(x for x in bar(range(5)))",
        "def alpha_bar(beta):\n    out = torch.ones_like(beta)\n"
        "    for t in bar(range(1, len(beta)), leave=False):\n"
        "        out[t] = out[t - 1] * (1 - beta[t])\n    return out",
        "check alpha_bar",
    ],
    "widgets": [
        "import ipywidgets as widgets\nfrom ipywidgets import interact",
        "@interact(k=(0, 5))\ndef show(k=1):\n    print(k)",
        "w = widgets.IntSlider(260, 0, 999)\ncrossing = w.value",
        "check crossing",
    ],
    "big outputs": ["print('x' * 300_000)", "list(range(20_000))", SAMPLE, "check sample"],
    "warnings and logging": [
        "import logging, warnings\nlogging.basicConfig(level=logging.DEBUG)\nwarnings.warn('a')",
        SAMPLE.replace("    s =", "    warnings.warn('b')\n    logging.info('c')\n    s =", 1),
        "check sample",
    ],
    "an error in between": ["1 / 0", SAMPLE, "undefined_name", "check sample", "raise ValueError"],
    "asserts of one's own": [
        SAMPLE,
        "x = torch.zeros(2, 1, 2, 2)\nassert sample(x, torch.tensor([1, 2]), x, "
        "Schedule.linear(5).alpha_bar).shape == x.shape",
        "check sample",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n"
        "unittest.main(argv=[''], exit=False)",
    ],
    "compares with the course": [
        "from ddpm_course import marginal\ns = Schedule.linear(10)",
        SAMPLE
        + "\nmine = sample(torch.ones(1, 1, 2, 2), torch.tensor([3]), torch.ones(1, 1, 2, 2), "
        "s.alpha_bar)\ntheirs, _ = marginal.sample(torch.ones(1, 1, 2, 2), 3, s, "
        "torch.ones(1, 1, 2, 2))\nassert torch.allclose(mine, theirs)\nprint('the same')",
        "check sample",
    ],
    "compares first": [
        "from ddpm_course.marginal import sample as theirs",
        "s = Schedule.linear(10)\nx = torch.ones(1, 1, 2, 2)\nwant, _ = theirs(x, 3, s, x)\n"
        + SAMPLE,
        "check sample",
    ],
    # other languages, other habits
    "Korean names": [
        "def 비율(표, t):\n    return 표[t].float().view(-1, 1, 1, 1)  # 신호의 몫",
        HELPED.replace("at(alpha_bar", "비율(alpha_bar"),
        "check sample",
        "비율 = 0.5",
    ],
    "Greek names": [
        "def alpha_bar(β):\n    α = 1 - β\n    ᾱ = α.cumprod(0)\n    return ᾱ",
        "check alpha_bar",
        "β = 0.1",
    ],
    "emoji and long lines": ["'🎲' * 50", "# " + "x" * 3000, SAMPLE + "  # 🎉", "check sample"],
    "tabs": [SAMPLE.replace("    ", "\t"), "check sample"],
    "type hints of its own": [
        "from typing import TypeAlias, NamedTuple\nShare: TypeAlias = torch.Tensor",
        "class Pair(NamedTuple):\n    mean: Share\n    var: Share",
        SAMPLE.replace("x_0, t", "x_0: Share, t: Share", 1),
        "check sample",
    ],
    "a dataclass": [
        "from dataclasses import dataclass\n@dataclass\nclass S:\n    table: torch.Tensor\n"
        "    def __call__(self, t): return self.table[t].float().view(-1, 1, 1, 1)",
        SAMPLE.replace(AT, "S(alpha_bar)(t)"),
        "check sample",
    ],
    "numpy in between": [
        "import numpy as np",
        "def alpha_bar(beta):\n    return torch.tensor(np.cumprod(1 - beta.numpy()))",
        "check alpha_bar",
        "np.random.seed(0); np = None",
    ],
    "seeds and defaults": [
        "torch.manual_seed(7)\ntorch.set_printoptions(precision=2)",
        SAMPLE,
        "check sample",
        "torch.set_default_dtype(torch.float64)",
    ],
    "no gradients": [
        "torch.set_grad_enabled(False)",
        "@torch.no_grad()\n" + SAMPLE,
        "check sample",
    ],
    "recursion": [
        "def product(a):\n    return a if len(a) == 1 else torch.cat([product(a[:-1]), "
        "product(a[:-1])[-1:] * a[-1]])",
        "def alpha_bar(beta):\n    out = [torch.ones((), dtype=beta.dtype)]\n"
        "    for b in beta[1:]:\n        out.append(out[-1] * (1 - b))\n"
        "    return torch.stack(out)",
        "check alpha_bar",
    ],
    "nothing but the answer": [ALPHA_BAR, "check alpha_bar"],
    "walrus and match": [
        "match 3:\n    case 3: kind = 'three'\nif (n := 260) > 1: crossing = n",
        "check crossing",
    ],
    "comments as cells": ["# my notes\n# more", "", "   ", '"""a text"""', SAMPLE, "check sample"],
    "sets a start method": [
        "import multiprocessing, os\nos.environ['TOKENIZERS_PARALLELISM'] = 'false'\n"
        "torch.set_num_threads(1)\nn = os.cpu_count()",
        SAMPLE,
        "check sample",
    ],
    "reads its own file": [
        "import json\nwith open('notes.json', 'w') as f: json.dump({'c': 260}, f)",
        "crossing = json.load(open('notes.json'))['c']",
        "check crossing",
    ],
    "pickles": [
        "import pickle, pathlib\npathlib.Path('c.pkl').write_bytes(pickle.dumps(260))",
        "crossing = pickle.loads(pathlib.Path('c.pkl').read_bytes())",
        "check crossing",
    ],
    "saves and loads": [
        "torch.save(torch.tensor(260), 'c.pt')",
        "crossing = int(torch.load('c.pt'))",
        "check crossing",
    ],
    "device": [
        "device = 'cuda' if torch.cuda.is_available() else 'cpu'",
        SAMPLE.replace("* x_0", "* x_0.to(device)"),
        "check sample",
    ],
    "exits early": [SAMPLE, "check sample", "exit()"],
    # more habits, from other people's notebooks
    "if __name__": [
        f"{HELPER}\nif __name__ == '__main__':\n    {SAMPLE.replace(chr(10), chr(10) + '    ')}",
        "check sample",
    ],
    "a factory with a nonlocal": [
        "def make():\n    calls = 0\n    def inner(beta):\n        nonlocal calls\n"
        "        calls += 1\n        return (1 - beta).cumprod(0)\n    return inner",
        "alpha_bar = make()",
        "check alpha_bar",
        "def make():\n    return None",
    ],
    "text that is run": [
        f"source = {ALPHA_BAR!r}",
        "exec(source)",
        "check alpha_bar",
        "globals()['crossing'] = 260",
        "check crossing",
        "source = ''",
    ],
    "compiled by TorchScript": [
        "import torch.jit\nfrom torch import Tensor",
        "@torch.jit.script\ndef alpha_bar(beta: Tensor) -> Tensor:\n"
        "    return (1 - beta).cumprod(0)",
        "check alpha_bar",
    ],
    "reads its own text": [
        SAMPLE,
        "from inspect import getsource\nassert 'sqrt' in getsource(sample)",
        "check sample",
    ],
    "%reset in between": [
        *(SAMPLE, "check sample", "%reset -f"),
        "import torch\nfrom ddpm_course.grading import check\n" + ALPHA_BAR,
        "check alpha_bar",
    ],
    "magics that look about": [
        "%env\n%pwd\n%who\n%whos\n%lsmagic\n%precision 3",
        "took = %timeit -o -n 1 -r 1 sum(range(9))\nhere = %pwd\nprint(took.best, here)",
        "%%html\n<b>bold</b>",
        "%%latex\n$x$",
        SAMPLE,
        "check sample",
    ],
    "what was typed before": [
        "crossing = 260",
        "_i\nprint(_ih[-1], In[1][:5])",
        "crossing - 1",
        "crossing = _ + 1; _oh",
        "check crossing",
    ],
    "a method of a class": [
        "class Mine:\n    @staticmethod\n    def jump(x_0, t, eps, alpha_bar):\n"
        f"        s = {AT}\n        return s.sqrt() * x_0 + (1 - s).sqrt() * eps\n\n"
        "    def __call__(self, beta):\n        return (1 - beta).cumprod(0)",
        "sample = Mine.jump",
        "check sample",
        "alpha_bar = Mine()",
        "check alpha_bar",
        "class Mine: pass",
    ],
    "a library that may be missing": [
        "try:\n    import einops_not_here as library\nexcept ImportError:\n    library = torch",
        ALPHA_BAR.replace("(1 - beta).cumprod(0)", "library.cumprod(1 - beta, 0)"),
        "check alpha_bar",
        "library = None",
    ],
    "a method for all tensors": [
        "torch.Tensor.at = lambda self, t: self[t].float().view(-1, 1, 1, 1)",
        SAMPLE.replace(AT, "alpha_bar.at(t)"),
        "check sample",
        "del torch.Tensor.at",
    ],
    "wrapped later": [SAMPLE, "sample = torch.no_grad()(sample)", "check sample", "no_grad = None"],
    "other folders": [
        "import os, sys\nsys.path.append('..')\nos.makedirs('out', exist_ok=True)\nos.chdir('out')",
        ALPHA_BAR,
        "check alpha_bar",
    ],
    "doctests": [
        'def alpha_bar(beta):\n    """\n    >>> len(alpha_bar(torch.zeros(3)))\n    3\n    """\n'
        "    return (1 - beta).cumprod(0)",
        "import doctest\ndoctest.testmod()",
        "check alpha_bar",
    ],
    # and more, from courses' forums
    "every value is shown": [
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.ast_node_interactivity = 'all'",
        "1 + 1\n2 + 2",
        SAMPLE,
        "check sample",
    ],
    "builtins as names": [
        *(SAMPLE, "check sample"),
        "sum = 0\nfor list in range(3):\n    sum += list\nmax, min, len = 1, 2, 3\nid = type = sum",
        *(ALPHA_BAR, "check alpha_bar"),
    ],
    "star imports that take sum and all": [
        *(ALPHA_BAR, "check alpha_bar"),
        "from numpy import *\nfrom math import *\nall([True]); sum([1, 2])",
        SAMPLE,
        "check sample",
    ],
    "tasks in another order": [
        *("crossing = 260", SAMPLE, "check sample", ALPHA_BAR, "check crossing"),
        *("check alpha_bar", STEP, "check variance_step"),
    ],
    "gathered at the top": [
        "import asyncio\nasync def one(k):\n    await asyncio.sleep(0)\n    return 130 * k\n"
        "async def aiter_of(xs):\n    for x in xs: yield x",
        "parts = await asyncio.gather(one(0), one(2))\n[x async for x in aiter_of(parts)]",
        "crossing = sum(parts)",
        "check crossing",
    ],
    "a context of its own": [
        "from contextlib import contextmanager\n@contextmanager\ndef clock(name):\n"
        "    import time\n    start = time.perf_counter()\n    yield\n"
        "    print(name, time.perf_counter() - start)",
        SAMPLE.replace("    return", "    with clock('jump'): pass\n    return"),
        "check sample",
        "clock = None",
    ],
    "remembers what it made": [
        "import functools\n@functools.lru_cache(maxsize=None)\ndef axes(n):\n"
        "    return (-1,) + (1,) * (n - 1)",
        SAMPLE.replace("-1, 1, 1, 1", "*axes(x_0.ndim)"),
        "check sample",
        "axes.cache_clear(); axes = ()",
    ],
    "inference mode": ["@torch.inference_mode()\n" + SAMPLE, "check sample"],
    "float64 for all before": [
        "torch.set_default_dtype(torch.float64)",
        ALPHA_BAR,
        "check alpha_bar",
        "torch.set_default_dtype(torch.float32)",
        *(SAMPLE, "check sample"),
    ],
    "an answer made of its first try": [
        ALPHA_BAR,
        "first_try = alpha_bar\ndef alpha_bar(beta):\n    out = first_try(beta)\n    return out",
        "check alpha_bar",
        "first_try = None",
    ],
    "settings in a namespace": [
        "from types import SimpleNamespace\ncfg = SimpleNamespace(shape=(-1, 1, 1, 1), T=10)",
        SAMPLE.replace("-1, 1, 1, 1", "*cfg.shape"),
        "check sample",
        "cfg = SimpleNamespace(T=1000)",
    ],
    "a file that is run": [
        "%%writefile more.py\n" + HELPER,
        "exec(open('more.py').read())",
        HELPED,
        "check sample",
        "import os; os.remove('more.py')",
    ],
    "magics of other languages": [
        "%%bash\necho hello",
        "%%javascript\nalert(1)",
        "%%markdown\n# mine",
        "%xmode Minimal\n%pdb off",
        SAMPLE,
        "check sample",
    ],
    "an extension that is not there": ["%load_ext not_here", SAMPLE, "check sample"],
    "warnings as errors": [
        "import warnings, numpy as np\nwarnings.simplefilter('error')\nnp.seterr(all='raise')",
        SAMPLE,
        "check sample",
        "warnings.simplefilter('default')",
    ],
    "the wrong one is kept for comparison": [
        SAMPLE.replace("def sample", "def sample_wrong").replace("(1 - s).sqrt()", "(1 - s)"),
        SAMPLE,
        "check sample",
        "sample, sample_wrong = sample_wrong, sample",
    ],
    "chosen by the machine": [
        "try:\n    import google.colab\n    IN_COLAB = True\nexcept ImportError:\n"
        "    IN_COLAB = False\nif IN_COLAB:\n    !pip install -q ddpm-course",
        "if not IN_COLAB:\n    " + SAMPLE.replace("\n", "\n    "),
        "check sample",
        "del IN_COLAB",
    ],
    "a question to oneself": [
        "answer = 'y'\ninput = lambda *_: answer\nif input('sure? ') == 'y':\n    crossing = 260",
        "check crossing",
        "del input",
    ],
    "a check of one's own name": [
        SAMPLE,
        "from ddpm_course.grading import check as verify\nverify('marginal.sample', sample)",
        "check sample",
        "def check(*_): pass",
    ],
    # what the check is given, by whatever name
    "a lambda in the check": ["check alpha_bar = lambda beta: (1 - beta).cumprod(0)"],
    "another name in the check, and the blank above": [
        "def sample(x_0, t, eps, alpha_bar):\n    raise NotImplementedError()",
        SAMPLE.replace("def sample", "def my_jump"),
        "check sample = my_jump",
    ],
    "a number in the check": ["check crossing = 2 * 130"],
}

SETUP = "marginal-setup"
LONGEST = 120  # seconds for one notebook


def promised_by(cells: Sequence[str]) -> set[str]:
    """The tasks that a notebook checks."""
    return {cell.split()[1] for cell in cells if cell.startswith("check ")}


def cells_of(name: str, setup: str) -> list[str]:
    """The code cells of a notebook."""

    def spelled(source: str) -> str:
        if not source.startswith("check "):
            return source
        task, _, given = source.removeprefix("check ").partition(" = ")
        return f'check("marginal.{task}", {given or task})'

    return [setup, *map(spelled, NOTEBOOKS[name])]


def green(cells: Sequence[str]) -> list[str]:
    """Which checks are green when IPython runs the cells in order."""
    import matplotlib
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    matplotlib.use("agg")
    config = Config()  # no history: two of these at once would wait for each other's file
    config.HistoryManager.enabled = config.HistoryAccessor.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.enable_gui = lambda gui=None: None
    shell.ask_exit = lambda: None
    shell.system = lambda command: None
    found = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.path.insert(0, folder)
        for cell in cells:
            with capture_output():
                done = shell.run_cell(cell, store_history=True)
            if cell.startswith("check(") and done.success:
                found.append(cell.split('"')[1])
        os.chdir("/")
    return found


def main(setup: str) -> None:
    import IPython.core.interactiveshell
    import torch

    import ddpm_course.grading.tasks.marginal

    torch.set_num_threads(1)
    print(len(vars(IPython)), len(vars(ddpm_course)), file=sys.stderr)
    results = {}
    for name in NOTEBOOKS:
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(LONGEST)  # which ends it
            try:
                told = json.dumps(sorted(set(green(cells_of(name, setup)))))
                os.write(theirs, told.encode())
            finally:
                os._exit(0)
        os.close(theirs)
        os.waitpid(child, 0)
        results[name] = json.loads(os.read(ours, 1 << 16) or b"[]")
        os.close(ours)
    print("GREEN" + json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf8"))
