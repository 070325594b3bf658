"""Messages between a check and a submission: values as plain JSON.

Neither side trusts the other. A value is rebuilt from data alone, and
decoding calls nothing that the sender names. Functions stay where they
are; the other side gets a stand-in, which sends a message when called.
"""

import base64
import dataclasses
import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Set
from itertools import islice
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

LONGEST = 64 * 2**20  # bytes of a message
_MANY = 10**6  # items that are taken from an iterator
_COLLECTIONS: dict[str, Callable[[list[Any]], object]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
}


def one_line(text: str) -> str:
    """Replace what no terminal or table should be sent by spaces."""
    return "".join(c if c.isprintable() else " " for c in text)


class AnswerError(Exception):
    """The other side's code failed, or its value is none to be sent."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}" if text else kind)
        self.kind = kind


class Peer:
    """One end of a conversation of values and calls.

    Args:
        describe: returns the words that tell the other side of an error.
    """

    def __init__(
        self,
        connection: Connection,
        describe: Callable[[BaseException], str] = str,
    ) -> None:
        self.connection = connection
        self.describe = describe
        self.functions: list[Callable[..., object]] = []

    def send(self, **message: object) -> None:
        self.connection.send_bytes(json.dumps(message).encode())

    def receive(self) -> dict[str, Any]:
        message = json.loads(self.connection.recv_bytes(LONGEST))
        if not isinstance(message, dict):
            raise AnswerError("ValueError", "an answer that is no message")
        return message

    def ask(self, **message: object) -> Any:
        """Send a message; return the value that comes back.

        Raises:
            AnswerError: an error comes back.
        """
        self.send(**message)
        while "call" in (reply := self.receive()):
            self.answer_call(reply)
        if "error" in reply:
            raise AnswerError(str(reply["error"]), str(reply.get("text")))
        return self.decode(reply.get("value"))

    def answer(self, make: Callable[[], object]) -> None:
        """Send the value that `make` returns, or what is wrong with it."""
        try:
            self.send(value=self.encode(make()))
        except BaseException as error:
            kind = type(error).__name__
            self.send(error=kind, text=self.describe(error)[:500])

    def answer_call(self, message: dict[str, Any]) -> None:
        def call() -> object:
            function = self.functions[message["call"]]
            arguments = self.decode(message["arguments"])
            return function(*arguments, **self.decode(message["named"]))

        self.answer(call)

    def encode(self, value: object) -> object:
        """Return JSON that stands for a value.

        Raises:
            TypeError: there is none for such a value.
        """
        match value:
            case None | bool():
                return value
            case int():
                return int(value)
            case float():
                return float(value)
            case str():
                return str(value)
            case list():
                return [self.encode(item) for item in value]
            case tuple() | Set():
                kind = (
                    "frozenset" if isinstance(value, frozenset) else "set"
                )
                kind = "tuple" if isinstance(value, tuple) else kind
                return {kind: [self.encode(item) for item in value]}
            case Mapping():
                items = [
                    [self.encode(k), self.encode(v)]
                    for k, v in value.items()
                ]
                return {"dict": items}
            case SimpleNamespace():
                return {"namespace": self.encode(vars(value))}
        return self._encode_object(value)

    def _encode_object(self, value: Any) -> object:
        kind = type(value)
        package = kind.__module__.partition(".")[0]
        if package == "numpy" and not getattr(value, "shape", (0,)):
            return self.encode(value.item())
        if package in ("torch", "numpy") and hasattr(value, "dtype"):
            return _encode_array(value, package)
        if dataclasses.is_dataclass(kind) and package == "unitconv":
            fields = {
                f.name: getattr(value, f.name)
                for f in dataclasses.fields(kind)
            }
            return {
                "object": [kind.__module__, kind.__name__],
                "fields": self.encode(fields),
            }
        if hasattr(value, "model_type") and hasattr(value, "to_dict"):
            return {
                "config": value.model_type,
                "fields": self.encode(value.to_dict()),
            }
        if callable(value):
            self.functions.append(value)
            return {"function": len(self.functions) - 1}
        if isinstance(value, Iterator | range):
            return [self.encode(item) for item in islice(value, _MANY)]
        raise TypeError(
            f"a value of type {kind.__name__} cannot be checked"
        )

    def decode(self, data: Any) -> Any:
        """Return the value that JSON stands for.

        Raises:
            AnswerError: it stands for none.
        """
        if isinstance(data, list):
            return [self.decode(item) for item in data]
        if not isinstance(data, dict):
            return data
        match data:
            case {"array": str(content), "package": "torch" | "numpy"}:
                return _decode_array(content, data["package"])
            case {"object": [str(module), str(name)], "fields": fields}:
                return _decode_object(module, name, self.decode(fields))
            case {"config": str(), "fields": fields}:
                config = importlib.import_module("transformers").AutoConfig
                return config.for_model(**self.decode(fields))
            case {"namespace": fields}:
                return SimpleNamespace(**self.decode(fields))
            case {"function": int(number)}:
                return self._stand_in(number)
        [(kind, items)] = data.items()
        return _COLLECTIONS[kind]([self.decode(item) for item in items])

    def _stand_in(self, number: int) -> Callable[..., object]:
        def function(*arguments: object, **named: object) -> object:
            return self.ask(
                call=number,
                arguments=self.encode(list(arguments)),
                named=self.encode(named),
            )

        return function


def _encode_array(array: Any, package: str) -> object:
    """Write a tensor or an array as safetensors."""
    if package == "torch":
        array = array.detach().cpu().contiguous()
    else:  # of a column or a transpose, other numbers would be written
        array = array.copy(order="C")
    saver = importlib.import_module(f"safetensors.{package}")
    content = base64.b64encode(saver.save({"": array})).decode()
    return {"array": content, "package": package}


def _decode_array(content: str, package: str) -> object:
    loader = importlib.import_module(f"safetensors.{package}")
    return loader.load(base64.b64decode(content))[""]


def _decode_object(module: str, name: str, fields: object) -> object:
    """Rebuild a dataclass of the library, without calling it.

    Raises:
        AnswerError: there is no such class, or it has other fields.
    """
    if not module.startswith("unitconv.") or module.endswith("__main__"):
        raise AnswerError("TypeError", f"an answer of {module}")
    kind = getattr(importlib.import_module(module), name, None)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise AnswerError("TypeError", f"{name} is no record")
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(fields, dict) or [*fields] != names:
        raise AnswerError("TypeError", f"a {name} has other fields")
    made = object.__new__(kind)
    for field, value in fields.items():
        object.__setattr__(made, field, value)
    return made
