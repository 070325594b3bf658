"""Submissions that do not end, end too early, or take too much."""

from experiments.hostile.chapter import EMPTY, SOLVED
from experiments.hostile.submission import Submission, notebook

# In the third cell: only the first exercise is solved before.
_STOPPED = {
    "a loop that catches everything": (
        "import time\nwhile True:\n    try:\n        time.sleep(1)\n"
        "    except:\n        pass",
        "cell 3: out of time",
    ),
    "a loop in C that nothing interrupts": (
        "import itertools\nsum(itertools.repeat(0))",
        "cell 3: out of time",
    ),
    "leaves its session, and ignores signals": (
        "import os, signal, time\nos.setsid()\n"
        "signal.signal(2, signal.SIG_IGN)\nwhile True:\n"
        "    time.sleep(1)",
        "cell 3: out of time",
    ),
    "sends half a message": (
        "import gc, os, time\n"
        "from scripts.grading.messages import Peer\n"
        "[p] = [p for p in gc.get_objects() if isinstance(p, Peer)]\n"
        "os.write(p.connection.fileno(), b'\\0\\1\\0\\0{')\n"
        "time.sleep(99)",
        "cell 3: ",
    ),
    "os._exit": ("import os\nos._exit(0)", "cell 3: it ended itself"),
    "a segmentation fault": (
        "import ctypes\nctypes.string_at(0)",
        "cell 3: ",
    ),
    "kills itself": (
        "import os\nos.kill(os.getpid(), 9)\nos.abort()",
        "cell 3: ",
    ),
    "children that take 6 GB together": (
        "import os, time\nfor _ in range(12):\n    if not os.fork():\n"
        "        x = bytearray(500 * 2**20)\n        time.sleep(99)\n"
        "time.sleep(99)",
        "cell 3: out of memory",
    ),
    "closes the grader's connection": (
        "import os\nos.closerange(3, 100)",
        "cell 3: ",
    ),
}
# The same, but the next cells are run.
_BORNE = {
    "kills all other processes": ("import os\nos.kill(-1, 9)", ""),
    "sys.exit": ("import sys\nsys.exit()", ""),
    "an endless loop": ("while True:\n    pass", "out of time"),
    "an array of 20 GB": (
        "import numpy\nnumpy.ones(20 * 2**30, 'int8')",
        "out of memory",
    ),
    "500 processes": (
        "import os, time\nfor _ in range(500):\n"
        "    if not os.fork():\n        time.sleep(99)",
        "",
    ),
    "5000 threads": (
        "import threading, time\nfor _ in range(5000):\n"
        "    threading.Thread(target=time.sleep, args=[99],\n"
        "                     daemon=True).start()",
        "",
    ),
    "100 MB of output": ("print('x' * 10**8)", ""),
    "100 MB to the terminal": (
        "import os\nfor _ in range(100):\n    os.write(2, b'x' * 10**6)",
        "",
    ),
    "fills the disk": (
        "for i in range(40):\n"
        "    open(f'/tmp/{i}', 'wb').write(b'x' * 2**25)",
        "",
    ),
    "a file of 1 GB": ("open('/tmp/f', 'wb').truncate(2**30)", ""),
    "opens all files it can": (
        "files = []\ntry:\n    while True:\n"
        "        files.append(open('/dev/null'))\n"
        "finally:\n    files.clear()",
        "",
    ),
    "an error whose text is an error": (
        "class E(Exception):\n    def __str__(self):\n"
        "        raise SystemExit\nraise E",
        "",
    ),
    "endless recursion": ("def f():\n    f()\nf()", ""),
    "an error that reads like a formula": (
        "raise OSError('=1+2\\r\\n\\033[2J, \"Solved.\"')",
        "",
    ),
}
# Answers that are never complete.
_ANSWERS = {
    "an endless answer": (
        "import itertools\nword = itertools.count()\n"
        "double = square = lambda x: itertools.count()"
    ),
    "an answer of 1 GB": "word = 'x' * 2**30",
    "a list in itself": "word = []\nword.append(word)",
    "an answer that takes for ever": (
        "import time\ndef double(x):\n    time.sleep(99)"
    ),
    "a number of 10,000 digits": "word = double = 10 ** 10_000",
    "exits when asked": "import os\ndouble = lambda x: os._exit(0)",
}
BOMBS = (
    [
        Submission("bomb", what, notebook(cells), 1, 0, reason)
        for what, (source, reason) in _STOPPED.items()
        for cells in [[*SOLVED[:2], source, *SOLVED[2:]]]
    ]
    + [
        Submission("bomb", what, notebook(cells), 5, 2, reason)
        for what, (source, reason) in _BORNE.items()
        for cells in [[*SOLVED[:2], source, *SOLVED[2:]]]
    ]
    + [
        Submission(
            "bomb",
            "500 cells that fail",
            notebook([*SOLVED, *["1 / 0"] * 500]),
            *(5, 2),
        )
    ]
    + [
        Submission("bomb", what, notebook([*EMPTY, source]))
        for what, source in _ANSWERS.items()
    ]
)
