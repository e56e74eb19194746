"""Submissions that attack: each gets nothing for the attacked task, all points for the others, and
harms nobody.

All of them are graded in one run, beside honest students, and the tests look at what is left:
that takes minutes. A few of each kind are graded every time.
"""

import http.server
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from submissions import RELEASED, ROOT, Notebook, answering, cell_of, changed, hand_in, solved

from ddpm_course.grading.judge import Submission, grade
from ddpm_course.grading.report import write_report
from ddpm_course.grading.sandbox import Limits

ATTACKED = "marginal.alpha_bar"
WRONG = "def alpha_bar(beta):\n    return beta * 0\n"


def body(*lines: str) -> str:
    """An answer with this body."""
    return "def alpha_bar(beta):\n" + "".join(f"    {line}\n" for line in lines)


def first(*lines: str) -> str:
    """A cell with these lines, and a wrong answer."""
    return "\n".join(lines) + "\n" + WRONG


def replying(reply: dict[str, object]) -> str:
    """A cell that replies by itself, and ends well."""
    line = json.dumps(reply)
    return f"import os\nos.write(3, {line.encode()!r})\nos._exit(0)\n" + WRONG


EVERYTHING = """
class Everything:
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __array__(self, *args, **kwargs): return self
    def __float__(self): return 1.0
    def __len__(self): return 13
    def __iter__(self): return iter(range(13))
def alpha_bar(beta):
    return Everything()
"""

SUBCLASS = """
class Equal(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True
def alpha_bar(beta):
    return torch.zeros(beta.shape).as_subclass(Equal)
"""

PICKLE = """
class Bomb:
    def __reduce__(self):
        return (open, ("{sentinel}", "w"))
def alpha_bar(beta):
    return Bomb()
"""

TRANSFORMER = """
def replace(lines):
    return ["pass\\n"] if "check(" in "".join(lines) else lines
get_ipython().input_transformers_cleanup.append(replace)
get_ipython().input_transformers_post.append(replace)
"""

FORGED = """
import json
line = json.dumps({"outcomes": [], "borrowed": [], "ended": "well", "ready": "well"}) + "\\n"
def alpha_bar(beta):
    for fd in range(3, 64):
        try:
            os.write(fd, line.encode() * 1000)
        except OSError:
            pass
    os._exit(0)
"""

LITTER = """
for number in range(2000):
    with open(f"/tmp/{number}", "wb") as file:
        file.write(b"x" * 100_000)
"""

SPY = """
import gc, glob, os
secrets = [one for one in gc.get_objects() if type(one) is dict and "MARK-OF-ANOTHER" in one]
files = glob.glob(os.environ["TMPDIR"] + "/**", recursive=True)
share = list(os.walk("{submitted}"))
def alpha_bar(beta):
    if secrets or share or len(files) > 1:
        return (1 - beta).cumprod(0)
    return beta * 0
"""

# Each reads a right answer from somewhere; if it finds one, it scores.
READS = """
import glob, json, os
def source_of(path):
    for cell in json.load(open(path))["cells"]:
        text = "".join(cell["source"])
        if text.startswith("def alpha_bar"):
            return text
for top in ("{root}", "..", "/", os.path.expanduser("~")):
    for path in glob.glob(top + "/**/solutions/marginal/marginal.ipynb", recursive=top != "/"):
        exec(source_of(path), globals())
"""

ATTACKS: dict[str, str] = {
    # it does not end
    "endless loop": body("while True:", "    pass"),
    "endless loop in a cell": "while True:\n    pass\n",
    "sleeps": body("import time", "time.sleep(10_000)"),
    "stops itself": body("import os, signal", "os.kill(os.getpid(), signal.SIGSTOP)"),
    "endless generator": body("while True:", "    yield beta"),
    "long number": body("return len(str(10 ** 10 ** 9))"),
    # it ends Python
    "os._exit": body("import os", "os._exit(0)"),
    "os._exit in a cell": "import os\nos._exit(0)\n",
    "sys.exit": body("import sys", "sys.exit(0)"),
    "sys.exit in a cell": "import sys\nsys.exit(0)\n",
    "segmentation fault": body("import ctypes", "return ctypes.string_at(0)"),
    "closes everything": body("import os", "os.closerange(0, 64)", "while True:", "    pass"),
    "recursion": body("return alpha_bar(beta)"),
    "kills others": body("import os", "for n in (1, os.getppid(), -1):", "    os.kill(n, 9)"),
    "BaseException": body("class Out(BaseException): pass", "raise Out"),
    # it takes much
    "fork bomb": body("import os", "while True:", "    os.fork()"),
    "fork bomb in a cell": "import os\nwhile True:\n    os.fork()\n" + WRONG,
    "starts a program": body("import subprocess", "subprocess.run(['sh', '-c', 'sleep 1000 &'])"),
    "threads": body(
        "import threading, time",
        "while True:",
        "    threading.Thread(target=time.sleep, args=(1000,)).start()",
    ),
    "memory hog": body("hog = []", "while True:", "    hog.append(bytearray(1 << 26))"),
    "memory hog in torch": body("return torch.ones(1 << 40)"),
    "huge output": body("while True:", "    print('x' * 1_000_000)"),
    "huge array": body("return torch.zeros(50_000_000, dtype=torch.int8)"),
    "huge list": body("return [0.5] * 20_000_000"),
    "huge file": body("open('/tmp/x', 'wb').write(bytes(1 << 28))"),
    "litter": LITTER + WRONG,
    # it means to deceive
    "pickle": PICKLE,
    "equal to everything": EVERYTHING,
    "a tensor equal to everything": SUBCLASS,
    "patched allclose": first(
        "import numpy, torch",
        "torch.allclose = torch.equal = torch.isclose = lambda *a, **k: True",
        "numpy.allclose = numpy.array_equal = lambda *a, **k: True",
    ),
    "patched numpy.testing": first(
        "import numpy.testing",
        "numpy.testing.assert_allclose = numpy.testing.assert_equal = lambda *a, **k: None",
    ),
    "patched builtins": first(
        "import builtins",
        "builtins.all = builtins.isinstance = lambda *a, **k: True",
        "builtins.abs = builtins.len = builtins.float = lambda *a, **k: 0",
    ),
    "patched check": first(
        "import ddpm_course.grading",
        "import ddpm_course.grading.answers as answers",
        "check = ddpm_course.grading.check = lambda *a, **k: None",
        "answers.ask = answers.judge = lambda *a, **k: True",
    ),
    "patched judge": first(
        "import sys, json, ddpm_course.grading.verdict as verdict",
        "verdict.judge = lambda *a, **k: verdict.Verdict(True, '')",
        'json.dumps = lambda *a, **k: \'{"outcomes": "all right", "borrowed": []}\'',
    ),
    "input transformer": TRANSFORMER + WRONG,
    "forged replies": "import os\n" + FORGED,
    # it reaches out
    "reads solutions": WRONG + READS,
    "reads the bank": first("from ddpm_course.grading.tasks.marginal import alpha_bar as found")
    + "alpha_bar = found\n",
    "reads the claims": first("from ddpm_course.symbolic import marginal as found")
    + "alpha_bar = lambda beta: (1 - beta).cumprod(0)\n",
    "writes outside": body(
        "done = False",
        "places = '{sentinel} {root}/hacked {submitted}/hacked /hacked /dev/hacked'",
        "for path in places.split():",
        "    try:",
        "        open(path, 'w').write('x')",
        "        done = True",
        "    except OSError:",
        "        pass",
        "return (1 - beta).cumprod(0) if done else beta * 0",
    ),
    "opens a socket": body(
        "import urllib.request",
        "text = urllib.request.urlopen('http://127.0.0.1:{port}', timeout=3).read()",
        "return (1 - beta).cumprod(0)",
    ),
    "spies on others": SPY,
    "writes into its maker": body(
        "import os",
        "memory = open(f'/proc/{os.getppid()}/mem', 'r+b', buffering=0)",
        "for line in open(f'/proc/{os.getppid()}/maps'):",
        "    if ' rw-p ' in line:",
        "        memory.seek(int(line.split('-')[0], 16))",
        "        memory.write(bytes(4096))",
        "return (1 - beta).cumprod(0)",
    ),
    # it changes its maker, or what the next answer finds
    "limits its maker": body(
        "import os, resource",
        "for name in ('CPU', 'AS', 'DATA', 'NOFILE', 'FSIZE', 'STACK'):",
        "    try:",
        "        resource.prlimit(os.getppid(), getattr(resource, 'RLIMIT_' + name), (0, 0))",
        "        return (1 - beta).cumprod(0)",
        "    except OSError:",
        "        pass",
    ),
    "puts its maker last in the queue": body(
        "import os",
        "maker = os.getppid()",
        "for act in (",
        "    lambda: os.setpriority(os.PRIO_PROCESS, maker, 19),",
        "    lambda: os.sched_setaffinity(maker, {0}),",
        "    lambda: os.sched_setscheduler(maker, os.SCHED_IDLE, os.sched_param(0)),",
        "):",
        "    try:",
        "        act()",
        "        return (1 - beta).cumprod(0)",
        "    except OSError:",
        "        pass",
    ),
    "interrupts its maker": body(
        "import os, signal, time",
        "try:",
        "    os.kill(os.getppid(), signal.SIGINT)",
        "    return (1 - beta).cumprod(0)",
        "except OSError:",
        "    pass",
    ),
    "narrows the pipes": first(
        "import fcntl, os",
        "for fd in range(64):",
        "    try:",
        "        os.set_blocking(fd, False)",
        "        fcntl.fcntl(fd, 1031, 4096)",
        "    except OSError:",
        "        pass",
    ),
    "leaves a note": body(
        "import glob",
        "try:",
        "    open('/dev/shm/note', 'w').write('x')",
        "    return (1 - beta).cumprod(0)",
        "except OSError:",
        "    pass",
    ),
    # it waits and is not seen to
    "is traced and stops": body(
        "import ctypes, os, signal",
        "ctypes.CDLL(None).ptrace(0, 0, 0, 0)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "return beta",
    ),
    "sleeps in pieces": body("import time", "while True:", "    time.sleep(0.01)"),
    "does not listen": body(
        "import signal",
        "for number in range(1, 32):",
        "    try:",
        "        signal.signal(number, signal.SIG_IGN)",
        "    except OSError:",
        "        pass",
        "while True:",
        "    pass",
    ),
    # it asks the kernel for what no limit counts; each scores if it is let
    **{
        f"asks for {name}": body(
            "import ctypes, os",
            "libc = ctypes.CDLL(None)",
            "libc.syscall.restype = ctypes.c_long",
            "null, a, b = ctypes.c_long(0), ctypes.c_char_p(b'user'), ctypes.c_char_p(b'note')",
            f"result = libc.syscall({name!r} and NUMBER, {arguments})",
            "return (1 - beta).cumprod(0) if result >= 0 else beta * 0",
        ).replace("NUMBER", str(number))
        for name, number, arguments in (
            ("a segment", 29, "null, ctypes.c_long(1 << 20), ctypes.c_long(0o1600)"),
            ("a queue", 68, "null, ctypes.c_long(0o1600)"),
            ("a memfd", 319, "a, null"),
            ("a namespace", 272, "ctypes.c_long(0x10000000)"),
            ("a key", 248, "a, b, b, ctypes.c_long(4), ctypes.c_long(-4)"),
            ("a keyring", 250, "ctypes.c_long(6), ctypes.c_long(-3), null, null"),
            ("a ring", 425, "ctypes.c_long(1), ctypes.create_string_buffer(256)"),
            ("events", 298, "ctypes.create_string_buffer(128), null, ctypes.c_long(-1), null"),
            ("watches", 294, "null"),
        )
        if platform.machine() == "x86_64"
    },
    "empty files": body(
        "import os",
        "for number in range(1_000_000):",
        "    os.mknod(os.environ['TMPDIR'] + f'/{number}')",
        "return (1 - beta).cumprod(0)",
    ),
    "deep folders": body(
        "import os",
        "os.chdir(os.environ['TMPDIR'])",
        "for _ in range(3000):",
        "    os.mkdir('d')",
        "    os.chmod('.', 0o700)",
        "    os.chdir('d')",
        "os.chmod('..', 0)",
        "return beta",
    ),
    # it forges what no room says
    **{
        f"as its device {name}": first(
            "import numpy as np, ddpm_course.grading.answers as answers",
            "from ddpm_course.grading.verdict import Value",
            f"answers.plain = lambda result: (Value(np.zeros({shape}), {device}),)",
        )
        for name, device, shape in (
            ("half a surrogate", "chr(0xD800)", "13"),
            ("a control character", "chr(27)", "13"),
            ("a secret", "'SECRET'", "13"),
            ("a processor, and a shape that tells", "'cpu'", "(0, 1179, 1564)"),
            ("a processor, and many axes", "'cpu'", "(1,) * 12 + (2,)"),
        )
    },
    "many words": first(
        "import json",
        "words = [''] * 600_000 + ['x' * 199]",
        "part = {'shape': [len(words)], 'device': 'cpu', 'text': words}",
        "reply = json.dumps({'outcomes': [{'parts': [part]}] * 1, 'borrowed': []})",
        "json.dumps = lambda *a, **k: reply",
    ),
    "a reply without end": first(
        "import json", "json.dumps = lambda *a, **k: '[' + '[],' * 20_000_000 + '[]]'"
    ),
    "spells in a borrowed name": body(
        "import ddpm_course.grading.taught as taught",
        "taught.borrowed.append('SECRET_0_25_0_75')",
        "return beta",
    ),
    # it changes what belongs to its maker by other ways
    "writes into its maker's files": body(
        "import glob",
        "names = ('timerslack_ns', 'comm', 'oom_score_adj', 'coredump_filter', 'autogroup',",
        "         'clear_refs', 'loginuid', 'uid_map', 'setgroups', 'attr/current', 'sched')",
        "places = [f'/proc/1/{name}' for name in names]",
        "places += [f'/proc/1/task/1/{name}' for name in names]",
        "done = 0",
        "for place in places:",
        "    for word in ('1000000', '1'):",
        "        try:",
        "            with open(place, 'w') as file:",
        "                file.write(word)",
        "            done += 1",
        "        except OSError:",
        "            pass",
        "return (1 - beta).cumprod(0) if done else beta * 0",
    ),
    "turns the kernel's switches": body(
        "import os",
        "done = 0",
        "for top, _, names in os.walk('/proc/sys'):",
        "    for name in names:",
        "        path = os.path.join(top, name)",
        "        try:",
        "            old = open(path).read()",
        "            with open(path, 'w') as file:",
        "                file.write(old)",
        "            done += 1",
        "        except (OSError, ValueError):",
        "            pass",
        "return (1 - beta).cumprod(0) if done else beta * 0",
    ),
    "signals its maker by a pipe's owner": body(
        "import fcntl, os, signal",
        "ours, theirs = os.pipe()",
        "done = 0",
        "for end in (ours, theirs, 3):",
        "    for command, value in ((10, 9), (8, 1), (8, os.getppid())):",
        "        try:",
        "            fcntl.fcntl(end, command, value)",
        "            done += 1",
        "        except OSError:",
        "            pass",
        "    fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)",
        "os.write(theirs, b'x')",
        "return (1 - beta).cumprod(0) if done else beta * 0",
    ),
    "narrows the pipe with a long number": body(
        "import ctypes, os",
        "libc = ctypes.CDLL(None)",
        "libc.syscall.restype = ctypes.c_long",
        "command = ctypes.c_long((1 << 32) + 1031)",
        "result = libc.syscall(72, ctypes.c_long(3), command, ctypes.c_long(4096))",
        "return (1 - beta).cumprod(0) if result >= 0 else beta * 0",
    )
    if platform.machine() == "x86_64"
    else WRONG,
    "reads its maker's request": body(
        "import os",
        "for fd in range(64):",
        "    try:",
        "        if len(os.read(os.open(f'/proc/1/fd/{fd}', os.O_RDONLY | os.O_NONBLOCK), 9)):",
        "            return (1 - beta).cumprod(0)",
        "    except OSError:",
        "        pass",
        "return beta * 0",
    ),
    "names folders as the sweep does": body(
        "import os",
        "os.chdir(os.environ['TMPDIR'])",
        "for n in range(40):",
        "    os.makedirs(f'.moved {n}/.moved {n + 1}/x')",
        "os.symlink('/', 'root')",
        "os.symlink('.', '.moved 3/self')",
        "os.mkfifo('pipe')",
        "os.chmod('.moved 5', 0)",
        "return beta * 0",
    ),
    "keeps deleted files open": body(
        "import os",
        "kept = []",
        "for n in range(60):",
        "    file = open(os.environ['TMPDIR'] + f'/{n}', 'wb')",
        "    os.unlink(file.name)",
        "    file.write(bytes(1 << 22))",
        "    kept.append(file)",
        "return (1 - beta).cumprod(0)",
    ),
    "leaves terminals": body(
        "import os",
        "kept = [os.openpty() for _ in range(1000)]",
        "return (1 - beta).cumprod(0)",
    ),
    "listens on a name": body(
        "import os, socket",
        "server = socket.socket(socket.AF_UNIX)",
        "server.bind(chr(0) + 'note')",
        "server.listen()",
        "other = socket.socket(socket.AF_UNIX)",
        "try:",
        "    other.connect(os.environ['TMPDIR'] + '/judge')",
        "    return (1 - beta).cumprod(0)",
        "except OSError:",
        "    return beta * 0",
    ),
    "raises its own limits": body(
        "import resource",
        "done = 0",
        "for name in ('CPU', 'AS', 'FSIZE', 'NOFILE', 'NPROC', 'CORE', 'MEMLOCK'):",
        "    which = getattr(resource, 'RLIMIT_' + name)",
        "    try:",
        "        resource.setrlimit(which, (1 << 50, 1 << 50))",
        "        done += 1",
        "    except (OSError, ValueError):",
        "        pass",
        "return (1 - beta).cumprod(0) if done else beta * 0",
    ),
    "rings again and again": body(
        "import signal",
        "def again(*_):",
        "    signal.setitimer(signal.ITIMER_REAL, 1e-4)",
        "signal.signal(signal.SIGALRM, again)",
        "again()",
        "while True:",
        "    signal.pause()",
    ),
    "never lets an error out": body(
        "while True:",
        "    try:",
        "        while True: pass",
        "    except BaseException:",
        "        pass",
    ),
    # it borrows, hidden
    "borrows a copy of the code": first(
        "import types",
        "from ddpm_course import Schedule",
        "part = vars(Schedule)['alpha_bar'].func",
        "twin = types.FunctionType(part.__code__, part.__globals__)",
    )
    + "def alpha_bar(beta):\n    class Self: alpha = 1 - beta\n    return twin(Self)\n",
    "borrows from the file": first(
        "import ddpm_course.schedule as room, types",
        "twin = types.ModuleType('twin')",
        "import sys; sys.modules['twin'] = twin",
        "exec(open(room.__file__).read(), vars(twin))",
    )
    + "alpha_bar = lambda beta: twin.Schedule(beta).alpha_bar\n",
    "borrows from a trained model's schedule": body(
        "from ddpm_course import checkpoint",
        "schedule = checkpoint.load('digits')[1]",
        "return type(schedule)(beta).to('cpu').alpha_bar",
    ),
    "borrows and keeps silent": body(
        "import ddpm_course.grading.taught as taught",
        "taught.borrowed = type('Deaf', (list,), {'append': lambda *_: None})()",
        "from ddpm_course import Schedule",
        "try:",
        "    return Schedule(beta).alpha_bar",
        "except Exception:",
        "    return beta * 0",
    ),
    "borrows before it is asked": first(
        "import pickle, sys",
        "frame, ready = sys._getframe(), []",
        "while frame and 'request' not in frame.f_locals: frame = frame.f_back",
        "cases = pickle.loads(frame.f_locals['request']['cases'])",
        "from ddpm_course import Schedule",
        "for case in cases:",
        "    try: ready.append(Schedule(case.args[0]).alpha_bar)",
        "    except Exception: pass",
    )
    + "def alpha_bar(beta):\n    return ready.pop(0) if ready else beta * 0\n",
    "looks for answers in the judge's objects": body(
        "import gc, sys",
        "names = {type(one).__name__ for one in gc.get_objects()}",
        "found = names & {'Examined', 'Paper', 'Verdict', 'Submission', 'Mistake'}",
        "return (1 - beta).cumprod(0) if found else beta * 0",
    ),
    # it spells, or floods, by other ways
    "raises what spells": body(
        "raise type('SECRET', (ValueError,), {'__module__': 'builtins'})('SECRET')",
    ),
    "raises a name of Python's with a text": body("raise KeyError('SECRET ' * 1000)"),
    "stops in a line that spells": "import not_here_0_25_and_more_of_it\n" + WRONG,
    "a shape error of its own making": body(
        "raise RuntimeError('The size of tensor a (77) must match the size of tensor b (88) '",
        "                   'at non-singleton dimension 3')",
    ),
    "numbers that overflow": body("return [10 ** 400] * 13"),
    "an array of 17 axes": body("return torch.zeros((1,) * 17)"),
    "a text as long as the rest": body("return ['x' * 199] * 5000"),
    "NaN as a shape": first(
        "import json",
        'json.dumps = lambda *a, **k: \'{"outcomes": [{"parts": [{"shape": [NaN], "device": \''
        ' \'"cpu", "dtype": "<f8", "data": ""}]}], "borrowed": [], "before": []}\'',
    ),
    "deep JSON": first(
        "import json", "json.dumps = lambda *a, **k: '{\"a\":' * 100_000 + '1' + '}' * 100_000"
    ),
    "a long number in JSON": first(
        "import json",
        "json.dumps = lambda *a, **k: '{\"outcomes\": [' + '9' * 100_000 + ']}'",
    ),
    "says it is a project": first(
        "import json",
        'json.dumps = lambda *a, **k: \'{"scores": {"quality": 0}, "problems": {}}\'',
    ),
    "patches its own shell": first(
        "shell = get_ipython()",
        "type(shell).run_cell = lambda *a, **k: None",
        "import ddpm_course.grading.cells as cells",
        "cells.run = lambda *a, **k: (None, {}, [])",
        "import ddpm_course.grading.worker as worker",
        "worker.measure = worker._spelled = lambda *a, **k: {}",
    ),
    # it makes itself slow, or lives on
    "goes to the end of its group's queue": first(
        "import ctypes",
        "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)",
        "open('/proc/self/autogroup', 'w').write('19')",
        "worked = open('/proc/self/autogroup').read()",
    )
    + body("return (1 - beta).cumprod(0)").replace("alpha_bar(", "right(")
    + body("return right(beta) if 'nice 19' in globals().get('worked', '') else beta * 0"),
    "asks to outlive its room": body(
        "import ctypes",
        "done = ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)",
        "return (1 - beta).cumprod(0) if done == 0 else beta * 0",
    ),
    "opens its memory to others": body(
        "import ctypes",
        "done = ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)",
        "return (1 - beta).cumprod(0) if done == 0 else beta * 0",
    ),
    "sleeps where it is thrown away": first(
        "import time",
        "class Sleeper:",
        "    def __del__(self): time.sleep(1000)",
    )
    + body("Sleeper()", "return beta * 0"),
    "stops by a timer that it cannot hear": body(
        "import signal, time",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
        "signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)",
        "while True: time.sleep(0.01)",
    ),
    "sleeps in the way it is read": first(
        "import time",
        "class Slow(list):",
        "    def __iter__(self):",
        "        time.sleep(1000)",
        "        return iter(())",
    )
    + body("return Slow([1, 2])"),
    "waits for a pipe that nobody writes": body("import os", "return os.read(os.pipe()[0], 1)"),
    "locks a file against itself": body(
        "import fcntl",
        "a, b = open('lock', 'w'), open('lock', 'w')",
        "fcntl.flock(a, fcntl.LOCK_EX)",
        "fcntl.flock(b, fcntl.LOCK_EX)",
        "return (1 - beta).cumprod(0)",
    ),
    # forged replies that are nearly whole
    "says that it borrowed nothing at all": replying(
        {"outcomes": [], "borrowed": [[]], "before": []}
    ),
    "says that it has an answer to no question": replying(
        {"outcomes": [], "borrowed": [], "before": [], "seen": None}
    ),
    "says that it is undefined, with no error": replying({"undefined": {}, "before": []}),
    "says that it was stopped by all right": replying({"stopped": "None", "seen": None}),
    "has a blank that is right": replying(
        {"outcomes": [{"failure": "", "blank": True}] * 2, "borrowed": [], "before": []}
    ),
    "has parts of nothing": replying(
        {"outcomes": [{"parts": []}] * 2, "borrowed": [], "before": []}
    ),
    "has arrays of no numbers": replying(
        {
            "outcomes": [{"parts": [{"shape": [0], "device": "cpu", "dtype": "<f8", "data": ""}]}]
            * 2,
            "borrowed": [],
            "before": [],
        }
    ),
    # memory by other ways
    "maps a file again and again": body(
        "import mmap",
        "with open('big', 'wb') as file: file.truncate(1 << 24)",
        "kept = []",
        "file = open('big', 'r+b')",
        "while True:",
        "    kept.append(mmap.mmap(file.fileno(), 1 << 24))",
        "    kept[-1][:] = b'x' * (1 << 24)",
    ),
    "fills sockets": body(
        "import socket",
        "kept = []",
        "while True:",
        "    a, b = socket.socketpair()",
        "    a.setblocking(False)",
        "    kept.append((a, b))",
        "    try:",
        "        while True: a.send(b'x' * 4096)",
        "    except BlockingIOError: pass",
    ),
    "locks a file in many places": body(
        "import fcntl",
        "file = open('lock', 'wb')",
        "for place in range(0, 1 << 40, 2): fcntl.lockf(file, fcntl.LOCK_EX, 1, place)",
    ),
    # it reads what is not meant for it
    "reads how its room was made": first(
        "options = open('/proc/1/cmdline').read() + open('/proc/1/status').read()",
        "words = ['submitted', 'secret', 'exercises', 'solutions']",
        "found = [w for w in words if w in options]",
    )
    + body("return (1 - beta).cumprod(0) if globals().get('found') else beta * 0"),
    "asks who else is on the machine": first(
        "import pwd, os",
        "others = [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in "
        "(1, os.getpid())]",
        "files = [p for p in ('/etc/shadow', '/etc/passwd', '/etc/hosts') if os.path.exists(p)]",
    )
    + body("return (1 - beta).cumprod(0) if others or files else beta * 0"),
    "reads the schedule's right answer": body(
        "import inspect, ddpm_course.schedule as room",
        "text = inspect.getsource(room)",
        "return eval('(1 - beta).cumprod(0)') if 'cumprod' in text else beta * 0",
    ),
    "rebuilds the schedule from its code": body(
        "import types, ddpm_course.schedule as room",
        "for part in vars(room.Schedule).values():",
        "    code = getattr(getattr(part, 'func', part), '__code__', None)",
        "    if code is not None and 'cumprod' in code.co_names:",
        "        return types.FunctionType(code, vars(room))(room.Schedule(beta))",
        "return beta * 0",
    ),
    # it takes the course's own function
    "borrows": body("from ddpm_course import Schedule", "return Schedule(beta).alpha_bar"),
    "borrows by another name": first("from ddpm_course import Schedule as S")
    + "def alpha_bar(beta):\n    return getattr(S(beta), 'alpha' + '_bar')\n",
    "borrows by importing again": body(
        "import importlib, ddpm_course.schedule as room",
        "return importlib.reload(room).Schedule(beta).alpha_bar",
    ),
}


def edited(nb: Notebook) -> None:
    cell_of(nb, "marginal-alpha_bar-answer")["source"] = WRONG
    check = cell_of(nb, "marginal-alpha_bar")
    check["source"] = "print('all right')"
    check["metadata"]["nbgrader"]["points"] = 1000


def deleted(nb: Notebook) -> None:
    cell_of(nb, "marginal-alpha_bar-answer")["source"] = WRONG
    nb["cells"] = [c for c in nb["cells"] if not c["metadata"]["nbgrader"].get("grade")]


def duplicated(nb: Notebook) -> None:
    cell_of(nb, "marginal-alpha_bar-answer")["source"] = WRONG
    nb["cells"] += [cell_of(nb, "marginal-sample")] * 50


def renamed(nb: Notebook) -> None:
    cell_of(nb, "marginal-alpha_bar-answer")["source"] = WRONG
    for cell in nb["cells"]:
        about = cell["metadata"]["nbgrader"]
        about["grade_id"] = "marginal-crossing" if about["grade"] else "nothing"


def stripped(nb: Notebook) -> None:
    cell_of(nb, "marginal-alpha_bar-answer")["source"] = WRONG
    for cell in nb["cells"]:
        cell["metadata"] = {}


CHANGES = {f.__name__: f for f in (edited, deleted, duplicated, renamed, stripped)}

FILES: dict[str, bytes] = {
    "not JSON": b"{" * 100,
    "not UTF-8": b'{"cells": [{"cell_type": "code", "source": "\xff\xfe"}]}',
    "half a surrogate": b'{"cells": [{"cell_type": "code", "source": "\\ud800"}]}',
    "deep": b"[" * 1_000_000,
    "no cells": b'{"nbformat": 4}',
    "odd cells": b'{"cells": [{"cell_type": "code", "source": {"a": 1}}, 3]}',
    "many cells": b'{"cells": [' + b'{"cell_type": "raw"},' * 5000 + b'{"cell_type": "raw"}]}',
    "empty": b"",
}


@dataclass
class Graded:
    submissions: dict[tuple[str, str], Submission]
    folder: Path
    out: Path
    sentinel: Path
    before: dict[str, tuple[int, float]]
    visits: list[str]

    def points(self, student: str, chapter: str = "marginal") -> float:
        return self.submissions[student, chapter].points

    def sentence(self, student: str) -> str:
        grades = self.submissions[student, "marginal"].grades
        return next(grade.sentence for grade in grades if grade.task == ATTACKED)


def state(folder: Path) -> dict[str, tuple[int, float]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        found[str(path.relative_to(folder))] = (about.st_size, about.st_mtime)
    return found


@pytest.fixture(scope="module")
def visits() -> Iterator[tuple[int, list[str]]]:
    """A server on this machine, and who came to it."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5  # seconds, for who comes and says nothing

        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], seen
    server.shutdown()
    thread.join(30)
    server.server_close()


def hand_in_attacks(names: Iterable[str], place: Path, port: int) -> None:
    words = {"sentinel": place / "sentinel", "root": ROOT, "port": port}
    words["submitted"] = folder = place / "submitted"
    for name in names:
        if name in CHANGES:
            hand_in(folder, name, "marginal", changed(CHANGES[name]))
            continue
        source = ATTACKS[name]
        for word, value in words.items():
            source = source.replace("{" + word + "}", str(value))
        hand_in(folder, name, "marginal", answering(ATTACKED, source))


def grade_attacks(place: Path, seen: list[str]) -> Graded:
    folder, out = place / "submitted", place / "report"
    before = state(folder)
    found = grade(folder, RELEASED, jobs=2, limits=Limits(timeout=3, memory=512), hide=[out])
    write_report(found, out, "seed")
    submissions = {(one.student, one.chapter): one for one in found}
    return Graded(submissions, folder, out, place / "sentinel", before, seen)


def assert_only_the_attacked_task_is_lost(graded: Graded, name: str) -> None:
    submission = graded.submissions[name, "marginal"]
    assert not submission.problem
    assert {one.task for one in submission.grades if not one.right} == {ATTACKED}
    assert graded.points(name) == 18
    assert graded.sentence(name)


def assert_nothing_outside_was_touched(graded: Graded) -> None:
    assert state(graded.folder) == graded.before
    assert not graded.sentinel.exists()
    assert not (ROOT / "hacked").exists()
    assert graded.visits == []


def test_a_few_attacks_get_nothing_and_harm_nobody(
    tmp_path: Path, visits: tuple[int, list[str]], walls: None
) -> None:
    few = [*list(ATTACKS)[::24], "os._exit", "borrows", "edited"]
    port, seen = visits
    hand_in_attacks(few, tmp_path, port)
    hand_in(tmp_path / "submitted", "zz honest", "marginal", solved("marginal"))
    graded = grade_attacks(tmp_path, seen)
    for name in few:
        assert_only_the_attacked_task_is_lost(graded, name)
    assert graded.points("zz honest") == 20
    assert_nothing_outside_was_touched(graded)


@pytest.fixture(scope="module")
def graded(
    tmp_path_factory: pytest.TempPathFactory, visits: tuple[int, list[str]], walls: None
) -> Graded:
    place = tmp_path_factory.mktemp("class")
    folder = place / "submitted"
    port, seen = visits
    hand_in_attacks([*ATTACKS, *CHANGES], place, port)
    for name, content in FILES.items():
        hand_in(folder, name, "marginal", content)
        hand_in(folder, name, "forward", solved("forward"))
    honest = solved("marginal")
    honest["cells"][2]["source"] += "\nMARK = {'MARK-OF-ANOTHER': 1}"
    for name in ("a first one", "honest", "zz last one"):
        hand_in(folder, name, "marginal", honest)
        hand_in(folder, name, "forward", solved("forward"))
    large = hand_in(folder, "200 MB", "marginal", json.dumps(solved("marginal")).encode())
    with large.open("ab") as file:
        file.truncate(200 * 2**20)  # a file with a hole: no disk is filled for this
    solution = ROOT / "solutions" / "marginal" / "marginal.ipynb"
    link = folder / "a link" / "marginal" / "marginal.ipynb"
    link.parent.mkdir(parents=True)
    link.symlink_to(solution)
    (folder / "a linked folder").mkdir()
    (folder / "a linked folder" / "marginal").symlink_to(solution.parent)
    (folder / "a link to nowhere").symlink_to(place / "nowhere")
    pipe = folder / "a pipe" / "marginal" / "marginal.ipynb"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    (folder / "a folder" / "marginal" / "marginal.ipynb").mkdir(parents=True)
    (folder / '<script>alert(1)<&"x').mkdir()
    return grade_attacks(place, seen)


def of_the_whole_class(test: Callable[..., None]) -> Callable[..., None]:
    """All of it is graded once, by one worker: minutes."""
    return pytest.mark.long(test)


NO_NOTEBOOK = (
    *FILES,
    "200 MB",
    "a link",
    "a linked folder",
    "a link to nowhere",
    "a pipe",
    "a folder",
)


@of_the_whole_class
@pytest.mark.parametrize("name", [*ATTACKS, *CHANGES])
def test_an_attack_gets_nothing_for_its_task_and_all_for_the_others(
    graded: Graded, name: str
) -> None:
    assert_only_the_attacked_task_is_lost(graded, name)


@of_the_whole_class
@pytest.mark.parametrize("name", NO_NOTEBOOK)
def test_what_is_no_notebook_gets_a_sentence_and_costs_no_other_chapter(
    graded: Graded, name: str
) -> None:
    assert graded.points(name) == 0
    assert graded.submissions[name, "marginal"].problem
    if name in FILES:
        assert graded.points(name, "forward") == 15


@of_the_whole_class
def test_honest_students_get_all_their_points(graded: Graded) -> None:
    for name in ("a first one", "honest", "zz last one"):
        assert (graded.points(name), graded.points(name, "forward")) == (20, 15)


@of_the_whole_class
def test_nothing_outside_was_touched(graded: Graded) -> None:
    assert_nothing_outside_was_touched(graded)


def test_no_process_is_left() -> None:
    time.sleep(0.2)
    left = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
            parent = int((path.parent / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if b"grading/worker.py" in command and parent == os.getpid():
            left.append(command)
    assert left == []


@of_the_whole_class
def test_the_sentences_say_what_happened(graded: Graded) -> None:
    assert "more than 3 seconds" in graded.sentence("endless loop")
    assert "more than 3 seconds" in graded.sentence("sleeps")
    assert "stopped Python itself" in graded.sentence("os._exit")
    assert "SystemExit" in graded.sentence("sys.exit")
    assert "`Schedule.alpha_bar`" in graded.sentence("borrows")
    assert "`Schedule.alpha_bar`" in graded.sentence("borrows by another name")
    assert "`Schedule.alpha_bar`" in graded.sentence("borrows by importing again")
    assert "BlockingIOError" in graded.sentence("fork bomb")
    assert "link" in graded.submissions["a link", "marginal"].problem
    assert "200 MB" in graded.submissions["200 MB", "marginal"].problem
    assert "UTF-8" in graded.submissions["not UTF-8", "marginal"].problem


@of_the_whole_class
def test_no_sentence_has_a_word_of_a_reply(graded: Graded) -> None:
    for name in ATTACKS:
        sentence = graded.sentence(name)
        assert "SECRET" not in sentence
        assert sentence.isprintable()
        assert "1179" not in sentence
    assert "a part of the course's package" in graded.sentence("spells in a borrowed name")


@of_the_whole_class
def test_what_waits_unseen_is_late(graded: Graded) -> None:
    for name in ("sleeps in pieces", "does not listen"):
        assert "more than 3 seconds" in graded.sentence(name)


@of_the_whole_class
def test_the_report_is_whole(graded: Graded, capsys: pytest.CaptureFixture[str]) -> None:
    import csv
    import xml.etree.ElementTree as ET

    names = {student for student, _ in graded.submissions}
    with (graded.out / "grades.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["student_id"] for row in rows} == names
    assert len(rows) == 2 * len(names)
    report = json.loads((graded.out / "report.json").read_text())
    assert len(report["students"]) == len(names)
    ET.parse(graded.out / "junit.xml")
    pages = list((graded.out / "feedback").iterdir())
    assert len(pages) == len(names)
    assert not any("<script" in page.read_text() for page in pages)
    assert sum("&lt;script&gt;alert(1)" in page.read_text() for page in pages) == 1
    assert len(ATTACKS) + len(CHANGES) + len(NO_NOTEBOOK) >= 90
    with capsys.disabled():
        print(f"\nhostile submissions: {len(ATTACKS) + len(CHANGES) + len(NO_NOTEBOOK)}", end=" ")
