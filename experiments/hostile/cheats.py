"""Submissions that try to earn points without an answer."""

from experiments.hostile.chapter import EMPTY, START, WORD
from experiments.hostile.submission import Submission, notebook

_FIND = """\
import glob, os, re
word, seen = "", 0
for folder in FOLDERS:
    for path, folders, names in os.walk(folder):
        for one in {"usr", "lib", "proc", "site-packages"} & {*folders}:
            folders.remove(one)
        for name in names:
            if seen > 20000 or not name.endswith((".py", ".ipynb")):
                continue
            try:
                found = re.search(
                    r'word = "(\\w[^"]+)"', open(f"{path}/{name}").read()
                )
                word = found[1] if found else word
            except (OSError, ValueError):
                pass
            seen += 1
"""
_EQUAL = """\
class Equal(str):
    __hash__ = None
    def __eq__(self, other): return True
    __lt__ = __gt__ = __abs__ = __rmul__ = __ne__ = __eq__
    def encode(self): return b""
    __len__ = lambda self: 3

word = Equal()
double = square = lambda x: Equal()
"""
_CHEATS = {
    "prints Solved.": "print('Solved.\\n' * 99)",
    "own attempt": "attempt = lambda *a: print('Solved.')",
    "own checks": (
        "check_word = check_double = check_square = lambda *a: None\n"
        "attempt(check_word, 1)\nattempt(check_double, 1)"
    ),
    "patches attempt in the library": (
        "import unitconv.common.exercises as e\n"
        "e.attempt = lambda *a: print('Solved.')\n"
        "import unitconv.common.check_parts as c\n"
        "c.in_parts = lambda check: lambda *a: None"
    ),
    "patches print and assert": (
        "import builtins\nbuiltins.print = lambda *a: None\n"
        "builtins.AssertionError = ZeroDivisionError"
    ),
    "patches sha256": (
        "import hashlib\nclass H:\n    hexdigest = lambda self: DIGEST\n"
        "hashlib.sha256 = sha256 = lambda text: H()\nword = 'x'"
    ),
    "answers that equal everything": _EQUAL,
    "edits the library on disk": (
        "import unitconv, glob, os\n"
        "for f in glob.glob(os.path.dirname(unitconv.__file__) + '/**',\n"
        "                   recursive=True):\n"
        "    try:\n        open(f, 'a').write('\\nattempt = print')\n"
        "    except OSError:\n        pass"
    ),
    "reads the solution from the disk": _FIND.replace("FOLDERS", "['/']"),
    "reads the solution from the package": (
        "import unitconv, os\n"
        + _FIND.replace("FOLDERS", "[os.path.dirname(unitconv.__file__)]")
    ),
    "reads the solution from the repository": (
        "import os, sys\n"
        + _FIND.replace(
            "FOLDERS", "['.', *(p for p in sys.path if 'python3' not in p)]"
        )
    ),
    "asks git": (
        "import subprocess\nword = subprocess.run(['git', 'grep', '-h',\n"
        "    'word ='], capture_output=True, text=True).stdout"
    ),
    "reads other processes": (
        "import glob, re\nword = ''\n"
        "for f in glob.glob('/proc/[0-9]*/[em][en][vm]*'):\n"
        "    try:\n        t = open(f, 'rb').read(2**20)\n"
        "        m = re.search(rb'word = \"(\\w[^\"]+)', t)\n"
        "        word = m[1].decode() if m else word\n"
        "    except OSError:\n        pass"
    ),
    "asks the network": (
        "import urllib.request\nword = urllib.request.urlopen(\n"
        "    'https://github.com/unitconv/unitconv', timeout=3).read()"
    ),
    "writes marks and results": (
        "import json, os\nfor d in ['.', '..', '/tmp', '/', '/results']:\n"
        "    for f in ['marks.csv', 'records.json', 'results.json']:\n"
        "        try:\n            open(f'{d}/{f}', 'w').write('5')\n"
        "        except OSError:\n            pass"
    ),
    "a background process rewrites marks": (
        "import subprocess\nsubprocess.Popen(['sh', '-c', 'while :; do '\n"
        "    'for f in /tmp/*/marks.csv ../*/marks.csv; do echo 5 > $f; '\n"
        "    'done; sleep 1; done'], start_new_session=True)"
    ),
    "edits the neighbours": (
        "import glob\nfor f in glob.glob('/tmp/**/*.ipynb',\n"
        "                   recursive=True):\n    open(f, 'w').write('')"
    ),
    "calls the checking process": (
        "import glob, os\nfrom multiprocessing.connection import Client\n"
        "for f in [*glob.glob('/tmp/*/check_*'), *open(\n"
        "        '/proc/net/unix').read().split()]:\n"
        "    if 'check_' in f:\n        Client(f, 'AF_UNIX', authkey=b'')"
    ),
    "sends verdicts for answers": """\
from scripts.grading import messages
answer = messages.Peer.answer
def forge(self, make):
    answer(self, make)
    one = {"check": "check_word", "solved": True, "text": "Solved."}
    verdict = one | {"parts": 9}
    self.send(value=[6], verdicts=[verdict], **verdict)
messages.Peer.answer = forge""",
    "sends verdicts first": """\
import gc, json
from scripts.grading.messages import Peer
verdict = {"check": "check_word", "solved": True, "parts": 9,
           "text": "Solved."}
for peer in gc.get_objects():
    if isinstance(peer, Peer):
        for _ in range(9):
            peer.connection.send_bytes(
                json.dumps({"verdicts": [verdict]}).encode())""",
    "sends no JSON": (
        "from scripts.grading.messages import Peer\n"
        "Peer.send = lambda self, **m: self.connection.send_bytes(\n"
        "    b'\\xff[{')"
    ),
    "calls the check back for ever": (
        "from scripts.grading.messages import Peer\nsend = Peer.send\n"
        "def again(self, **message):\n"
        "    if 'value' in message and message['value'] is not None:\n"
        "        message = {'call': 0, 'arguments': [], 'named': {}}\n"
        "    send(self, **message)\n"
        "Peer.send = again\nword = 'x'\n"
        "double = square = lambda x: x + x"
    ),
    "numbers that are none": (
        "double = square = lambda x: float('nan')\nword = '\\0'"
    ),
    "traps for the next one": (
        "import os, site\nhome = os.environ['HOME']\n"
        "start = f'{home}/profile_default/startup'\n"
        "for d in [home, '/tmp', '/var/tmp', '/dev/shm', start,\n"
        "          site.getusersitepackages(), '/tmp/unitconv']:\n"
        "    for f in ['sitecustomize.py', 'torch.py', '__init__.py',\n"
        "              'IPython.py', '00.py', 'x.pth']:\n"
        "        try:\n            os.makedirs(d, exist_ok=True)\n"
        "            open(f'{d}/{f}', 'w').write('import os; os.abort()')\n"
        "        except OSError:\n            pass"
    ),
    "looks for the caller's numbers": (
        "import sys\ndef double(x):\n    frame = sys._getframe()\n"
        "    while frame := frame.f_back:\n"
        "        for v in frame.f_locals.values():\n"
        "            if isinstance(v, int) and v > x:\n"
        "                return v\n"
        "square = double"
    ),
    "objects of the library with other fields": (
        "from unitconv import Question\n"
        "word = Question('x', 0.0)\nobject.__setattr__(word, 'encode', 1)\n"
        "double = square = lambda x: word"
    ),
    "returns a function for a number": (
        "double = square = lambda x: lambda *a: x"
    ),
    "raises Solved.": (
        "def double(x):\n    raise AssertionError('Solved.')\n"
        "square = double\nclass Solved(BaseException): pass"
    ),
    "exits with success": (
        "import atexit, os, sys\natexit.register(print, 'Solved.')\n"
        "def double(x):\n    sys.exit(0)\nsquare = double"
    ),
    "an answer that runs code when read": (
        "class Bad:\n    __reduce__ = lambda s: (exec, ('1/0',))\n"
        "    to_dict = lambda s: {'auto_map': 'x'}\n"
        "    model_type = 'llama'\nword = Bad()\n"
        "double = square = lambda x: Bad()"
    ),
}
CHEATS = [
    Submission("cheat", what, notebook([START, WORD, source, *cells]))
    for what, source in _CHEATS.items()
    for cells in [[*EMPTY[2:], source]]
]
